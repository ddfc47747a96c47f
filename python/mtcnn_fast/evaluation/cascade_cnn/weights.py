"""The six networks in one safetensors file, written and read."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from mtcnn_fast._paths import is_folder
from mtcnn_fast.errors import WeightsError, file_error
from mtcnn_fast.evaluation.cascade_cnn.networks import SIZES, Calibration, Classifier
from mtcnn_fast.files import written_whole

FILE_NAME = "cascade_cnn.safetensors"
METADATA = {"format_version": "1", "network": "cascade_cnn"}


@dataclasses.dataclass(frozen=True, slots=True)
class CascadeNetworks:
    """The networks of the three stages.

    Attributes
    ----------
    classifiers, calibrations : dict of int to module
        By the side of the window: 12, 24 and 48.
    sha256 : str or None
        Hash of the file they were read from.
    """

    classifiers: dict[int, Classifier]
    calibrations: dict[int, Calibration]
    sha256: str | None = None

    @classmethod
    def create(cls) -> CascadeNetworks:
        """Make them with new parameters, drawn from torch's random numbers."""
        return cls({s: Classifier(s, nested=True) for s in SIZES}, {s: Calibration(s) for s in SIZES})


def save_networks(path: str | os.PathLike[str], networks: CascadeNetworks) -> None:
    """Write the six networks; the file is complete or absent."""
    tensors = {name: tensor.detach().clone() for name, tensor in _tensors(networks).items()}
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    written_whole(target, safetensors.torch.save(tensors, METADATA))


def load_networks(path: str | os.PathLike[str]) -> CascadeNetworks:
    """Read the six networks.

    Parameters
    ----------
    path : path-like or str
        The file, or the folder with ``cascade_cnn.safetensors``.

    Raises
    ------
    WeightsError
        If the file is missing, damaged or of another form; the message names the file and the tensor.
    """
    file = Path(path)
    if is_folder(file):
        file /= FILE_NAME
    try:
        data = file.read_bytes()
        tensors = safetensors.torch.load(data)
        with safetensors.safe_open(file, "pt") as opened:
            metadata = opened.metadata() or {}
    except (OSError, safetensors.SafetensorError) as error:
        message = f"{str(file)!r}: no weights of CascadeCNN can be read: {error}"
        raise file_error(WeightsError, error, message) from error
    for key, value in METADATA.items():
        if metadata.get(key) != value:
            raise WeightsError(f"{str(file)!r}: metadata {key!r} must be {value!r}, it is {metadata.get(key)!r}")
    networks = dataclasses.replace(CascadeNetworks.create(), sha256=hashlib.sha256(data).hexdigest())
    own = _tensors(networks)
    for name in sorted(own.keys() ^ tensors.keys()):
        raise WeightsError(f"{str(file)!r}: tensor {name!r} is {'missing' if name in own else 'unexpected'}")
    for name, tensor in own.items():
        given = tensors[name]
        if given.shape != tensor.shape or given.dtype != tensor.dtype or not bool(torch.isfinite(given).all()):
            raise WeightsError(f"{str(file)!r}: tensor {name!r} must be finite {tensor.dtype} {tuple(tensor.shape)}")
        tensor.data.copy_(given)
    return networks


def _tensors(networks: CascadeNetworks) -> dict[str, Tensor]:
    """Return every parameter by a name like ``24.classifier.label.weight``; the result shares their memory."""
    return {
        f"{size}.{kind}.{name}": tensor
        for kind, modules in (("classifier", networks.classifiers), ("calibration", networks.calibrations))
        for size, module in modules.items()
        for name, tensor in module.state_dict().items()
    }
