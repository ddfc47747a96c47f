"""Embeddings: how similar they are, and which belong together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mtcnn_fast._types import Doubles, Indices
from mtcnn_fast.checks import Count, Number
from mtcnn_fast.checks.arrays import Array
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.optional import require

HOW_TO_GET = "pip install 'mtcnn-fast[recognition]'"

_ONE = Array((None,), np.float64)
_MANY = Array((None, None), np.float64)


def similarity(a: npt.ArrayLike, b: npt.ArrayLike) -> Doubles:
    """Return the cosine similarity of embeddings.

    Parameters
    ----------
    a : (D,) or (N, D) array_like
    b : (D,) or (M, D) array_like
        Of any length: it does not count.

    Returns
    -------
    similarity : (N, M), (N,), (M,) or () float64
        From -1 to 1; an argument without rows adds no axis.

    Raises
    ------
    ConfigError
        If an argument is no finite embedding or is all zeros, or both have different numbers of columns.
    """
    first, second = _units("a", a), _units("b", b)
    if first.shape[-1] != second.shape[-1]:
        raise ConfigError(f"a and b must have as many columns each, got {first.shape[-1]} and {second.shape[-1]}")
    return np.clip(first @ second.T, -1, 1)


def cluster(embeddings: npt.ArrayLike, threshold: float, *, min_size: int = 1) -> Indices:
    """Group embeddings of the same person: agglomerative clustering with average linkage.

    Groups are joined, the most similar first, while the mean similarity between their members is at least the
    threshold (Sokal and Michener 1958, "A statistical method for evaluating systematic relationships"). A chain of
    faces, each like the next, does not join two people, as it does in single linkage and DBSCAN.

    Parameters
    ----------
    embeddings : (N, D) array_like
    threshold : float
        From -1 to 1. It depends on the model: see ``docs/recognition.md`` for how to choose it.
    min_size : int
        Groups of fewer faces have the label -1.

    Returns
    -------
    labels : (N,) int64
        Group of each embedding: 0 the largest. Of groups of one size, the one that appears first has the lower number.

    Raises
    ------
    ConfigError
        If an argument is not accepted.
    MissingExtraError
        If scipy is not installed.

    Notes
    -----
    Time and memory grow with the square of N; the distances alone take ``4 N**2`` bytes.
    """
    least = Number(-1, 1)("threshold", threshold)
    smallest = Count()("min_size", min_size)
    hierarchy = require("scipy.cluster.hierarchy", "clustering faces", HOW_TO_GET)
    distance = require("scipy.spatial.distance", "clustering faces", HOW_TO_GET)
    units = _units("embeddings", embeddings)
    if units.ndim != 2:
        raise ConfigError(f"embeddings must be {_MANY.accepted}, got shape ({len(units)},)")
    if len(units) < 2:
        groups = np.zeros(len(units), np.int64)
    else:
        # Rounding makes some distances of equal embeddings less than 0.
        distances = np.maximum(distance.pdist(units, "cosine"), 0)
        links = hierarchy.linkage(distances, "average")
        groups = hierarchy.fcluster(links, 1 - least, "distance")
    return _by_size(groups, smallest)


def _by_size(groups: npt.NDArray[np.integer], smallest: int) -> Indices:
    """Return numbers of groups by falling size, then by their first member; -1 for those that are too small."""
    _, first, members, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.arange(len(order))
    numbers[sizes < smallest] = -1
    result: Indices = numbers[members]
    return result


def _units(name: str, value: npt.ArrayLike) -> Doubles:
    """Return embeddings of length 1."""
    array: Doubles = (_ONE if np.ndim(value) == 1 and np.size(value) else _MANY)(name, value)
    lengths = np.linalg.norm(array, axis=-1, keepdims=True)
    if not lengths.all():
        row = "" if array.ndim == 1 else f", row {int(np.argmin(lengths))} does"
        raise ConfigError(f"{name} must hold no embedding of zeros only{row}")
    units: Doubles = array / lengths
    return units
