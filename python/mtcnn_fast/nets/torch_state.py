"""A block in which torch computes as this package needs it, whatever the process or the caller's thread has set.

Part of torch's state belongs to the thread: gradients, inference mode, autocast. Part belongs to the process: flags
that let float32 products be rounded, and that choose algorithms. Those are changed only where they would change a
result, while a network runs somewhere in the process, and then put back.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import torch

#: Torch gives these parts of itself no types.
_C: Any = torch._C
_AUTOCAST: Any = torch.autocast

#: Since torch 2.9 each operation of each library has a precision of its own.
_HAS_PRECISIONS = hasattr(_C, "_get_fp32_precision_getter")

#: Precisions of float32 products that round nothing.
_EXACT = ("none", "ieee")


@dataclasses.dataclass(frozen=True)
class _Flag:
    """A setting of the process.

    Attributes
    ----------
    read : callable
        Returns the value, or None where torch refuses to tell: after a mix of its older and newer ways to set it.
    write : callable
        Sets the value.
    """

    read: Callable[[], Any]
    write: Callable[[Any], None]


def _legacy(read: Callable[[], Any]) -> Callable[[], Any]:
    def readable() -> Any:
        try:
            return read()
        except RuntimeError:
            return None

    return readable


def _precision(library: str, operation: str) -> _Flag:
    def read() -> str:
        return str(_C._get_fp32_precision_getter(library, operation))

    def write(value: str) -> None:
        # What is inherited stays inherited: a later change of the parent's setting has to reach it.
        _C._set_fp32_precision_setter(library, operation, "none")
        if read() != value:
            _C._set_fp32_precision_setter(library, operation, value)

    return _Flag(read, write)


def _write_deterministic(value: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(value[0], warn_only=value[1])


#: In the order in which they are written: the older ways first, as they write several of the newer ones.
_FLAGS: dict[str, _Flag] = {
    "matmul": _Flag(_legacy(_C._get_float32_matmul_precision), _C._set_float32_matmul_precision),
    "cublas_tf32": _Flag(_legacy(_C._get_cublas_allow_tf32), _C._set_cublas_allow_tf32),
    "cudnn_tf32": _Flag(_legacy(_C._get_cudnn_allow_tf32), _C._set_cudnn_allow_tf32),
    "mkldnn": _Flag(_C._get_mkldnn_enabled, _C._set_mkldnn_enabled),
    "cudnn": _Flag(_C._get_cudnn_enabled, _C._set_cudnn_enabled),
    "cudnn_benchmark": _Flag(_C._get_cudnn_benchmark, _C._set_cudnn_benchmark),
    "deterministic": _Flag(
        lambda: (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()),
        _write_deterministic,
    ),
}
if _HAS_PRECISIONS:
    _FLAGS |= {
        "cuda.matmul": _precision("cuda", "matmul"),
        "cuda.conv": _precision("cuda", "conv"),
        "cuda.rnn": _precision("cuda", "rnn"),
        "mkldnn.matmul": _precision("mkldnn", "matmul"),
        "mkldnn.conv": _precision("mkldnn", "conv"),
    }

#: What each kind of run needs: for each flag the accepted values, best first. Flags of CUDA are left alone on the CPU.
_NEEDS: dict[str, dict[str, tuple[Any, ...]]] = {
    "cpu": {"mkldnn": (True,), "mkldnn.matmul": ("ieee", "none"), "mkldnn.conv": ("ieee", "none")},
    "cuda": {
        "matmul": ("highest", None),
        "cublas_tf32": (False, None),
        "cudnn_tf32": (False, None),
        "cuda.matmul": ("ieee", "none"),
        "cuda.conv": ("ieee", "none"),
        "cuda.rnn": ("ieee", "none"),
        # Not used, but torch refuses to read "matmul" where the two do not go together.
        "mkldnn.matmul": ("ieee", "none"),
    },
    "cuda_tf32": {
        "matmul": ("high", "medium", None),
        "cublas_tf32": (True, None),
        "cudnn_tf32": (True, None),
        "cuda.matmul": ("tf32",),
        "cuda.conv": ("tf32",),
        "cuda.rnn": ("tf32",),
    },
}
_ALGORITHMS: dict[str, tuple[Any, ...]] = {
    # No algorithm is chosen by timing, and none is refused because others of its kind are not deterministic.
    "cudnn": (True,),
    "cudnn_benchmark": (False,),
    "deterministic": ((False, False), (False, True)),
}
_NEEDS["cuda"] |= _ALGORITHMS
_NEEDS["cuda_tf32"] |= _ALGORITHMS

#: Kinds of runs that need different values of one flag: they take turns.
_RIVALS = {"cuda": "cuda_tf32", "cuda_tf32": "cuda"}


class _ProcessFlags:
    """Sets the process's flags for the runs that are under way, and puts the caller's back when the last has ended."""

    def __init__(self) -> None:
        self._caller: dict[str, Any] = {}
        self._start()

    def _start(self) -> None:
        self._changed = threading.Condition()
        self._running: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()

    def after_fork(self) -> None:
        """Forget the runs of the parent's threads, which a forked child does not have."""
        running = +self._running
        self._start()
        if running:
            self._apply()

    @contextlib.contextmanager
    def held(self, kind: str) -> Iterator[None]:
        """Give the flags the values that a kind of run needs, for the length of a block."""
        rival = _RIVALS.get(kind, "")
        with self._changed:
            self._waiting[kind] += 1
            # Whoever comes while the rival waits lets it go first: neither waits for ever.
            while self._running[rival] or (self._running[kind] and self._waiting[rival]):
                self._changed.wait()
            self._waiting[kind] -= 1
            if not +self._running:
                self._caller = {name: flag.read() for name, flag in _FLAGS.items()}
            self._running[kind] += 1
            try:
                self._apply()
            except BaseException:
                self._leave(kind)
                raise
        try:
            yield
        finally:
            with self._changed:
                self._leave(kind)

    def _leave(self, kind: str) -> None:
        self._running[kind] -= 1
        self._apply()
        self._changed.notify_all()

    def _apply(self) -> None:
        """Write what the runs under way need, and the caller's values where they need nothing."""
        wanted = dict(self._caller)
        for kind in +self._running:
            for name, accepted in _NEEDS[kind].items():
                if name in wanted and wanted[name] not in accepted:
                    wanted[name] = accepted[0]
        # Flags depend on one another: one that reads as it should may be written with an earlier one.
        for name, value in wanted.items():
            if value is not None and _FLAGS[name].read() != value:
                _FLAGS[name].write(value)


