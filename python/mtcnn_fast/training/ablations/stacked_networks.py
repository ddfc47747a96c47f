"""`StackedONets`: O-Nets that are trained together, a row of parameters each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mtcnn_fast.training.ablations.stacked_layers import (
    Way,
    activate,
    along_channels,
    convolve_apart,
    convolve_together,
    faster_way,
    pool,
)
from mtcnn_fast.training.losses import Outputs
from mtcnn_fast.training.stage_networks import StageNetwork

#: Side of the pooling after each convolution; 0 without one.
_POOLING = (3, 3, 2, 0)

_HEADS = ("dense6_1", "dense6_2", "dense6_3")

#: Channels that an image is stored with, one of them zero.
CHANNELS = 4


class StackedONets:
    """O-Nets of the standard widths, initialised as `StageNetwork` does.

    Slopes of the PReLUs before a pooling are kept at 0 and above (`keep_slopes`). Such a PReLU never falls and changes
    places with max pooling, and a bias does anyway: the same values from a quarter of the elements.

    Parameters
    ----------
    seeds : sequence of int
        Of the initial weights of each network.
    device : torch.device
    dtype : torch.dtype
        That convolutions and products are computed in. Parameters are float32, and so are the heads.

    Attributes
    ----------
    values : Tensor of float32, shape (M, P)
        A row of parameters for each network, in the order of `StageNetwork.net.state_dict()`.
    ways : list of callable
        How each convolution is computed.
    """

    def __init__(self, seeds: Sequence[int], device: torch.device, dtype: torch.dtype) -> None:
        states = [StageNetwork("o", seed=seed).net.state_dict() for seed in seeds]
        self.shapes = {name: tuple(value.shape) for name, value in states[0].items()}
        self._body = {name: shape for name, shape in self.shapes.items() if not name.startswith(_HEADS)}
        # They come last.
        self._heads = {name: shape for name, shape in self.shapes.items() if name not in self._body}
        rows = [torch.cat([value.flatten() for value in state.values()]) for state in states]
        self.values = torch.stack(rows).to(device).requires_grad_()
        self.dtype = dtype
        self.ways: list[Way] = [convolve_together if device.type == "cuda" else convolve_apart] * len(_POOLING)

    def __len__(self) -> int:
        return len(self.values)

    def parameters(self, values: Tensor) -> dict[str, Tensor]:
        """Return views of rows of parameters by name, each ``(M, ...)``."""
        return _views(values, self.shapes)

    def tensors(self, network: int) -> dict[str, Tensor]:
        """Return one network's parameters on the CPU, as `StageNetwork.net.load_state_dict` takes them."""
        row = self.parameters(self.values.detach()[network : network + 1].cpu())
        return {name: value[0].clone() for name, value in row.items()}

    def outputs(self, images: Tensor, values: Tensor | None = None) -> Outputs:
        """Compute logits ``(M, n, 2)``, boxes ``(M, n, 4)`` and landmarks ``(M, n, 10)`` in float32.

        Parameters
        ----------
        images : Tensor of shape (M, n, 48, 48, 4)
            Normalised, of the networks' type; the last channel is zero.
        values : Tensor of shape (M, P), optional
            Other rows of parameters than those of all networks.
        """
        values = self.values if values is None else values
        sizes = [sum(math.prod(shape) for shape in part.values()) for part in (self._body, self._heads)]
        body, heads = torch.split(values, sizes, dim=1)
        layers, precise = _views(body.to(self.dtype), self._body), _views(heads, self._heads)
        x = images
        for number, (side, way) in enumerate(zip(_POOLING, self.ways, strict=True), 1):
            x = way(x, _filters(layers, number))
            x = pool(x, side) if side else x
            x = x + along_channels(layers[f"conv{number}.bias"], x)
            x = activate(x, layers[f"prelu{number}.weight"])
        # Column by column, as the weights expect.
        x = x.transpose(2, 3).flatten(2)
        x = torch.baddbmm(layers["dense5.bias"][:, None], x, layers["dense5.weight"].transpose(1, 2))
        x = activate(x, layers["prelu5.weight"]).float()
        weight = torch.cat([precise[f"{name}.weight"] for name in _HEADS], dim=1)
        bias = torch.cat([precise[f"{name}.bias"] for name in _HEADS], dim=1)
        said = torch.baddbmm(bias[:, None], x, weight.transpose(1, 2))
        logits, boxes, landmarks = torch.split(said, [2, 4, 10], dim=2)
        return Outputs(logits, boxes, landmarks)

    @torch.no_grad()
    def keep_slopes(self) -> None:
        """Set negative slopes of the PReLUs before a pooling to 0."""
        slopes = self.parameters(self.values.detach())
        for number, side in enumerate(_POOLING, 1):
            if side:
                slopes[f"prelu{number}.weight"].clamp_(min=0)

    def choose_ways(self, count: int) -> list[dict[str, float]]:
        """Take for each convolution the way that is faster for `count` windows a network; return the milliseconds."""
        layers = self.parameters(self.values.detach().to(self.dtype))
        shape = (len(self), count, 48, 48, CHANNELS)
        x = torch.rand(shape, dtype=torch.float32, device=self.values.device).to(self.dtype)
        measured = []
        for number, side in enumerate(_POOLING, 1):
            weight = _filters(layers, number)
            self.ways[number - 1], milliseconds = faster_way(x.requires_grad_(number > 1), weight)
            measured.append(milliseconds)
            with torch.no_grad():
                x = self.ways[number - 1](x, weight)
                x = pool(x, side) if side else x
        return measured


def _views(values: Tensor, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    parts = torch.split(values, [math.prod(shape) for shape in shapes.values()], dim=1)
    return {name: torch.unflatten(part, 1, shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}


def _filters(layers: dict[str, Tensor], number: int) -> Tensor:
    """Return a convolution's weights, with one more channel for the images' fourth."""
    weight = layers[f"conv{number}.weight"]
    return torch.nn.functional.pad(weight, (0, 0, 0, 0, 0, 1)) if number == 1 else weight
