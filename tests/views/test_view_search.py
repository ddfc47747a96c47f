"""Faces found in parts of an image, in pixels of the whole one, on every backend."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast import Detector, Faces, ImageError
from mtcnn_fast.backends import available_backends
from support.portrait import QUICK, portrait
from support.variants import parameters

#: Backends whose scores may depend on the images next to an image, see the contract tests.
TOLERANCE = {"torch:cpu": 1e-5, "cuda": 1e-5}


@pytest.fixture(
    scope="module", params=parameters([name for name, problem in available_backends().items() if not problem])
)
def detector(request: pytest.FixtureRequest) -> Any:
    with Detector(request.param, **QUICK) as made:
        yield made


def same(found: Faces, expected: Faces, detector: Detector) -> None:
    tolerance = TOLERANCE.get(detector.backend.split(":0")[0], 0)
    assert found.image_size == expected.image_size
    assert len(found) == len(expected)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=0, atol=tolerance)
    np.testing.assert_allclose(found.boxes, expected.boxes, rtol=0, atol=1e-3 if tolerance else 1e-5)
    np.testing.assert_allclose(found.landmarks, expected.landmarks, rtol=0, atol=1e-3 if tolerance else 1e-5)


def on_canvas(width: int, height: int, *faces: tuple[int, int, int]) -> np.ndarray:
    """Lay the portrait at (x, y) in a size on a gray canvas."""
    canvas = np.full((height, width, 3), 90, np.uint8)
    for x, y, size in faces:
        canvas[y : y + size, x : x + size] = np.asarray(Image.fromarray(portrait()).resize((size, size)))
    return canvas


def moved(faces: Faces, x: float, y: float, size: tuple[int, int], factor: float = 1) -> Faces:
    return Faces(faces.boxes * factor + [x, y, x, y], faces.scores, faces.landmarks * factor + [x, y], size)


def test_region(detector: Detector) -> None:
    image = on_canvas(400, 130, (10, 5, 112), (270, 9, 112))
    assert len(detector.detect(image)) == 2
    found = detector.detect(image, roi=(260, 0, 390, 125))
    alone = detector.detect(np.ascontiguousarray(image[:125, 260:390]))
    assert len(alone) == 1
    same(found, moved(alone, 260, 0, (400, 130)), detector)
    with pytest.raises(ImageError, match="within roi"):
        detector.detect(image, roi=(400, 0, 500, 50))


def test_shrunk(detector: Detector) -> None:
    image = np.asarray(Image.fromarray(portrait()).resize((336, 336)))
    found = detector.detect(image, max_side=112)
    alone = detector.detect(np.asarray(Image.fromarray(image).resize((112, 112), Image.Resampling.BILINEAR)))
    assert len(alone) == 1
    same(found, moved(alone, 0, 0, (336, 336), 3), detector)
    assert detector.detect(portrait(), max_side=112) == detector.detect(portrait())


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_turned(detector: Detector, angle: int) -> None:
    upright = detector.detect(portrait())
    image = np.rot90(portrait(), -angle // 90)
    found = detector.detect(image, rotations=(0, 90, 180, 270))
    alone = detector.detect(image, rotations=(angle,))
    assert len(found) == len(alone) == 1
    same(found, alone, detector)
    np.testing.assert_allclose(alone.scores, upright.scores, atol=1e-5)
    assert (found[0].roll - upright[0].roll - angle + 180) % 360 == pytest.approx(180, abs=1e-3)
    # Cut out upright by their landmarks, both are the same picture.
    np.testing.assert_allclose(alone.align(image)[0], upright.align(portrait())[0], atol=2)
    np.testing.assert_allclose(np.rot90(alone.crops(image)[0], angle // 90), upright.crops(portrait())[0], atol=2)
    (turned_box,) = alone.boxes.astype(np.float64)
    (box,) = upright.boxes.astype(np.float64)
    expected = {
        0: box, 90: [112 - box[3], box[0], 112 - box[1], box[2]], 180: 112 - box[[2, 3, 0, 1]],
        270: [box[1], 112 - box[2], box[3], 112 - box[0]],
    }[angle]  # fmt: skip
    np.testing.assert_allclose(turned_box, expected, atol=1e-3)


def test_tiles(detector: Detector) -> None:
    """Small faces, also at the borders of tiles, and one that is larger than a tile."""
    small = [(5, 5, 80), (205, 190, 80), (430, 60, 80), (900, 20, 80), (930, 560, 80)]
    image = on_canvas(1100, 700, *small, (350, 250, 420))
    found = detector.detect(image, tiles=256, tile_overlap=128)
    expected = detector.detect(image)
    for x, y, size in (*small, (350, 250, 420)):
        centre = np.array([x + size / 2, y + size / 2])
        for faces in (found, expected):
            distance = np.abs((faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2 - centre).max(axis=1)
            assert (distance < size / 4).sum() == 1, (x, y)
    assert list(found.scores) == sorted(found.scores, reverse=True)
    assert found.image_size == (1100, 700)


def test_an_image_of_one_tile_is_searched_as_ever(detector: Detector) -> None:
    image = on_canvas(256, 200, (30, 40, 112))
    assert detector.detect(image, tiles=256, tile_overlap=128) == detector.detect(image)
    assert detector.detect(image, tiles="auto") == detector.detect(image)


def test_batches_equal_single_images(detector: Detector) -> None:
    images = [
        on_canvas(300, 200, (20, 30, 112)),
        np.zeros((30, 20, 3), np.uint8),
        np.rot90(on_canvas(200, 340, (60, 90, 112))),
    ]
    for settings in (
        {"roi": (10, 0, 250, 190)},
        {"max_side": 160},
        {"rotations": (0, 90)},
        {"tiles": 256, "tile_overlap": 128},
        {"roi": (0, 0, 280, 190), "max_side": 250, "rotations": (270, 0), "tiles": 240, "tile_overlap": 120},
    ):
        if "roi" in settings:
            images[1] = np.zeros((30, 40, 3), np.uint8)
        expected = [detector.detect(image, **settings) for image in images]
        assert sum(map(len, expected)) >= 1
        for batch_size in (None, 2):
            found = detector.detect_batch(images, batch_size=batch_size, **settings)
            for ours, theirs in zip(found, expected, strict=True):
                same(ours, theirs, detector)


def test_profiles_add_up_and_limits_hold(detector: Detector) -> None:
    image = on_canvas(500, 300, (10, 20, 112), (200, 60, 90), (350, 150, 120))
    found = detector.detect(image, tiles=256, tile_overlap=128, profile=True)
    assert found.timings is not None
    assert found.timings["pnet"] > 0
    (batched,) = detector.detect_batch([image], tiles=256, tile_overlap=128, profile=True)
    assert batched.timings is not None
    assert batched.timings.keys() == found.timings.keys()
    assert len(found) == 3
    with Detector.from_config(detector.config, detector.device) as again:
        assert len(again.detect(image, tiles=256, tile_overlap=128)) == 3
    with Detector(detector.device, max_faces=2, **QUICK) as limited:
        fewer = limited.detect(image, tiles=256, tile_overlap=128)
        same(fewer, found[:2], detector)


def test_kept_images(detector: Detector) -> None:
    image = on_canvas(300, 200, (20, 30, 112))
    given = image.copy()
    found = detector.detect(given, keep_image=True, roi=(0, 0, 200, 200))
    given[:] = 0
    np.testing.assert_array_equal(found.image, image)
    assert found.image is not None
    assert not found.image.flags.writeable
    assert found == detector.detect(image, roi=(0, 0, 200, 200))
    assert found.draw().tobytes() == found.draw(image).tobytes()
    assert found.blur().tobytes() == found.blur(image).tobytes()
    assert "data:image/png;base64," in found._repr_html_()
    assert [f.image is not None for f in detector.detect_batch([image, image], keep_image=True)] == [True, True]
    assert detector.detect(image).image is None
    # A resized result does not carry the picture of another size.
    assert found.scale(2).image is None
    assert found.scale(1).image is found.image


@pytest.mark.parametrize("orientation", [1, 6])
def test_files_are_decoded_no_larger_than_needed(detector: Detector, orientation: int, tmp_path: Any) -> None:
    large = Image.fromarray(on_canvas(400, 300, (20, 30, 240))).resize((1600, 1200))
    path = tmp_path / "large.jpg"
    exif = Image.Exif()
    exif[0x0112] = orientation
    large.save(path, quality=95, exif=exif)
    sizes = []
    for settings in ({}, {"keep_image": True}, {"roi": (0, 0, 1600, 1600)}):
        found = detector.detect(path, max_side=400, rotations=(0, 90), **settings)
        sizes.append(found.image_size)
        assert len(found) == 1
    assert set(sizes) == {(1600, 1200) if orientation == 1 else (1200, 1600)}
    whole = detector.detect(path, max_side=400, rotations=(0, 90), keep_image=True)
    quick = detector.detect(path, max_side=400, rotations=(0, 90))
    np.testing.assert_allclose(quick.boxes, whole.boxes, atol=25)
    assert whole.image is not None
    assert whole.image.shape[:2] == whole.image_size[::-1]
