"""Which backends there are, which of them can be used here, and how a device string chooses one."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from mtcnn_fast._native import HOW_TO_GET, find_native, warn_slow
from mtcnn_fast.config import FILTERS, FUSED_PRECISIONS, PRECISIONS, TORCH_PRECISIONS, Filter, Precision
from mtcnn_fast.errors import BackendUnavailableError, ConfigError

if TYPE_CHECKING:
    from mtcnn_fast.backends.base import Backend
    from mtcnn_fast.config import DetectorConfig
    from mtcnn_fast.weights import Weights

__all__ = ["BACKENDS", "DEVICES", "Entry", "available_backends", "batch_size", "create_backend", "parse_device"]


@dataclasses.dataclass(frozen=True)
class Entry:
    """A row of the table of backends.

    Attributes
    ----------
    name : str
        The device string without a number.
    problem : callable
        Gets the number of the device, and returns why it cannot be used here and how to get it, or None if it can.
    make : callable
        Gets the settings, the weights and the number of the device, and returns the backend.
    rank : int or None
        Place in the order in which ``auto`` tries the backends, from 0 on; None where it must be asked for by name.
    precisions : tuple of str
        What the networks can compute in.
    filters : tuple of str
        What can drop windows before R-Net.
    batch_size : int
        Images that are worth giving to it at once. More keep it busy; fewer bring each result sooner.
    numbered : bool
        Whether there may be several such devices, ``name:0`` and so on.
    refusal : callable
        Gets the settings and the weights, and returns why the backend cannot run them, or None if it can.
    """

    name: str
    problem: Callable[[int], str | None]
    make: Callable[[DetectorConfig, Weights, int], Backend]
    rank: int | None
    precisions: tuple[Precision, ...] = ("float32",)
    filters: tuple[Filter, ...] = ()
    batch_size: int = 8
    numbered: bool = False
    refusal: Callable[[DetectorConfig, Weights], str | None] = lambda config, weights: None


def _native_problem() -> str:
    """Say why the native engine cannot be used, or return an empty string if it can."""
    module, problem = find_native()
    if module is not None and not hasattr(module, "Engine"):
        return "the native module mtcnn_fast._cpu has no detection engine in this build"
    return problem


def _cpu_problem(index: int) -> str | None:
    problem = _native_problem()
    return f"{problem}; to get it, {HOW_TO_GET}" if problem else None


def _torch_problem(index: int) -> str | None:
    from mtcnn_fast.backends.torch.devices import torch_problem

    return torch_problem()


def _cuda_problem(index: int) -> str | None:
    from mtcnn_fast.backends.cuda.devices import cuda_problem

    return cuda_problem(index)


def _cuda_refusal(config: DetectorConfig, weights: Weights) -> str | None:
    from mtcnn_fast.backends.cuda.devices import widths_problem

    return widths_problem(weights) if config.precision in FUSED_PRECISIONS else None


def _make_numpy(config: DetectorConfig, weights: Weights, index: int) -> Backend:
    from mtcnn_fast.backends.numpy.backend import NumpyBackend

    return NumpyBackend(config, weights)


def _make_cpu(config: DetectorConfig, weights: Weights, index: int) -> Backend:
    from mtcnn_fast.backends.native import NativeBackend

    return NativeBackend(config, weights)


def _make_torch(config: DetectorConfig, weights: Weights, index: int) -> Backend:
    from mtcnn_fast.backends.torch.backend import TorchBackend

    return TorchBackend(config, weights, "torch:cpu")


def _make_cuda(config: DetectorConfig, weights: Weights, index: int) -> Backend:
    if config.precision in FUSED_PRECISIONS:
        from mtcnn_fast.backends.cuda.backend import CudaBackend

        return CudaBackend(config, weights, index)
    from mtcnn_fast.backends.torch.devices import torch_cuda_problem

    problem = torch_cuda_problem(index)
    if problem is not None:
        raise BackendUnavailableError(
            f"precision {config.precision!r} on the device 'cuda:{index}' needs torch's networks: {problem}"
        )
    from mtcnn_fast.backends.torch.backend import TorchBackend

    return TorchBackend(config, weights, f"cuda:{index}")


#: Every backend, by the device string that selects it. What is said of devices anywhere follows from this table.
BACKENDS: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry("numpy", lambda index: None, _make_numpy, rank=2, batch_size=1),
        Entry("cpu", _cpu_problem, _make_cpu, rank=1, filters=FILTERS),
        Entry("torch:cpu", _torch_problem, _make_torch, rank=None, precisions=TORCH_PRECISIONS),
        Entry(
            "cuda",
            _cuda_problem,
            _make_cuda,
            rank=0,
            precisions=PRECISIONS,
            numbered=True,
            batch_size=64,
            refusal=_cuda_refusal,
        ),
    )
}

#: The accepted device strings, for messages and help.
DEVICES = ("auto", *BACKENDS, *(f"{entry.name}:N" for entry in BACKENDS.values() if entry.numbered))

_DEVICE = re.compile(
    "|".join(
        [
            "(?P<name>auto)",
            *(
                f"(?P<name{i}>{re.escape(entry.name)})" + (f"(?::(?P<index{i}>0|[1-9][0-9]{{0,3}}))?" * entry.numbered)
                for i, entry in enumerate(BACKENDS.values())
            ),
        ]
    )
)


def parse_device(device: object) -> tuple[str, int]:
    """Take a device string apart.

    Parameters
    ----------
    device : str
        One of `DEVICES`; ``cuda`` is the same as ``cuda:0``.

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
    name, *index = [part for part in match.groups() if part is not None]
    return name, int(index[0]) if index else 0


