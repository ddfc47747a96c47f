"""`MTCNN`: facenet-pytorch's module, with this package's detector inside."""

# mypy: disallow-subclassing-any=False

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mtcnn_fast.compat.facenet_pytorch.models.networks import ONet, PNet, RNet
from mtcnn_fast.compat.facenet_pytorch.models.selection import areas, choose, descending, stack
from mtcnn_fast.compat.facenet_pytorch.models.utils.detect_face import (
    detect_face,
    extract_face,
    find_faces,
    get_size,
    is_batch,
)
from mtcnn_fast.errors import ConfigError

__all__ = [
    "MTCNN",
    "ONet",
    "PNet",
    "RNet",
    "detect_face",
    "extract_face",
    "fixed_image_standardization",
    "prewhiten",
]


class MTCNN(nn.Module):
    """Finds faces in images and cuts them out.

    Images are PIL images, ``(H, W, 3)`` arrays or tensors with values of 0 to 255, RGB; several are a list of these, of
    any sizes, or an array or tensor ``(N, H, W, 3)``.

    Parameters
    ----------
    image_size : int
        Side in pixels of the faces that are cut out.
    margin : float
        Pixels of the result, both sides together, that lie around the box.
    min_face_size : float
        Side in pixels of the smallest face to look for.
    thresholds : three float
        Least face probability after each network.
    factor : float
        Ratio between two neighbouring scales of the pyramid.
    post_process : bool
        Whether faces are cut out with values of about -1 to 1 (`fixed_image_standardization`) or of 0 to 255.
    select_largest : bool
        Whether `detect` gives the largest face first, or the most probable; and which one a call returns.
    selection_method : str or None
        Which face a call returns, see `select_boxes`; by default as `select_largest` says.
    keep_all : bool
        Whether a call returns all faces of an image.
    device : torch.device, str or None
        Where the networks are put. Where they are is where faces are detected: ``cpu`` or ``cuda``; other devices, and
        ``cuda`` where this package has no module for it, give place to the CPU with a warning in the log.

    Notes
    -----
    All attributes are read at each call and may be set, and so may the parameters of `pnet`, `rnet` and `onet`. Faces
    are those of `mtcnn_fast.Detector` with ``border="clip"``. Networks of type float64 are computed in float32.
    ``torch.set_num_threads`` sets the number of threads, up to that of the processors.
    """

    def __init__(
        self,
        image_size: int = 160,
        margin: float = 0,
        min_face_size: float = 20,
        thresholds: Sequence[float] = (0.6, 0.7, 0.7),
        factor: float = 0.709,
        post_process: bool = True,
        select_largest: bool = True,
        selection_method: str | None = None,
        keep_all: bool = False,
        device: Any = None,
    ) -> None:
        super().__init__()
        self.image_size = image_size
        self.margin = margin
        self.min_face_size = min_face_size
        self.thresholds = list(thresholds)
        self.factor = factor
        self.post_process = post_process
        self.select_largest = select_largest
        self.selection_method = selection_method or ("largest" if select_largest else "probability")
        self.keep_all = keep_all
        self.pnet = PNet()
        self.rnet = RNet()
        self.onet = ONet()
        self.device = torch.device("cpu") if device is None else device
        if device is not None:
            self.to(device)

    def forward(self, img: Any, save_path: Any = None, return_prob: bool = False) -> Any:
        """Find faces and cut them out.

        Parameters
        ----------
        img : image or several
            See the class.
        save_path : path-like, or a list of them for several images
            Where to write the faces as they are in the image; the second of an image goes to ``name_2.png``.
        return_prob : bool
            Whether to return probabilities too.

        Returns
        -------
        faces : (3, S, S) float32 Tensor, or None without a face
            With ``keep_all``, ``(n, 3, S, S)``. For several images, a list of these.
        probs : float, or None without a face
            With ``keep_all``, as `detect` returns them; for several images, ``(N, 1)``.
        """
        boxes, probs, points = self.detect(img, landmarks=True)
        if not self.keep_all:
            boxes, probs, points = self.select_boxes(boxes, probs, points, img, method=self.selection_method)
        faces = self.extract(img, boxes, save_path)
        return (faces, probs) if return_prob else faces

    def detect(self, img: Any, landmarks: bool = False) -> tuple[Any, ...]:
        """Find the faces in an image, or in several.

        Parameters
        ----------
        img : image or several
            See the class.
        landmarks : bool
            Whether to return them too.

        Returns
        -------
        boxes : (n, 4) object ndarray, or None without a face
            Corners ``x1, y1, x2, y2`` in pixels. For several images an array of these: ``(N, n, 4)`` where all have as
            many faces, else of N float32 arrays.
        probs : (n,) object ndarray, or ``[None]`` without a face
        landmarks : (n, 5, 2) object ndarray, or None without a face
            Left eye, right eye, nose, corners of the mouth, as they appear in the image.

        Raises
        ------
        ImageError
            If an image is not accepted.
        ConfigError
            If a setting is not accepted.
        """
        boxes: list[Any] = []
        probs: list[Any] = []
        points: list[Any] = []
        found = find_faces(img, self.min_face_size, self.pnet, self.rnet, self.onet, self.thresholds, self.factor)
        for faces in found:
            if not len(faces):
                boxes.append(None)
                probs.append([None])
                points.append(None)
                continue
            order = descending(areas(faces.boxes)) if self.select_largest else slice(None)
            boxes.append(faces.boxes[order])
            probs.append(faces.scores[order])
            points.append(faces.landmarks[order])
        results = tuple(np.array(values, dtype=object) for values in (boxes, probs, points))
        if not is_batch(img):
            results = tuple(values[0] for values in results)
        return results if landmarks else results[:2]

    def select_boxes(
        self,
        all_boxes: Any,
        all_probs: Any,
        all_points: Any,
        imgs: Any,
        method: str = "probability",
        threshold: float = 0.9,
        center_weight: float = 2.0,
    ) -> tuple[Any, Any, Any]:
        """Choose one face of each image.

        Parameters
        ----------
        all_boxes, all_probs, all_points : ndarray
            As `detect` returns them for `imgs`.
        imgs : image or several
            Those that the faces were found in.
        method : {"probability", "largest", "largest_over_threshold", "center_weighted_size"}
            The most probable face; the largest; the largest among those more probable than `threshold`; or the largest
            after `center_weight` times the squared distance from the image's centre is taken from its area.
        threshold, center_weight : float
            See `method`.

        Returns
        -------
        boxes : (1, 4) ndarray, or None
        prob : float, or None
        points : (1, 5, 2) ndarray, or None
            For several images ``(N, 1, 4)``, ``(N, 1)`` and ``(N, 1, 5, 2)``; an array of N objects where an image has
            no such face.

        Raises
        ------
        ConfigError
            If `method` is none of these.
        """
        batch = is_batch(imgs)
        if not batch:
            all_boxes, all_probs, all_points, imgs = [all_boxes], [all_probs], [all_points], [imgs]
        chosen_boxes: list[Any] = []
        chosen_probs: list[Any] = []
        chosen_points: list[Any] = []
        for boxes, probs, points, img in zip(all_boxes, all_probs, all_points, imgs, strict=True):
            index = None
            if boxes is not None:
                index = choose(np.array(boxes), np.array(probs), get_size(img), method, threshold, center_weight)
            chosen_boxes.append(None if index is None else np.array(boxes)[[index]])
            chosen_probs.append([None] if index is None else np.array(probs)[[index]])
            chosen_points.append(None if index is None else np.array(points)[[index]])
        if not batch:
            return chosen_boxes[0], chosen_probs[0][0], chosen_points[0]
        return stack(chosen_boxes), np.array(chosen_probs), stack(chosen_points)

    def extract(self, img: Any, batch_boxes: Any, save_path: Any) -> Any:
        """Cut faces out of an image, or out of several.

        Parameters
        ----------
        img : image or several
            See the class.
        batch_boxes : (n, 4) array_like or None, or one of these for each of several images
            Of each image the first box is cut out, with ``keep_all`` all.
        save_path : path-like, list of path-like, or None
            As for a call.

        Returns
        -------
        faces : Tensor or None, or a list of these
            As a call returns them.

        Raises
        ------
        ConfigError
            If there are not as many paths or boxes as images.
        """
        batch = is_batch(img)
        images = img if batch else [img]
        boxes = batch_boxes if batch else [batch_boxes]
        paths = _paths(save_path, len(images))
        if len(boxes) != len(images):
            raise ConfigError(f"batch_boxes must be as many as the {len(images)} images, got {len(boxes)}")
        faces = [self._cut(*each) for each in zip(images, boxes, paths, strict=True)]
        return faces if batch else faces[0]

    def _cut(self, image: Any, boxes: Any, path: Path | None) -> Tensor | None:
        if boxes is None:
            return None
        if not isinstance(image, (np.ndarray, Tensor)) and image.mode != "RGB":
            image = image.convert("RGB")
        faces = []
        for i, box in enumerate(boxes if self.keep_all else boxes[:1]):
            place = path.with_name(f"{path.stem}_{i + 1}{path.suffix}") if path is not None and i > 0 else path
            face = extract_face(image, box, self.image_size, self.margin, place)
            faces.append(fixed_image_standardization(face) if self.post_process else face)
        return torch.stack(faces) if self.keep_all else faces[0]


def _paths(save_path: Any, count: int) -> list[Path | None]:
    """Return a path, or None, for each of `count` images."""
    if save_path is None:
        return [None] * count
    paths = [save_path] if isinstance(save_path, (str, os.PathLike)) else list(save_path)
    if len(paths) != count:
        raise ConfigError(f"save_path must be a list of as many paths as the {count} images, got {save_path!r}")
    return [None if path is None else Path(path) for path in paths]


def fixed_image_standardization(image_tensor: Any) -> Any:
    """Bring values of 0 to 255 to about -1 to 1: subtract 127.5, divide by 128."""
    return (image_tensor - 127.5) / 128.0


def prewhiten(x: Tensor) -> Tensor:
    """Bring an image to mean 0 and standard deviation 1; below the reciprocal root of its size, divide by that."""
    floor = 1.0 / float(x.numel()) ** 0.5
    whitened: Tensor = (x - x.mean()) / x.std().clamp(min=floor)
    return whitened
