"""Measures of faces that follow from their boxes and landmarks alone."""

from __future__ import annotations

import numpy as np

from mtcnn_fast._types import Doubles, Floats, Image

#: Landmarks by name, in their order.
POINTS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")


def areas(boxes: Floats) -> Doubles:
    """Return the areas ``(N,)`` of boxes ``(N, 4)`` in square pixels; 0 for a box whose corners are swapped."""
    sides = (boxes[:, 2:].astype(np.float64) - boxes[:, :2]).clip(0)
    result: Doubles = sides[:, 0] * sides[:, 1]
    return result


def roll(landmarks: Floats) -> Doubles:
    """Return by how many degrees ``(N,)`` faces are turned in the image plane.

    The angle of the line from the left to the right eye, positive where the right eye is lower: rotating the picture by
    this angle counter-clockwise makes the eyes level.
    """
    across = landmarks[:, 1].astype(np.float64) - landmarks[:, 0]
    return np.degrees(np.arctan2(across[:, 1], across[:, 0]))


def frontalness(landmarks: Floats) -> Doubles:
    """Return how nearly faces look into the camera: 1 for a face seen from the front, 0 for a profile.

    The middle of the eyes and that of the mouth span the face's axis. A head that turns moves the nose away from that
    axis. The value is 1 minus the distance of the nose from
    the axis, in units of half the mean distance between the two eyes and between the two corners of the mouth.

    Parameters
    ----------
    landmarks : (N, 5, 2) float32

    Returns
    -------
    (N,) float64, from 0 to 1
    """
    points = landmarks.astype(np.float64)
    eyes, mouth = points[:, :2].mean(axis=1), points[:, 3:].mean(axis=1)
    axis = mouth - eyes
    arm = points[:, 2] - eyes
    length = np.hypot(axis[:, 0], axis[:, 1])
    across = np.abs(axis[:, 0] * arm[:, 1] - axis[:, 1] * arm[:, 0])
    widths = np.linalg.norm(points[:, 1] - points[:, 0], axis=1) + np.linalg.norm(points[:, 4] - points[:, 3], axis=1)
    scale = length * widths / 4
    offset = np.divide(across, scale, out=np.ones_like(across), where=scale > 0)
    result: Doubles = 1 - np.minimum(offset, 1)
    return result


def sharpness(image: Image, boxes: Floats) -> Doubles:
    """Return the sharpness ``(N,)`` of each face: the variance of the Laplacian of its gray values.

    Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy: a comparative study". Gray is the mean of
    the channels. Each face is measured in its own pixels: compare faces of similar size, or crops of one size.

    Parameters
    ----------
    image : (H, W, 3) uint8
    boxes : (N, 4) float32
        Corners in pixels; the part inside the image counts. 0 where that is less than 3 pixels wide or high.
    """
    height, width = image.shape[:2]
    corners = np.concatenate([np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:])], axis=1)
    corners = np.clip(corners, 0, [width, height, width, height]).astype(int)
    result = np.zeros(len(boxes))
    for face, (x1, y1, x2, y2) in enumerate(corners.tolist()):
        gray = image[y1:y2, x1:x2].mean(axis=2, dtype=np.float64)
        if min(gray.shape) >= 3:
            center = gray[1:-1, 1:-1]
            laplacian = gray[:-2, 1:-1] + gray[2:, 1:-1] + gray[1:-1, :-2] + gray[1:-1, 2:] - 4 * center
            result[face] = laplacian.var()
    return result
