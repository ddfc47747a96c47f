"""Alignment: the similarity transform that moves five landmarks onto a template, and the warp that follows it.

Coordinates are ``x, y`` in pixels and **whole numbers are pixel centres**: ``(0, 0)`` is the centre of the upper left
pixel, as in OpenCV, in which the published template was made. A transform is a ``(2, 3)`` matrix ``[A | t]`` that maps
``p`` to ``A p + t``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from mtcnn_fast._types import Doubles
from mtcnn_fast.checks import Count
from mtcnn_fast.checks.arrays import Array
from mtcnn_fast.errors import ConfigError

_SIZE = Count()
_POINTS = Array((None, 2), np.float64)
_FIVE_POINTS = Array((5, 2), np.float64)
_FACES = Array((None, 5, 2), np.float64)
_MATRIX = Array((2, 3), np.float64)

#: Side in pixels of the image that the points of `TEMPLATES` are given for.
TEMPLATE_SIZE = 112

#: Templates by name: ``(5, 2)`` float64, in pixels of an image of `TEMPLATE_SIZE`. "arcface" is where the ArcFace
#: embeddings expect the landmarks (deepinsight/insightface, python-package/insightface/utils/face_align.py).
TEMPLATES: Mapping[str, Doubles] = MappingProxyType(
    {
        "arcface": _FIVE_POINTS(
            "arcface",
            [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)],
        )
    }
)


def estimate_similarity(src: npt.ArrayLike, dst: npt.ArrayLike) -> Doubles:
    """Find the similarity that maps one set of points to another with the least squared error.

    Rotation, uniform scale and translation; never a reflection.

    Parameters
    ----------
    src, dst : (K, 2) array_like
        Corresponding points, K at least 2.

    Returns
    -------
    matrix : (2, 3) float64
        ``[[a, -b, tx], [b, a, ty]]``; it can always be inverted.

    Raises
    ------
    ConfigError
        If the shapes differ or are wrong, if all points of a set coincide, or if the sets have so little in common that
        no similarity is better than mapping all points to one.

    Notes
    -----
    Umeyama, "Least-squares estimation of transformation parameters between two point patterns", IEEE TPAMI 13(4), 1991,
    equations 40 to 42. In the plane its rotation ``U S V^T`` needs no singular value decomposition: with centred points
    as complex numbers ``s`` and ``d``, rotation and scale together are ``a + ib = sum(conj(s) d) / sum(|s|^2)``.
    Collinear points are no special case.
    """
    source = _POINTS("src", src)
    target = _POINTS("dst", dst)
    if len(source) != len(target) or len(source) < 2:
        raise ConfigError(f"src and dst must have the same 2 or more points, got {len(source)} and {len(target)}")
    (s, s_mean, s_size), (d, d_mean, d_size) = _centred("src", source), _centred("dst", target)
    a = float(np.sum(s * d))
    b = float(np.sum(s[:, 0] * d[:, 1] - s[:, 1] * d[:, 0]))
    # The correlation of the two shapes, 0 to 1. Below this, rounding decides the rotation.
    if np.hypot(a, b) <= 1e-9 * np.sqrt(np.sum(s * s) * np.sum(d * d)):
        raise ConfigError(
            "src and dst must resemble each other, got points of which no similarity maps one to the other"
        )
    a, b = np.array([a, b]) / np.sum(s * s) * (d_size / s_size)
    linear = np.array([[a, -b], [b, a]])
    return np.column_stack([linear, d_mean - linear @ s_mean])


def invert(matrix: npt.ArrayLike) -> Doubles:
    """Invert an affine transform.

    Parameters
    ----------
    matrix : (2, 3) array_like
        ``[A | t]``.

    Returns
    -------
    inverse : (2, 3) float64
        ``[A^-1 | -A^-1 t]``.

    Raises
    ------
    ConfigError
        If the shape is wrong or the transform maps the plane to a line or a point.
    """
    m = _MATRIX("matrix", matrix)
    size = np.abs(m[:, :2]).max()
    if size == 0 or abs(np.linalg.det(m[:, :2] / size)) < 1e-12:
        raise ConfigError(f"matrix must be an invertible transform, got {m.tolist()}")
    linear = np.linalg.inv(m[:, :2])
    return np.column_stack([linear, -linear @ m[:, 2]])


def transform(matrix: npt.ArrayLike, points: npt.ArrayLike) -> Doubles:
    """Apply an affine transform to points.

    Parameters
    ----------
    matrix : (2, 3) array_like
        ``[A | t]``.
    points : (K, 2) array_like
        Doubles to map.

    Returns
    -------
    points : (K, 2) float64
        ``A p + t`` of each.

    Raises
    ------
    ConfigError
        If a shape is wrong or a value is not finite.
    """
    m = _MATRIX("matrix", matrix)
    p = _POINTS("points", points)
    mapped: Doubles = p @ m[:, :2].T + m[:, 2]
    return mapped


def template_points(template: str | npt.ArrayLike, size: int) -> Doubles:
    """Say where the five landmarks belong in an aligned image.

    Parameters
    ----------
    template : str or (5, 2) array_like
        A name in `TEMPLATES`, whose points are multiplied by ``size / 112`` as in insightface; or points of your own:
        if all values lie in [-1, 2], they are fractions of the side and are multiplied by `size`, else they are pixels
        of the aligned image and taken as they are. (In pixels such a face would be three pixels small.)
    size : int
        Side of the aligned image in pixels.

    Returns
    -------
    points : (5, 2) float64
        In pixels of the aligned image.

    Raises
    ------
    ConfigError
        If the name is unknown, the shape is wrong or `size` is not a positive whole number.
    """
    side = _SIZE("size", size)
    if isinstance(template, str):
        if template not in TEMPLATES:
            raise ConfigError(f"template must be one of {sorted(TEMPLATES)} or (5, 2) points, got {template!r}")
        return TEMPLATES[template] * (side / TEMPLATE_SIZE)
    points: Doubles = _FIVE_POINTS("template", template)
    is_fraction = points.min() >= -1 and points.max() <= 2
    return points * side if is_fraction else points


def warp(image: npt.NDArray[np.uint8], matrix: npt.ArrayLike, size: int) -> npt.NDArray[np.uint8]:
    """Move an image by a transform, with bilinear interpolation and black outside it.

    Parameters
    ----------
    image : (H, W, 3) uint8
        The image, with at least one pixel.
    matrix : (2, 3) array_like
        Maps pixels of `image` to pixels of the result.
    size : int
        Side of the result in pixels.

    Returns
    -------
    warped : (size, size, 3) uint8
        At each pixel centre the image at the inverse of `matrix`, rounded to the nearest integer. There is no low-pass
        filter: as with the usual OpenCV call, strong reduction aliases.

    Raises
    ------
    ConfigError
        If the matrix has the wrong shape or no inverse, or `size` is not a positive whole number.
    """
    side = _SIZE("size", size)
    inverse = invert(matrix)
    height, width = image.shape[:2]
    steps = np.arange(side)
    x, y = (m[0] * steps + m[1] * steps[:, None] + m[2] for m in inverse)
    # Two pixels outside are as black as two thousand, and these fit into an integer.
    x, y = np.clip(x, -2, width + 1), np.clip(y, -2, height + 1)
    left, top = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    right_part, lower_part = x - left, y - top
    result = np.zeros((side, side, 3))
    for row, row_weight in ((top, 1 - lower_part), (top + 1, lower_part)):
        for column, column_weight in ((left, 1 - right_part), (left + 1, right_part)):
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            pixels = image[row.clip(0, height - 1), column.clip(0, width - 1)]
            result += pixels * (row_weight * column_weight * inside)[..., None]
    return np.rint(result).astype(np.uint8)


def alignment_matrix(
    landmarks: npt.ArrayLike, size: int = TEMPLATE_SIZE, template: str | npt.ArrayLike = "arcface"
) -> Doubles:
    """Find the similarity that moves the landmarks of one face onto a template.

    Parameters
    ----------
    landmarks : (5, 2) array_like
        Landmarks of a face in pixels.
    size, template
        As for `template_points`.

    Returns
    -------
    matrix : (2, 3) float64
        Maps pixels of the image to pixels of the aligned image; `invert` gives the way back.

    Raises
    ------
    ConfigError
        If an argument is not accepted, or the landmarks allow no alignment (see `estimate_similarity`).
    """
    points = _FIVE_POINTS("landmarks", landmarks)
    return estimate_similarity(points, template_points(template, size))


def align_faces(
    image: npt.NDArray[np.uint8], landmarks: npt.ArrayLike, size: int, template: str | npt.ArrayLike
) -> npt.NDArray[np.uint8]:
    """Cut out faces so that their landmarks fall on a template.

    Parameters
    ----------
    image : (H, W, 3) uint8
        The image, with at least one pixel.
    landmarks : (N, 5, 2) array_like
        Landmarks of the faces in pixels of `image`.
    size, template
        As for `template_points`.

    Returns
    -------
    aligned : (N, size, size, 3) uint8
        The faces; see `warp` for the interpolation.

    Raises
    ------
    ConfigError
        If an argument is not accepted, or the landmarks of a face allow no alignment.
    """
    faces = _FACES("landmarks", landmarks)
    target = template_points(template, size)
    aligned = np.empty((len(faces), size, size, 3), np.uint8)
    for i, points in enumerate(faces):
        try:
            matrix = estimate_similarity(points, target)
        except ConfigError as error:
            raise ConfigError(f"landmarks[{i}] must allow an alignment with the template: {error}") from error
        aligned[i] = warp(image, matrix, size)
    return aligned


def _centred(name: str, points: Doubles) -> tuple[Doubles, Doubles, float]:
    """Return points about their mean, divided by the largest coordinate left, the mean, and that divisor."""
    mean = points.mean(axis=0)
    offsets = points - mean
    size = float(np.abs(offsets).max())
    if size <= 1e-12 * np.abs(points).max():
        raise ConfigError(f"{name} must have at least two different points, got {points[0].tolist()} for all")
    # Divided, because squares of very large or small coordinates leave the range of a float.
    return offsets / size, mean, size
