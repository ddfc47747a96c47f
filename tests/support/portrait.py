"""One face in few pixels, for tests that need a detection but not a particular one."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from support.data import PHOTO

#: Settings under which the face is found quickly.
QUICK: dict[str, Any] = {"min_face_size": 40, "factor": 0.6}


@functools.cache
def portrait() -> npt.NDArray[np.uint8]:
    """Return the example photo's face in 112 x 112 pixels, RGB, read-only."""
    with Image.open(PHOTO) as photo:
        pixels = np.array(photo.convert("RGB").crop((130, 30, 322, 222)).resize((112, 112)))
    pixels.setflags(write=False)
    return pixels
