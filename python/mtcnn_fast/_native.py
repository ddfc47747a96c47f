"""The way to the native module `mtcnn_fast._cpu`, which a pure-Python wheel does not have."""

from __future__ import annotations

import functools
import importlib
import os
from types import ModuleType

from mtcnn_fast.checks import Count

#: Threads that a call may use.
MAX_THREADS = 1024
THREADS = Count(1, MAX_THREADS)

#: Environment variable with the number of threads where the caller gives none.
THREADS_VARIABLE = "MTCNN_FAST_NUM_THREADS"

HOW_TO_GET = (
    "install a wheel of mtcnn-fast made for this platform, or build it from source where there is a C++20 compiler"
)


@functools.cache
def find_native() -> tuple[ModuleType | None, str]:
    """Import the native module once.

    Returns
    -------
    module : module or None
        ``mtcnn_fast._cpu``, or ``None`` where it cannot be imported or the environment variable
        ``MTCNN_FAST_DISABLE_NATIVE`` is set to anything but 0.
    problem : str
        Why it cannot; empty if it can.
    """
    if os.environ.get("MTCNN_FAST_DISABLE_NATIVE", "0") not in ("", "0"):
        return None, "the native module mtcnn_fast._cpu is switched off by MTCNN_FAST_DISABLE_NATIVE"
    try:
        return importlib.import_module("mtcnn_fast._cpu"), ""
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "mtcnn_fast._cpu"
        reason = "is not part of this installation" if missing else f"cannot be loaded ({error})"
        return None, f"the native module mtcnn_fast._cpu {reason}"


@functools.cache
def warn_slow(problem: str) -> None:
    """Say that numpy does the work of the native module, once a process for each reason."""
    # Imported here because it takes longer to import than the rest of the package, and is needed in this case only.
    import logging

    text = f"{problem}, so the slower numpy backend is used; to change that, {HOW_TO_GET}"
    logging.getLogger("mtcnn_fast").warning(text)


def native_or_warn() -> ModuleType | None:
    """Return the native module, or None after the warning that numpy does its work."""
    module, problem = find_native()
    if module is None:
        warn_slow(problem)
    return module


def checked_threads(value: int | None) -> int:
    """Return the number of threads for a `num_threads`; None takes that of the environment, else all processors."""
    native = native_or_warn()
    if value is not None:
        return THREADS("num_threads", value)
    if native is None:
        return 1
    return threads_from_environment() or min(usable_processors(), MAX_THREADS)


def threads_from_environment() -> int | None:
    """Return the number of threads in the environment variable ``MTCNN_FAST_NUM_THREADS``; None where it is not set.

    Raises
    ------
    ConfigError
        If it holds anything but a whole number from 1 to 1024.
    """
    text = os.environ.get(THREADS_VARIABLE, "").strip()
    if not text:
        return None
    return THREADS(THREADS_VARIABLE, int(text) if text.isascii() and text.isdecimal() else text)


def usable_processors() -> int:
    """Return how many processors this process may use at once.

    The native module counts the processors of the affinity mask, or fewer where control groups allow less time than
    they have. It remembers the groups' limit for a second. Without the module, control groups are not looked at.
    """
    module = find_native()[0]
    if module is not None:
        return int(module.available_threads())
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def native_isas() -> list[str]:
    """Return the instruction sets that the native engine can use here, best first; none where there is no engine."""
    available = getattr(find_native()[0], "available_isas", None)
    return [] if available is None else list(available())
