"""Pictures that the contract tests share, and how exact each backend has to be."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from support.data import PHOTO
from support.variants import EMULATED, emulated_variants, parameters, variants

#: Backends whose scores for an image may depend, within this tolerance, on the images next to it: libraries choose
#: their algorithms by shape there. All others are held to the bit.
BATCH_TOLERANCE = {"torch:cpu": 1e-5}

#: What the emulated device does each time; the rest takes it minutes.
_QUICK = {
    "test_a_face_at_the_border_needs_zero_padding",
    "test_every_cell_as_a_proposal",
    "test_faces_match_the_reference",
    "test_small_images_with_everything_accepted",
}
#: What it is no subject of: `Detector` has no such device, and it has another name.
_NOT_EMULATED = {"test_what_a_backend_declares"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what takes the emulated device minutes, and leave out what it is no subject of."""
    left_out = []
    for item in items:
        drawn = item.callspec.params if hasattr(item, "callspec") else {}
        if drawn.get("backend_name") != EMULATED:
            continue
        if item.path.name == "test_public_api.py" or item.originalname in _NOT_EMULATED:
            left_out.append(item)
        elif item.originalname not in _QUICK or drawn.get("name", "min_face_40") != "min_face_40":
            item.add_marker(pytest.mark.long)
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session", params=parameters([*variants(), *emulated_variants()]))
def backend_name(request: pytest.FixtureRequest) -> str:
    """Each backend that can be used here, in each of its forms, and that of CUDA on the emulated device."""
    return str(request.param)


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """One face of about 85 x 110 pixels in 512 x 512."""
    return np.asarray(Image.open(PHOTO).convert("RGB"))


@pytest.fixture(scope="session")
def crowd(photo) -> np.ndarray:
    """Nine faces of different sizes, some cut by the border, in 300 x 400."""
    canvas = np.full((300, 400, 3), 90, np.uint8)
    face = Image.fromarray(photo[30:200, 140:310])
    for index, size in enumerate((120, 90, 70, 100, 60, 110, 80, 50, 95)):
        top, left = 100 * (index // 3), 10 + 130 * (index % 3)
        tile = np.asarray(face.resize((size, size), Image.Resampling.BILINEAR))[: 300 - top, : 400 - left]
        canvas[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    canvas.setflags(write=False)
    return canvas


@pytest.fixture(scope="session")
def mixed(photo, crowd) -> list[np.ndarray]:
    """Images of many sizes, with many faces, one and none."""
    noise = np.random.default_rng(5).integers(0, 256, (90, 140, 3), dtype=np.uint8)
    shrunk = np.asarray(Image.fromarray(photo).resize((181, 181)))
    cut = np.ascontiguousarray(photo[:110, 180:270])
    blank = np.zeros((64, 80, 3), np.uint8)
    return [crowd, blank, shrunk, noise, cut, np.zeros((5, 5, 3), np.uint8), crowd[:200, :260].copy(), shrunk]


@pytest.fixture
def batch_tolerance(backend_name: str) -> float:
    """Largest difference in score between an image alone and in a batch."""
    return BATCH_TOLERANCE.get(backend_name, 0.0)
