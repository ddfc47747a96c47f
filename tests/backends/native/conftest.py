"""Fixtures that the engine's tests share; all are skipped without the native module."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast._native import find_native
from support.data import COPY, PHOTO
from support.golden import read_image
from support.variants import ISAS

PICTURES = ("astronaut", "astronaut_cut", "astronaut_face_at_border")


@pytest.fixture(scope="session", autouse=True)
def native_module() -> None:
    if not ISAS:
        pytest.skip(f"no engine: {find_native()[1]}")


# Without the module, one case, which is skipped.
@pytest.fixture(scope="session", params=ISAS or ("none",))
def isa(request: pytest.FixtureRequest) -> str:
    """Each instruction set of this machine."""
    return str(request.param)


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """One face of about 85 x 110 pixels in 512 x 512."""
    return read_image(PHOTO)


@pytest.fixture(scope="session")
def pictures() -> dict[str, np.ndarray]:
    """The pictures of the repository that come with reference faces, by name."""
    return {name: read_image(COPY / "golden" / "images" / f"{name}.png") for name in PICTURES}


@pytest.fixture(scope="session")
def mixed(photo, pictures) -> list[np.ndarray]:
    """Images of many sizes, with several faces, one and none; some share a size."""
    small = np.asarray(Image.fromarray(photo).resize((150, 150)))
    row = np.ascontiguousarray(np.concatenate([small, small[:, ::-1], small], axis=1)[:117])
    noise = np.random.default_rng(5).integers(0, 256, (90, 140, 3), dtype=np.uint8)
    bands = [np.ascontiguousarray(photo[50:190, left : left + 61 + 7 * left // 20]) for left in range(120, 240, 20)]
    return [row, small, noise, np.zeros((5, 9, 3), np.uint8), *bands, small[::-1].copy(), *pictures.values()]
