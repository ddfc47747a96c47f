"""Reading images."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn_fast._types import AnyArray
from mtcnn_fast.compat.pixels import from_encoded


def load_image(image: Any, dtype: npt.DTypeLike = np.float32, device: str = "CPU:0") -> AnyArray:
    """Read an image.

    Parameters
    ----------
    image : str, path-like, bytes or array_like
        A path, the bytes of an image file, or an array, which is returned as it is.
    dtype : dtype
        Of numpy, or of TensorFlow.
    device : str
        Not used.

    Returns
    -------
    (H, W, 3) ndarray of `dtype`
        RGB, values of 0 to 255, as the image is stored.

    Raises
    ------
    ImageError
        If it cannot be read.
    """
    if hasattr(image, "shape"):
        given: AnyArray = image
        return given
    return from_encoded(image).astype(getattr(dtype, "as_numpy_dtype", dtype))


def load_images_batch(images: Any, dtype: npt.DTypeLike = np.float32, device: str = "CPU:0") -> list[AnyArray]:
    """Read several images; parameters and errors are those of `load_image`."""
    return [load_image(image, dtype, device) for image in images]
