"""Whether torch and its devices can be used here, found out without importing torch where that is possible."""

from __future__ import annotations

import importlib.util
import re
import warnings
from pathlib import Path

from mtcnn_fast.backends.cuda.devices import cuda_problem

INSTALL_TORCH = "pip install 'mtcnn-fast[torch]'"


def torch_problem() -> str | None:
    """Say why torch cannot be used, or return None if it can."""
    if importlib.util.find_spec("torch") is None:
        return f"torch is not installed; to get it, {INSTALL_TORCH}"
    return None


def torch_cuda_problem(index: int) -> str | None:
    """Say everything that keeps torch from using a CUDA device beside the kernels, or return None if nothing does."""
    problems = [problem for problem in (cuda_problem(index), torch_problem()) if problem]
    if torch_problem() is None:
        if _cpu_only():
            problems.append("the installed torch is built for the CPU only; install one that is built with CUDA")
        elif not problems:
            # Torch is imported only where everything else is in order: it takes seconds.
            reason = torch_device_problem(index)
            if reason:
                problems.append(reason)
    return "; ".join(problems) or None


def torch_device_problem(index: int) -> str | None:
    """Say why the installed torch cannot use a CUDA device that the driver has, or return None if it can.

    Parameters
    ----------
    index : int
        The device's number.
    """
    try:
        import torch
    except (ImportError, OSError) as error:
        return f"torch cannot be imported ({error})"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        available = torch.cuda.is_available()
    if not available:
        said = f" ({str(caught[0].message).splitlines()[0]})" if caught else ""
        return (
            f"torch, built with CUDA {torch.version.cuda}, finds no usable device: torch.cuda.is_available() is "
            f"False{said}; install a torch for this driver"
        )
    if index >= torch.cuda.device_count():
        return f"torch finds no device {index}; it finds {torch.cuda.device_count()}, counted from 0"
    capability, built = tuple(torch.cuda.get_device_capability(index)), torch.cuda.get_arch_list()
    if built and not any(_runs(name, capability) for name in built):
        return (
            f"device {index} has compute capability {capability[0]}.{capability[1]}, which the installed torch is not "
            f"built for ({', '.join(built)}); install one that is"
        )
    return None


def _runs(architecture: str, capability: tuple[int, ...]) -> bool:
    """Return whether code for an architecture, such as ``sm_86`` or ``compute_90``, runs on a device."""
    match = re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", architecture)
    if match is None:
        return False
    major, minor = int(match[2]), int(match[3])
    if match[4]:
        return capability == (major, minor)
    # Machine code serves later minor versions of its major one; PTX serves everything later.
    return (major, minor) <= capability and (match[1] == "compute" or major == capability[0])


def _cpu_only() -> bool:
    """Tell whether torch is built without CUDA, from the file that says so: importing it takes seconds."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return False
    version = Path(spec.origin).with_name("version.py")
    if not version.is_file():
        return False
    return re.search(r"^cuda\b[^=\n]*= *None", version.read_text(), re.MULTILINE) is not None
