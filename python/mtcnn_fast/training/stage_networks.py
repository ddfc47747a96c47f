"""P-, R- and O-Net as they are trained: logits for probabilities, landmarks in every stage; weights as files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mtcnn_fast._types import Floats
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.files import written_whole
from mtcnn_fast.nets.modules import ONet, PNet, RNet, initialise
from mtcnn_fast.training.losses import Outputs
from mtcnn_fast.training.widening import scaled_widths, widened
from mtcnn_fast.weights import BoxCoding, Weights, load_weights
from mtcnn_fast.weights.spec import BOX_CODINGS, FORMAT_VERSION, LAYERS, NETWORKS, WIDTHS, Widths, widths_of

_HEADS: dict[str, tuple[str, ...]] = {
    "p": ("conv4_1", "conv4_2"),
    "r": ("dense5_1", "dense5_2"),
    "o": ("dense6_1", "dense6_2", "dense6_3"),
}
#: Side of the windows that each network is trained on.
SIZES: dict[str, int] = {"p": 12, "r": 24, "o": 48}


def _module(stage: str, widths: Sequence[int] | None) -> PNet | RNet | ONet:
    if stage == "p":
        return PNet()
    kind = RNet if stage == "r" else ONet
    return kind(WIDTHS[stage] if widths is None else widths)


class StageNetwork(nn.Module):
    """A network of the cascade with its heads for all three tasks.

    The paper trains every network for landmarks too (its figure 2), but the detector reads them from O-Net alone, and
    weights files have no others. So P-Net and R-Net get a head for landmarks here that shapes the features in training
    and is left out of the weights.

    Parameters
    ----------
    stage : {"p", "r", "o"}
    landmarks : bool
        Whether P-Net and R-Net get that head; O-Net always has it.
    seed : int
        Of the initial weights: uniform after Glorot and Bengio 2010, biases 0, slopes 0.25.
    widths : sequence of int, optional
        Of R-Net or O-Net, as in `mtcnn_fast.weights.WIDTHS`; by default the standard ones.

    Attributes
    ----------
    net : PNet, RNet or ONet
        The network that the detector runs, with parameters named as in weights files.
    """

    def __init__(
        self, stage: str, *, landmarks: bool = True, seed: int = 0, widths: Sequence[int] | None = None
    ) -> None:
        super().__init__()
        if stage not in NETWORKS:
            raise ConfigError(f"stage must be one of {', '.join(NETWORKS)}, got {stage!r}")
        self.stage = stage
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.net = _module(stage, widths)
            features = getattr(self.net, _HEADS[stage][0]).weight.shape[1]
            self.landmark_head = nn.Linear(features, 10) if landmarks and stage != "o" else None
            self.apply(initialise)

    def forward(self, images: Tensor) -> Outputs:
        """Return `Outputs` of normalised windows ``(n, 3, S, S)``."""
        features = self.net.features(images)
        heads = [getattr(self.net, name)(features).flatten(1) for name in _HEADS[self.stage]]
        if self.landmark_head is not None:
            heads.append(self.landmark_head(features.flatten(1)))
        return Outputs(heads[0], heads[1], heads[2] if len(heads) == 3 else None)

    def box_weights(self) -> list[Tensor]:
        """Return the weights that the R-CNN form regularises: those of the box head, without its bias."""
        return [getattr(self.net, _HEADS[self.stage][1]).weight]

    def load(self, weights: Weights) -> None:
        """Take over the weights of a detector; the head for landmarks that those lack stays as it is."""
        self.load_tensors(getattr(weights, f"{self.stage}net"))

    def load_tensors(self, tensors: Mapping[str, Floats]) -> None:
        """Take over tensors of this network alone.

        Raises
        ------
        ConfigError
            If they are those of a network of other widths.
        """
        if self.stage in LAYERS and widths_of(self.stage, tensors) != self.widths:
            raise ConfigError(
                f"the weights must have the widths {self.widths} of the network, got {widths_of(self.stage, tensors)}"
            )
        self.net.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in tensors.items()})

    def tensors(self) -> dict[str, Floats]:
        """Return the weights as the detector has them: float32 arrays by name, copied."""
        return {name: tensor.detach().cpu().float().numpy() for name, tensor in self.net.state_dict().items()}

    @property
    def widths(self) -> Widths:
        """Of R-Net or O-Net, as in `mtcnn_fast.weights.WIDTHS`; empty of P-Net."""
        return widths_of(self.stage, self.net.state_dict()) if self.stage in LAYERS else ()


def network_of(weights: Weights, stage: str, *, landmarks: bool = True, seed: int = 0) -> StageNetwork:
    """Make a network with the weights of a detector, and as wide as they are; the arguments are `StageNetwork`'s."""
    widths = widths_of(stage, getattr(weights, f"{stage}net")) if stage in LAYERS else None
    network = StageNetwork(stage, landmarks=landmarks, seed=seed, widths=widths)
    network.load(weights)
    return network


