"""Batches of the soft-label recipe: targets that follow what is done to a window."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from mtcnn_fast.errors import ConfigError  # noqa: E402
from mtcnn_fast.training.samples.geometry import box_targets, landmark_targets  # noqa: E402
from mtcnn_fast.training.soft.augmentation import UNCHANGED, turned, window_batch  # noqa: E402
from mtcnn_fast.training.soft.warp_options import WarpOptions  # noqa: E402
from mtcnn_fast.training.soft.window_set import Windows  # noqa: E402

SIZE = 48


def window(face: tuple[int, int, int, int], points: np.ndarray, *, corners: tuple[float, ...]) -> Windows:
    """One window of an image of 100 pixels, in which a face is white; the crop is exact where sizes agree."""
    picture = np.zeros((100, 100, 3), np.uint8)
    picture[face[1] : face[3], face[0] : face[2]] = 255
    x, y = int(corners[0]) - 1, int(corners[1]) - 1
    image = picture[y : y + SIZE, x : x + SIZE]
    inter = SIZE * SIZE
    area = (face[2] - face[0]) * (face[3] - face[1])
    return Windows(
        image[None],
        np.array([corners], np.float32),
        np.array([face], np.float32),
        points[None].astype(np.float32),
        np.array([area / inter], np.float32),
        np.zeros(1, np.float32),
        np.zeros(1, np.int64),
        np.zeros(1, np.int64),
    )


@pytest.fixture
def example() -> Windows:
    points = np.array([[30, 30], [40, 31], [36, 36], [31, 44], [41, 43]], np.float64)
    return window((24, 22, 46, 50), points, corners=(11, 11, 58, 58))


def shown_box(image: torch.Tensor) -> np.ndarray:
    """The white box of an image, as shares of it, xyxy; the edge lies where half the brightness is."""
    bright = (image[0].float().numpy() * 128 + 127.5) / 255
    rows, columns = bright.max(axis=1), bright.max(axis=0)
    found = [np.flatnonzero(line > 0.5) for line in (columns, rows)]
    edges = [found[0][0], found[1][0], found[0][-1] + 1, found[1][-1] + 1]
    return np.array(edges) / SIZE


def targeted_box(boxes: torch.Tensor, corners: np.ndarray) -> np.ndarray:
    """The box that targets decode to, as shares of what the window shows."""
    size = corners[0, 2:] - corners[0, :2] + 1
    low = corners[0, :2] - 1
    decoded = corners[0] + boxes[0].numpy() * np.concatenate([size, size])
    return (decoded.reshape(2, 2) - low).ravel() / SIZE


def test_unchanged_windows_have_the_decoders_targets(example: Windows) -> None:
    batch = window_batch(example, UNCHANGED, np.random.default_rng(0), torch.float32)
    expected = box_targets("o", example.corners, example.faces.astype(np.float64))
    assert batch.boxes.numpy() == pytest.approx(expected, abs=1e-6)
    points = landmark_targets("o", example.corners, example.points.astype(np.float64))
    assert batch.landmarks.numpy() == pytest.approx(points.transpose(0, 2, 1).reshape(-1, 10), abs=1e-6)
    pixels = (example.images.transpose(0, 3, 1, 2).astype(np.float32) - 127.5) / 128
    assert (batch.images.numpy() == pixels).all()
    assert batch.overlap.numpy() == pytest.approx(example.overlap)


def test_a_mirrored_face_lies_where_its_targets_say(example: Windows) -> None:
    options = WarpOptions(flip=1, warp=0, cover=0, contrast=0, color=0, brightness=0)
    batch = window_batch(example, options, np.random.default_rng(0), torch.float32)
    assert targeted_box(batch.boxes, example.corners) == pytest.approx(shown_box(batch.images[0]), abs=1e-6)
    # The left eye of the mirror image is the right eye of the original.
    left, right = batch.landmarks[0, 0], batch.landmarks[0, 1]
    assert left < right
    plain = window_batch(example, UNCHANGED, np.random.default_rng(0), torch.float32)
    assert batch.landmarks[0, 5].item() == pytest.approx(plain.landmarks[0, 6].item(), abs=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_a_moved_and_zoomed_face_lies_where_its_targets_say(example: Windows, seed: int) -> None:
    options = WarpOptions(warp=1, rotation=0, zoom=0.15, shift=0.05, cover=0, contrast=0, color=0, brightness=0)
    batch = window_batch(example, options, np.random.default_rng(seed), torch.float32)
    found = targeted_box(batch.boxes, example.corners)
    assert found == pytest.approx(shown_box(batch.images[0]), abs=0.75 / SIZE)
    inside = np.clip(found, 0, 1)
    shared = (inside[2] - inside[0]) * (inside[3] - inside[1])
    area = (found[2] - found[0]) * (found[3] - found[1])
    assert batch.overlap[0].item() == pytest.approx(shared / (1 + area - shared), abs=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_a_turned_point_lies_where_its_target_says(seed: int) -> None:
    points = np.array([[25, 25], [45, 26], [36, 36], [26, 47], [44, 46]], np.float64)
    example = window((24, 22, 46, 50), points, corners=(11, 11, 58, 58))
    image = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    # A blob whose middle is the left eye: pixels around (25, 25) of the picture, (15, 15) of the window.
    image[0, 13:17, 13:17] = 255
    options = WarpOptions(flip=0, warp=1, rotation=15, cover=0, contrast=0, color=0, brightness=0)
    batch = window_batch(example._replace(images=image), options, np.random.default_rng(seed), torch.float32)
    bright = batch.images[0, 0].numpy() + 127.5 / 128
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    middle = np.array([(bright * columns).sum(), (bright * rows).sum()]) / bright.sum() / SIZE
    assert batch.landmarks[0].numpy()[[0, 5]] == pytest.approx(middle, abs=0.25 / SIZE)


@pytest.mark.parametrize("flip", [0, 1])
def test_a_turned_window_comes_with_the_upright_one(example: Windows, flip: int) -> None:
    options = WarpOptions(flip=flip, warp=1, rotation=60, zoom=0.2, shift=0.1)
    batch = window_batch(example, options, np.random.default_rng(3), torch.float32, upright=True)
    unturned = dataclasses.replace(options, rotation=0)
    upright = window_batch(example, unturned, np.random.default_rng(3), torch.float32, upright=True)
    assert batch.upright is not None
    assert batch.turns is not None
    assert upright.upright is None
    assert (batch.upright == upright.images).all()
    assert (batch.upright != batch.images).any()
    x, y = turned(upright.landmarks[:, :5], upright.landmarks[:, 5:], batch.turns)
    np.testing.assert_allclose(torch.cat([x, y], dim=1).numpy(), batch.landmarks.numpy(), atol=1e-6)


def test_covers_and_light_stay_within_what_pixels_can_be(example: Windows) -> None:
    options = WarpOptions(cover=1, contrast=1, brightness=1)
    many = Windows(*(np.repeat(column, 50, axis=0) for column in example))
    images = window_batch(many, options, np.random.default_rng(0), torch.float32).images
    assert images.min() >= -127.5 / 128
    assert images.max() <= 127.5 / 128
    assert len({image.numpy().tobytes() for image in images}) == 50


@pytest.mark.parametrize("settings", [{"flip": 1.5}, {"zoom": -1}, {"cover_side": (0.5, 0.2)}, {"cover_side": (0.1,)}])
def test_settings_are_checked(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        WarpOptions(**settings)  # type: ignore[arg-type]
