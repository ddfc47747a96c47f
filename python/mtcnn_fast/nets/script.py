"""TorchScript, and nothing else of this package knows of it.

It is deprecated by torch. `torch.export` with AOTInductor takes its place where it can compile for the target: the
modules in `mtcnn_fast.nets.modules` suit both, and only this file would change.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from mtcnn_fast.nets.networks import load_networks
from mtcnn_fast.nets.torch_state import deprecation_ignored

if TYPE_CHECKING:
    from mtcnn_fast.weights import Weights

#: Torch gives this part of itself no types.
_JIT: Any = torch.jit
_C: Any = torch._C


def script_network(network: nn.Module) -> nn.Module:
    """Compile a network in eval mode.

    Its parameters are not frozen into constants: torch would keep those for good, and no network here is faster for it.
    Where the environment variable ``PYTORCH_JIT`` is 0, the network stays as it is.
    """
    with deprecation_ignored():
        return cast("nn.Module", _JIT.script(network.eval()))


@contextlib.contextmanager
def _interpreted() -> Iterator[None]:
    """Switch TorchScript's profiling executor off for the current thread."""
    before = _C._get_graph_executor_optimize()
    _C._set_graph_executor_optimize(False)
    try:
        yield
    finally:
        _C._set_graph_executor_optimize(before)


def run_script(network: nn.Module, batch: Tensor) -> tuple[Tensor, ...]:
    """Run a network without gradients.

    The profiling executor is off: it would compile anew for each image size, and a first call would round differently
    from a second one.
    """
    with torch.no_grad(), _interpreted():
        return cast("tuple[Tensor, ...]", network(batch))


def export_torchscript(path: str | Path, weights: Weights | None = None) -> list[Path]:
    """Write the three networks as TorchScript archives, for use from C++ or without this package.

    Parameters
    ----------
    path : str or Path
        Folder, created if missing, for ``pnet.pt``, ``rnet.pt`` and ``onet.pt``.
    weights : Weights, optional
        By default those that come with the package.

    Returns
    -------
    list of Path
        The files. Each takes normalised ``(N, 3, H, W)`` float32 (``(N, 3, 24, 24)`` and ``(N, 3, 48, 48)`` for R-Net
        and O-Net) and returns scores, regressions and, for O-Net, landmarks.
    """
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, network in load_networks(weights).items():
        files.append(folder / f"{name}.pt")
        script = script_network(network)
        with deprecation_ignored():
            _JIT.save(script, str(files[-1]))
    return files
