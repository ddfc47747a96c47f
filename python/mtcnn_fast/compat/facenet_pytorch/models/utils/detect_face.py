"""Detection on three networks, and faces cut out of images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import interpolate

from mtcnn_fast._types import AnyArray
from mtcnn_fast._types import Image as Pixels
from mtcnn_fast.compat.facenet_pytorch.models.engine import detector_for
from mtcnn_fast.compat.pixels import from_array, from_pil
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.faces import Faces
from mtcnn_fast.optional import require


def is_batch(imgs: Any) -> bool:
    """Tell whether an argument is several images: a list, a tuple, or an array or tensor of four dimensions."""
    return isinstance(imgs, (list, tuple)) or (isinstance(imgs, (np.ndarray, Tensor)) and imgs.ndim == 4)


def to_pixels(img: Any) -> Pixels:
    """Return one image as ``(H, W, 3)`` uint8.

    Parameters
    ----------
    img : PIL image, (H, W, 3) array or (H, W, 3) Tensor
        Values of 0 to 255 in any type, on any device. A PIL image is taken as it is stored, whatever its EXIF says.

    Raises
    ------
    ImageError
        If it is none of these; see `mtcnn_fast.compat.pixels.from_array`.
    """
    if isinstance(img, Image.Image):
        return from_pil(img)
    if isinstance(img, Tensor):
        tensor = img.detach().cpu()
        # numpy has no bfloat16.
        return from_array((tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy())
    return from_array(img)


def find_faces(
    imgs: Any, minsize: float, pnet: nn.Module, rnet: nn.Module, onet: nn.Module, threshold: Any, factor: float
) -> list[Faces]:
    """Find the faces in one image or in several, of any sizes; parameters are those of `detect_face`."""
    detector = detector_for(
        pnet,
        rnet,
        onet,
        min_face_size=float(minsize),
        thresholds=tuple(float(value) for value in threshold),
        factor=float(factor),
        border="clip",
    )
    if not is_batch(imgs):
        return [detector.detect(to_pixels(imgs))]
    return detector.detect_batch([to_pixels(img) for img in imgs])


def detect_face(
    imgs: Any,
    minsize: float,
    pnet: nn.Module,
    rnet: nn.Module,
    onet: nn.Module,
    threshold: Any,
    factor: float,
    device: Any = None,
) -> tuple[AnyArray, AnyArray]:
    """Find the faces in one image or in several.

    Parameters
    ----------
    imgs : PIL image, array or Tensor, or several
        ``(H, W, 3)`` or ``(N, H, W, 3)``, values of 0 to 255; images of a list may differ in size and kind.
    minsize : float
        Side in pixels of the smallest face.
    pnet, rnet, onet : nn.Module
        The networks; their device does the work.
    threshold : three numbers
        Least face probability after each network.
    factor : float
        Ratio between two neighbouring scales.
    device
        Not used, see `pnet`.

    Returns
    -------
    batch_boxes : object ndarray
        ``(n, 5)`` for each image, best face first: corners ``x1, y1, x2, y2`` in pixels, and the face probability.
        Where all images have as many faces, one array ``(N, n, 5)``.
    batch_points : object ndarray
        ``(n, 5, 2)`` likewise: eyes, nose, corners of the mouth.
    """
    found = find_faces(imgs, minsize, pnet, rnet, onet, threshold, factor)
    rows = [np.column_stack([faces.boxes, faces.scores]) for faces in found]
    return np.array(rows, dtype=object), np.array([faces.landmarks for faces in found], dtype=object)


def get_size(img: Any) -> tuple[int, int]:
    """Return width and height of a PIL image, an ``(H, W, …)`` array or tensor."""
    if isinstance(img, (np.ndarray, Tensor)):
        return int(img.shape[1]), int(img.shape[0])
    width, height = img.size
    return width, height


def imresample(img: Tensor, sz: tuple[int, int]) -> Tensor:
    """Resize ``(N, C, H, W)`` to height and width by averaging areas."""
    return interpolate(img, size=sz, mode="area")


def crop_resize(img: Any, box: Any, image_size: int) -> Any:
    """Cut a box of whole pixels out of an image and make it square.

    Parameters
    ----------
    img : PIL image, (H, W, C) array or (H, W, C) Tensor
    box : four int
        ``x1, y1, x2, y2``, the last two not included.
    image_size : int
        Side of the result in pixels.

    Returns
    -------
    PIL image, array or Tensor
        As was given: a PIL image interpolated linearly, an array by OpenCV's area interpolation, a tensor averaged by
        areas, as facenet-pytorch has it.

    Raises
    ------
    MissingExtraError
        If `img` is an array and OpenCV is not installed.
    """
    x1, y1, x2, y2 = box
    side = (image_size, image_size)
    if isinstance(img, np.ndarray):
        cv2 = require("cv2", "cutting a face out of an array", "pip install opencv-python-headless")
        pixels = img if img.dtype.kind == "f" else from_array(img)
        # OpenCV takes no half precision and no backward strides.
        crop = np.ascontiguousarray(pixels[y1:y2, x1:x2], np.float32 if pixels.dtype == np.float16 else None)
        return cv2.resize(crop, side, interpolation=cv2.INTER_AREA)
    if isinstance(img, Tensor):
        planes = img[y1:y2, x1:x2].permute(2, 0, 1).unsqueeze(0).float()
        return imresample(planes, side).byte().squeeze(0).permute(1, 2, 0)
    return img.crop((x1, y1, x2, y2)).resize(side, Image.Resampling.BILINEAR)


def save_img(img: Any, path: str | os.PathLike[str]) -> None:
    """Write a PIL image, an ``(H, W, 3)`` array or tensor to a file of the type that its name ends in."""
    picture = img if isinstance(img, Image.Image) else Image.fromarray(to_pixels(img))
    # What OpenCV takes for JPEG, and the other formats have no use for.
    picture.save(path, quality=95)


def extract_face(
    img: Any, box: Any, image_size: int = 160, margin: float = 0, save_path: str | os.PathLike[str] | None = None
) -> Tensor:
    """Cut a face out of an image, with a margin, and make it square.

    Parameters
    ----------
    img : PIL image, (H, W, 3) array or (H, W, 3) Tensor
    box : four numbers
        Corners ``x1, y1, x2, y2`` in pixels.
    image_size : int
        Side of the result in pixels.
    margin : float
        Pixels of the result, both sides together, that lie around the box; below `image_size`. At the border of the
        image there may be less.
    save_path : path-like or None
        File to write the face to, as it is in the image; folders are made.

    Returns
    -------
    face : (3, image_size, image_size) float32 Tensor
        Values of 0 to 255.

    Raises
    ------
    ConfigError
        If `margin` is not below `image_size`.
    MissingExtraError
        If `img` is an array and OpenCV is not installed.
    """
    if margin >= image_size:
        raise ConfigError(f"margin must be below image_size={image_size!r}, got {margin!r}")
    x_margin = margin * (box[2] - box[0]) / (image_size - margin)
    y_margin = margin * (box[3] - box[1]) / (image_size - margin)
    width, height = get_size(img)
    corners = (
        int(max(box[0] - x_margin / 2, 0)),
        int(max(box[1] - y_margin / 2, 0)),
        int(min(box[2] + x_margin / 2, width)),
        int(min(box[3] + y_margin / 2, height)),
    )
    face = crop_resize(img, corners, image_size)
    if save_path is not None:
        Path(save_path).parent.mkdir(parents=True, exist_ok=True)
        save_img(face, save_path)
    pixels = np.array(face.cpu().numpy() if isinstance(face, Tensor) else face, np.float32)
    return torch.from_numpy(np.atleast_3d(pixels)).permute(2, 0, 1).contiguous()
