"""Detectors for interfaces whose settings may change from call to call."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from mtcnn_fast._native import native_or_warn
from mtcnn_fast.backends import available_backends
from mtcnn_fast.detector import Detector

if TYPE_CHECKING:
    from mtcnn_fast.weights import Weights

#: Detectors that stay ready in a cache: programs switch between few settings.
_KEPT = 4


def detector_cache(weights: Weights | None = None) -> Callable[..., Detector]:
    """Return a function that makes a `Detector` with given arguments, and keeps those that were used last.

    Parameters
    ----------
    weights : Weights or None
        The networks of them all; ``None`` takes those that come with the package.
    """

    @functools.lru_cache(maxsize=_KEPT)
    def make(*arguments: object, **settings: object) -> Detector:
        return Detector(*arguments, weights=weights, **settings)  # type: ignore[arg-type]

    return make


@functools.cache
def usable_device(kind: str, index: int = 0) -> str:
    """Return the device of this package that does the work of another package's device.

    Parameters
    ----------
    kind : str
        ``cpu``, ``cuda``, or another kind that torch or TensorFlow has, such as ``mps``.
    index : int
        Which one of them.

    Returns
    -------
    device : str
        ``cpu``, ``cuda:N``, or ``numpy`` where there is no native code. A device that cannot be used here gives place
        to the CPU, with one warning in the log: programs choose their device by what torch can use.
    """
    if kind == "cuda":
        problem = available_backends()["cuda"]
        if problem is None:
            return f"cuda:{index}"
        _warn(kind, problem)
    elif kind != "cpu":
        _warn(kind, "there is no backend for it")
    native = native_or_warn() is not None and available_backends()["cpu"] is None
    return "cpu" if native else "numpy"


def _warn(kind: str, problem: str) -> None:
    # Imported here because it takes longer to import than this package, and is needed in this case only.
    import logging

    logging.getLogger("mtcnn_fast").warning("faces are detected on the CPU, not on %s: %s", kind, problem)