def available_backends() -> dict[str, str | None]:
    """Return which backends can be used here.

    Returns
    -------
    dict
        For each name of `BACKENDS`: ``None`` if it can be used, else why it cannot and how to get it.
    """
    return {name: entry.problem(0) for name, entry in BACKENDS.items()}


def create_backend(device: str, config: DetectorConfig, weights: Weights) -> Backend:
    """Make the backend that a device string asks for.

    Parameters
    ----------
    device : str
        See `parse_device`. ``auto`` takes the first, by rank, that can be used here and runs the weights.
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
        If the string is not a device, or the backend does not have the configuration's `precision` or `filter` or does
        not run networks as wide as the weights'.
    BackendUnavailableError
        If the device cannot be used here; the message says why and how to get it.
    """
    kind, index = parse_device(device)
    if kind == "auto":
        kind = _best(config, weights)
    entry = BACKENDS[kind]
    problem = entry.problem(index)
    if problem is not None:
        raise BackendUnavailableError(f"device {device!r} is not available: {problem}")
    if config.precision not in entry.precisions:
        accepted = " or ".join(map(repr, entry.precisions))
        others = [name for name, other in BACKENDS.items() if config.precision in other.precisions]
        raise ConfigError(
            f"precision must be {accepted} on the backend {kind!r}, got {config.precision!r}, which needs the device "
            f"{' or '.join(others)}"
        )
    if config.filter is not None and config.filter not in entry.filters:
        others = [name for name, other in BACKENDS.items() if config.filter in other.filters]
        raise ConfigError(
            f"filter must be None on the backend {kind!r}, got {config.filter!r}; the device {' and '.join(others)} "
            f"has it"
        )
    refusal = entry.refusal(config, weights)
    if refusal is not None:
        raise ConfigError(refusal)
    return entry.make(config, weights, index)


def _best(config: DetectorConfig, weights: Weights) -> str:
    """Return the backend that ``auto`` takes, and warn where it is the slowest for a reason that can be mended."""
    ranked = sorted((entry.rank, name) for name, entry in BACKENDS.items() if entry.rank is not None)
    name = next(
        name
        for _, name in ranked
        if BACKENDS[name].problem(0) is None and BACKENDS[name].refusal(config, weights) is None
    )
    if name == "numpy":
        warn_slow(_native_problem())
    return name


def batch_size(backend: str) -> int:
    """Return how many images the backend of this name gets at once where the caller does not say."""
    return BACKENDS[parse_device(backend)[0]].batch_size
