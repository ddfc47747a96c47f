"""Export to ONNX, for runtimes other than torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from mtcnn_fast.errors import BackendUnavailableError
from mtcnn_fast.nets.networks import load_networks
from mtcnn_fast.nets.torch_state import deprecation_ignored, undisturbed

if TYPE_CHECKING:
    from mtcnn_fast.weights import Weights

_OUTPUTS = {"pnet": ["scores", "offsets"], "rnet": ["scores", "offsets"], "onet": ["scores", "offsets", "landmarks"]}
_SIZES = {"pnet": 24, "rnet": 24, "onet": 48}


def export_onnx(path: str | Path, weights: Weights | None = None, *, opset: int = 17) -> list[Path]:
    """Write the three networks as ONNX models.

    Parameters
    ----------
    path : str or Path
        Folder, created if missing, for ``pnet.onnx``, ``rnet.onnx`` and ``onet.onnx``.
    weights : Weights, optional
        By default those that come with the package.
    opset : int
        ONNX operator set.

    Returns
    -------
    list of Path
        The files. Input ``images``: normalised ``(N, 3, H, W)`` float32, any N; for P-Net any H and W.

    Raises
    ------
    BackendUnavailableError
        If the package onnx is not installed.
    """
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise BackendUnavailableError("export_onnx needs the package onnx: pip install 'mtcnn-fast[onnx]'") from error
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, network in load_networks(weights).items():
        files.append(folder / f"{name}.onnx")
        axes = {0: "n", 2: "height", 3: "width"} if name == "pnet" else {0: "n"}
        example = torch.zeros(1, 3, _SIZES[name], _SIZES[name], dtype=torch.float32, device="cpu")
        outputs = {key: {0: "n"} for key in _OUTPUTS[name]}
        # The exporter that follows control flow needs one more package and gives the same graph.
        with undisturbed(torch.device("cpu")), deprecation_ignored():
            torch.onnx.export(
                network,
                (example,),
                str(files[-1]),
                input_names=["images"],
                output_names=_OUTPUTS[name],
                dynamic_axes={"images": axes, **outputs},
                opset_version=opset,
                dynamo=False,
            )
    return files
