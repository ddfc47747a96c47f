"""Which backends there are, which of them can be used here, and how a device string chooses one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mtcnn_fast._native import HOW_TO_GET, find_native, warn_slow
from mtcnn_fast.errors import BackendUnavailableError, ConfigError

if TYPE_CHECKING:
    from mtcnn_fast.backends.base import Backend
    from mtcnn_fast.config import DetectorConfig
    from mtcnn_fast.weights import Weights

__all__ = ["DEVICES", "available_backends", "create_backend", "parse_device"]

#: The accepted device strings, for messages and help.
DEVICES = ("auto", "numpy", "cpu", "torch:cpu", "cuda", "cuda:N")

#: What "auto" tries, best first.
_PREFERENCE = ("cuda", "cpu", "numpy")

_DEVICE = re.compile(r"auto|numpy|cpu|torch:cpu|cuda(?::(?:0|[1-9][0-9]{0,3}))?")


def parse_device(device: object) -> str:
    """Check a device string.

    Parameters
    ----------
    device : str
        ``auto``, ``numpy``, ``cpu``, ``torch:cpu``, ``cuda`` (the same as ``cuda:0``) or ``cuda:N``.

    Returns
    -------
    str
        The string itself, or ``cuda:0`` for ``cuda``.

    Raises
    ------
    ConfigError
        If it is anything else.
    """
    if not isinstance(device, str) or _DEVICE.fullmatch(device) is None:
        kind = "" if isinstance(device, str) else f" ({type(device).__name__})"
        raise ConfigError(f"device must be one of {', '.join(DEVICES)} (N counts from 0), got {device!r}{kind}")
    return "cuda:0" if device == "cuda" else device


def available_backends() -> dict[str, str | None]:
    """Tell which backends can be used here.

    Returns
    -------
    dict
        For each of ``numpy``, ``cpu``, ``torch:cpu`` and ``cuda``: ``None`` if it can be used, else why it cannot and
        how to get it.
    """
    return {name: _problem(name) for name in ("numpy", "cpu", "torch:cpu", "cuda")}


def create_backend(device: str, config: DetectorConfig, weights: Weights) -> Backend:
    """Make the backend that a device string asks for.

    Parameters
    ----------
    device : str
        See `parse_device`. ``auto`` takes the best that can be used: cuda, else cpu, else numpy.
    config : DetectorConfig
        Settings of the detection.
    weights : Weights
        The three networks.

    Returns
    -------
    Backend

    Raises
    ------
    ConfigError
        If the string is not a device.
    BackendUnavailableError
        If the device cannot be used here; the message says why and how to get it.
    """
    device = parse_device(device)
    if device == "auto":
        device = next(name for name in _PREFERENCE if _problem(name) is None)
        if device == "numpy":
            warn_slow(_native_problem())
    problem = _problem(device)
    if problem is not None:
        raise BackendUnavailableError(f"device {device!r} is not available: {problem}")
    if device == "numpy":
        from mtcnn_fast.backends.numpy import NumpyBackend

        return NumpyBackend(config, weights)
    from mtcnn_fast.backends.native import NativeBackend

    return NativeBackend(config, weights)


def _problem(device: str) -> str | None:
    """Say why a device cannot be used here, or return None if it can."""
    if device == "numpy":
        return None
    if device == "cpu":
        problem = _native_problem()
        return f"{problem}; to get it, {HOW_TO_GET}" if problem else None
    return "this build has no torch backend; devices 'auto', 'cpu' and 'numpy' need none"


def _native_problem() -> str:
    """Say why the native engine cannot be used, or return an empty string if it can."""
    module, problem = find_native()
    if module is not None and not hasattr(module, "Engine"):
        return "the native module mtcnn_fast._cpu has no detection engine in this build"
    return problem
