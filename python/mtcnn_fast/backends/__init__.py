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

__all__ = ["DEVICES", "available_backends", "batch_size", "create_backend", "parse_device"]

#: The accepted device strings, for messages and help.
DEVICES = ("auto", "numpy", "cpu", "torch:cpu", "cuda", "cuda:N")

#: What "auto" tries, best first.
_PREFERENCE = ("cuda", "cpu", "numpy")

#: Images that are worth giving to a backend at once. More keep it busy; fewer bring each result sooner.
_BATCH_SIZES = {"numpy": 1}
_BATCH_SIZE = 8

_DEVICE = re.compile(r"(auto|numpy|cpu|torch:cpu|cuda)|cuda:(0|[1-9][0-9]{0,3})")


def parse_device(device: object) -> tuple[str, int]:
    """Take a device string apart.

    Parameters
    ----------
    device : str
        ``auto``, ``numpy``, ``cpu``, ``torch:cpu``, ``cuda`` (the same as ``cuda:0``) or ``cuda:N``.

    Returns
    -------
    kind : str
        The string without the number.
    index : int
        The number, 0 if there is none.

    Raises
    ------
    ConfigError
        If it is anything else.
    """
    match = _DEVICE.fullmatch(device) if isinstance(device, str) else None
    if match is None:
        kind = "" if isinstance(device, str) else f" ({type(device).__name__})"
        raise ConfigError(f"device must be one of {', '.join(DEVICES)} (N counts from 0), got {device!r}{kind}")
    return match[1] or "cuda", int(match[2] or 0)


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
        If the string is not a device, or the backend does not have the configuration's `precision`.
    BackendUnavailableError
        If the device cannot be used here; the message says why and how to get it.
    """
    kind, index = parse_device(device)
    if kind == "auto":
        kind = next(name for name in _PREFERENCE if _problem(name) is None)
        if kind == "numpy":
            warn_slow(_native_problem())
    problem = _problem(kind, index)
    if problem is not None:
        raise BackendUnavailableError(f"device {device!r} is not available: {problem}")
    if kind in ("numpy", "cpu") and config.precision != "float32":
        raise ConfigError(
            f"precision must be 'float32' on the backend {kind!r}, got {config.precision!r}; the devices torch:cpu and "
            "cuda have others"
        )
    if kind == "numpy":
        from mtcnn_fast.backends.numpy.backend import NumpyBackend

        return NumpyBackend(config, weights)
    if kind == "cpu":
        from mtcnn_fast.backends.native import NativeBackend

        return NativeBackend(config, weights)
    from mtcnn_fast.backends.torch.backend import TorchBackend

    return TorchBackend(config, weights, f"cuda:{index}" if kind == "cuda" else kind)


def batch_size(backend: str) -> int:
    """Return how many images the backend of this name gets at once where the caller does not say."""
    return _BATCH_SIZES.get(backend, _BATCH_SIZE)


def _problem(kind: str, index: int = 0) -> str | None:
    """Say why a kind of device cannot be used here, or return None if it can."""
    if kind == "numpy":
        return None
    if kind == "cpu":
        problem = _native_problem()
        return f"{problem}; to get it, {HOW_TO_GET}" if problem else None
    from mtcnn_fast.backends.torch.devices import cuda_problem, torch_problem

    if kind == "torch:cpu":
        return torch_problem()
    return cuda_problem(index)


def _native_problem() -> str:
    """Say why the native engine cannot be used, or return an empty string if it can."""
    module, problem = find_native()
    if module is not None and not hasattr(module, "Engine"):
        return "the native module mtcnn_fast._cpu has no detection engine in this build"
    return problem