def wider(network: StageNetwork, factor: float, *, seed: int = 0) -> StageNetwork:
    """Make an R-Net or O-Net that is `factor` times as wide and begins with the outputs of `network`.

    Parameters
    ----------
    network : StageNetwork
        Without a head for landmarks of its own.
    factor : float
        See `mtcnn_fast.training.widening.scaled_widths`.
    seed : int
        Of `mtcnn_fast.training.widening.widened`.

    Raises
    ------
    ConfigError
        If a layer would be wider than the detector accepts.
    """
    widths = scaled_widths(network.stage, network.widths, factor)
    made = StageNetwork(network.stage, landmarks=False, widths=widths)
    made.load_tensors(widened(network.stage, network.tensors(), widths, seed=seed))
    return made


def initial_network(stage: str, init: str, coding: BoxCoding, *, landmarks: bool = True, seed: int = 0) -> StageNetwork:
    """Make a network to train, as wide as its initial weights.

    Parameters
    ----------
    stage : {"p", "r", "o"}
    init : str
        ``random``, ``shipped`` for the default weights, or the name or path of others, as `load_weights` takes it.
    coding : {"corner", "rcnn"}
        That will be trained.
    landmarks : bool
        Whether P-Net and R-Net are trained for landmarks too.
    seed : int

    Raises
    ------
    ConfigError
        If the initial weights express boxes in another coding.
    WeightsError
        If they cannot be read.
    """
    if init == "random":
        return StageNetwork(stage, landmarks=landmarks, seed=seed)
    weights = load_weights(None if init == "shipped" else init)
    if weights.box_coding != coding:
        raise ConfigError(
            f"init {init!r} has box_coding {weights.box_coding!r}: box_coding must be the same, got {coding!r}"
        )
    return network_of(weights, stage, landmarks=landmarks, seed=seed)


def save_network(network: StageNetwork, path: str | os.PathLike[str], coding: BoxCoding) -> None:
    """Write the weights as the detector reads them; the file is there whole or not at all.

    Parameters
    ----------
    network : StageNetwork
    path : path-like or str
        Such as ``weights/p.safetensors``.
    coding : {"corner", "rcnn"}
        How the network was trained to express boxes.
    """
    _save_tensors(network.tensors(), path, network.stage, coding, {})


def save_weights(weights: Weights, folder: Path, notes: Mapping[str, Mapping[str, str]] | None = None) -> None:
    """Write the weights of all networks as the detector reads them.

    Parameters
    ----------
    weights : Weights
    folder : Path
    notes : mapping of str to mapping, optional
        Further metadata of each network, such as where its weights come from, by its letter.
    """
    for stage in NETWORKS:
        tensors: dict[str, Floats] = dict(getattr(weights, f"{stage}net"))
        _save_tensors(tensors, folder / f"{stage}.safetensors", stage, weights.box_coding, (notes or {}).get(stage, {}))


def _save_tensors(
    tensors: dict[str, Floats],
    path: str | os.PathLike[str],
    stage: str,
    coding: BoxCoding,
    notes: Mapping[str, str],
) -> None:
    from safetensors.numpy import save

    if coding not in BOX_CODINGS:
        raise ConfigError(f"box_coding must be one of {', '.join(BOX_CODINGS)}, got {coding!r}")
    metadata = {**notes, "format_version": FORMAT_VERSION, "network": stage, "box_coding": coding}
    tensors = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    written_whole(path, _in_order(save(tensors, metadata)))


def _in_order(data: bytes) -> bytes:
    """Sort a safetensors header, whose metadata come in random order, so that equal weights make equal files.

    Layout: https://huggingface.co/docs/safetensors/index#format
    """
    length = int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8 : 8 + length]), sort_keys=True, separators=(",", ":")).encode()
    # The tensors stay aligned.
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[8 + length :]
