"""Whether the CUDA kernels and devices can be used here, found out without torch."""

from __future__ import annotations

import importlib
from types import ModuleType

from mtcnn_fast._version import __version__
from mtcnn_fast.errors import BackendUnavailableError
from mtcnn_fast.weights import WIDTHS, Weights, widths_of

INSTALL_KERNELS = "pip install 'mtcnn-fast[cuda]'"


def cuda_module() -> tuple[ModuleType | None, str]:
    """Import the CUDA kernels: the module or None, and why not.

    They are ``mtcnn_fast._cuda`` in a build from source where nvcc is, else ``mtcnn_fast_cuda._cuda`` of the
    distribution mtcnn-fast-cuda, which must have the version of this package.
    """
    try:
        return importlib.import_module("mtcnn_fast._cuda"), ""
    except ModuleNotFoundError as error:
        if error.name != "mtcnn_fast._cuda":
            raise
    except ImportError as error:
        return None, f"the CUDA kernels (mtcnn_fast._cuda) cannot be loaded ({error})"
    return _distributed_cuda_module()


def _distributed_cuda_module() -> tuple[ModuleType | None, str]:
    try:
        version = importlib.import_module("mtcnn_fast_cuda").__version__
        if version != __version__:
            return None, (
                f"the CUDA kernels are those of mtcnn-fast-cuda {version}, which does not fit mtcnn-fast "
                f"{__version__}: the versions must be equal; to mend that, pip install mtcnn-fast-cuda=={__version__}"
            )
        return importlib.import_module("mtcnn_fast_cuda._cuda"), ""
    except ModuleNotFoundError as error:
        if error.name != "mtcnn_fast_cuda":
            raise
        return None, (
            "this installation has no CUDA kernels (mtcnn_fast._cuda or mtcnn-fast-cuda); to get them, "
            f"{INSTALL_KERNELS}, or build from source where nvcc is"
        )
    except ImportError as error:
        return None, f"the CUDA kernels (mtcnn_fast_cuda._cuda) cannot be loaded ({error})"


def cuda_problem(index: int = 0) -> str | None:
    """Say what keeps a CUDA device from being used, or return None if nothing does."""
    module, problem = cuda_module()
    if module is None:
        return problem
    status = module.status()
    if status["problem"]:
        return str(status["problem"])
    if index >= status["devices"]:
        return f"there is no device {index}; the driver finds {status['devices']}, counted from 0"
    if module.devices()[index]["problem"]:
        return f"device {index} cannot run the kernels: {module.devices()[index]['problem']}"
    return None


def usable_module(index: int) -> ModuleType:
    """Return the kernels, if they run on a device.

    Raises
    ------
    BackendUnavailableError
        If they do not; the message says why.
    """
    problem = cuda_problem(index)
    module, _ = cuda_module()
    if problem is not None or module is None:
        raise BackendUnavailableError(f"device 'cuda:{index}' is not available: {problem}")
    return module


def widths_problem(weights: Weights) -> str | None:
    """Say why the kernels cannot run these weights, or return None if they can: they are compiled for given widths."""
    for network, tensors in (("r", weights.rnet), ("o", weights.onet)):
        widths = widths_of(network, tensors)
        if widths != WIDTHS[network]:
            return (
                f"the device 'cuda' runs an {network.upper()}-Net of the widths {WIDTHS[network]} in 'float32' and "
                f"'float16-filter', got {widths}: use device='cpu', or a precision of torch's networks"
            )
    return None