_PROCESS = _ProcessFlags()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_PROCESS.after_fork)


def cuda_flags(tf32: bool) -> contextlib.AbstractContextManager[None]:
    """Let CUDA round the factors of float32 products to TF32 for the length of a block, or not.

    Any number of threads may be in a block of one kind at once; those of the other kind wait.

    Parameters
    ----------
    tf32 : bool
        Whether products may be rounded.
    """
    return _PROCESS.held("cuda_tf32" if tf32 else "cuda")


@contextlib.contextmanager
def undisturbed(device: torch.device, *, tf32: bool = False) -> Iterator[None]:
    """Run a block without gradients and in the precision asked for, whatever the caller has set.

    Tensors that are made inside are ordinary ones, which the caller may change and use further.

    Parameters
    ----------
    device : torch.device
        Where the block computes.
    tf32 : bool
        Whether a CUDA device may round the factors of float32 products.
    """
    flags = cuda_flags(tf32) if device.type == "cuda" else _PROCESS.held("cpu")
    with torch.inference_mode(False), torch.no_grad(), _AUTOCAST(device.type, enabled=False), flags:
        yield


_WARNINGS = threading.Lock()


@contextlib.contextmanager
def deprecation_ignored() -> Iterator[None]:
    """Ignore what torch says of its deprecated parts, of which the caller uses none.

    The filters of warnings belong to the process. One block at a time changes them, so that each puts back what it
    found.
    """
    with _WARNINGS, warnings.catch_warnings():
        for category in (DeprecationWarning, FutureWarning):
            warnings.simplefilter("ignore", category)
        yield
