"""`InceptionResnetV1`: embeds a face in 512 numbers, with the parameters' names of facenet-pytorch.

Szegedy, Ioffe, Vanhoucke, Alemi, "Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning",
AAAI 2017, figures 10 to 14; widths and stem are those of FaceNet's public models.
"""

# mypy: disallow-subclassing-any=False

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mtcnn_fast._paths import exists
from mtcnn_fast.errors import ConfigError, WeightsError, file_error, missing_file

#: Where the weights of each data set are published, and how many people it has.
PRETRAINED: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "vggface2": ("20180402-114759-vggface2.pt", 8631),
        "casia-webface": ("20180408-102900-casia-webface.pt", 10575),
    }
)
RELEASE = "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/"

#: Length of an embedding.
EMBEDDING = 512


class BasicConv2d(nn.Module):
    """A convolution without bias, batch normalisation, and a rectifier."""

    def __init__(self, in_planes: int, out_planes: int, kernel_size: Any, stride: int = 1, padding: Any = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_planes, out_planes, kernel_size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(out_planes, eps=0.001)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, out_planes, H', W')`` of ``(N, in_planes, H, W)``."""
        y: Tensor = self.relu(self.bn(self.conv(x)))
        return y


def _side_by_side(block: nn.Module, x: Tensor) -> Tensor:
    """Return the outputs of a block's branches, their planes one after the other."""
    return torch.cat([part(x) for name, part in block.named_children() if name.startswith("branch")], 1)


class _Residual(nn.Module):
    """Branches side by side, joined by a convolution of one pixel whose output is scaled and added to the input."""

    def __init__(self, planes: int, branches: list[nn.Module], joined: int, scale: float, rectify: bool = True) -> None:
        super().__init__()
        self.scale = scale
        self.noReLU = not rectify
        for i, branch in enumerate(branches):
            self.add_module(f"branch{i}", branch)
        self.conv2d = nn.Conv2d(joined, planes, 1)
        if rectify:
            self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the input's shape."""
        y: Tensor = self.conv2d(_side_by_side(self, x)) * self.scale + x
        return y if self.noReLU else functional.relu(y)


class Block35(_Residual):
    """Residual block on the grid of 17 x 17 that an image of 160 x 160 has here, 256 planes."""

    def __init__(self, scale: float = 1.0) -> None:
        branches: list[nn.Module] = [
            BasicConv2d(256, 32, 1),
            nn.Sequential(BasicConv2d(256, 32, 1), BasicConv2d(32, 32, 3, padding=1)),
            nn.Sequential(
                BasicConv2d(256, 32, 1), BasicConv2d(32, 32, 3, padding=1), BasicConv2d(32, 32, 3, padding=1)
            ),
        ]
        super().__init__(256, branches, 96, scale)


class Block17(_Residual):
    """Residual block on the grid of 8 x 8, 896 planes."""

    def __init__(self, scale: float = 1.0) -> None:
        branches: list[nn.Module] = [
            BasicConv2d(896, 128, 1),
            nn.Sequential(
                BasicConv2d(896, 128, 1),
                BasicConv2d(128, 128, (1, 7), padding=(0, 3)),
                BasicConv2d(128, 128, (7, 1), padding=(3, 0)),
            ),
        ]
        super().__init__(896, branches, 256, scale)


class Block8(_Residual):
    """Residual block on the grid of 3 x 3, 1792 planes; the last one of the network has no rectifier."""

    def __init__(self, scale: float = 1.0, noReLU: bool = False) -> None:
        branches: list[nn.Module] = [
            BasicConv2d(1792, 192, 1),
            nn.Sequential(
                BasicConv2d(1792, 192, 1),
                BasicConv2d(192, 192, (1, 3), padding=(0, 1)),
                BasicConv2d(192, 192, (3, 1), padding=(1, 0)),
            ),
        ]
        super().__init__(1792, branches, 384, scale, rectify=not noReLU)


class _Reduction(nn.Module):
    """Branches side by side that halve the grid; their planes lie one after the other in the output."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        for i, branch in enumerate(branches):
            self.add_module(f"branch{i}", branch)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of half the height and width."""
        return _side_by_side(self, x)


class Mixed_6a(_Reduction):  # noqa: N801 - the public name
    """From 256 planes to 896."""

    def __init__(self) -> None:
        super().__init__(
            BasicConv2d(256, 384, 3, 2),
            nn.Sequential(BasicConv2d(256, 192, 1), BasicConv2d(192, 192, 3, padding=1), BasicConv2d(192, 256, 3, 2)),
            nn.MaxPool2d(3, 2),
        )


class Mixed_7a(_Reduction):  # noqa: N801 - the public name
    """From 896 planes to 1792."""

    def __init__(self) -> None:
        super().__init__(
            nn.Sequential(BasicConv2d(896, 256, 1), BasicConv2d(256, 384, 3, 2)),
            nn.Sequential(BasicConv2d(896, 256, 1), BasicConv2d(256, 256, 3, 2)),
            nn.Sequential(BasicConv2d(896, 256, 1), BasicConv2d(256, 256, 3, padding=1), BasicConv2d(256, 256, 3, 2)),
            nn.MaxPool2d(3, 2),
        )


class InceptionResnetV1(nn.Module):
    """Embeds faces: those of one person lie near each other.

    Parameters
    ----------
    pretrained : {"vggface2", "casia-webface"} or None
        Weights to begin with, from the folder ``checkpoints`` of torch's cache. Nothing is downloaded.
    classify : bool
        Whether the output is a logit for each class, not an embedding.
    num_classes : int or None
        Number of classes; other than that of `pretrained` or without it, the last layer begins at random.
    dropout_prob : float
        Share of the features that are dropped in training.
    device : torch.device, str or None
        Where to put the network.

    Raises
    ------
    ConfigError
        If `pretrained` is none of these, or `classify` has neither `pretrained` nor `num_classes`.
    WeightsError
        If the file of weights is not in the cache or does not fit; the message names both places.
    """

    def __init__(
        self,
        pretrained: str | None = None,
        classify: bool = False,
        num_classes: int | None = None,
        dropout_prob: float = 0.6,
        device: Any = None,
    ) -> None:
        super().__init__()
        if pretrained is not None and pretrained not in PRETRAINED:
            raise ConfigError(
                f"pretrained must be one of {', '.join(map(repr, PRETRAINED))} or None, got {pretrained!r}"
            )
        if pretrained is None and classify and num_classes is None:
            raise ConfigError("num_classes must be given where classify is True and pretrained is None, got None")
        self.pretrained = pretrained
        self.classify = classify
        self.num_classes = num_classes
        self._add_layers(dropout_prob)
        if pretrained is not None:
            self.logits = nn.Linear(EMBEDDING, PRETRAINED[pretrained][1])
            load_weights(self, pretrained)
        if classify and num_classes is not None:
            self.logits = nn.Linear(EMBEDDING, num_classes)
        self.device = torch.device("cpu") if device is None else device
        if device is not None:
            self.to(device)

    def _add_layers(self, dropout_prob: float) -> None:
        """Make the layers, in the order in which they run; a seed then gives facenet-pytorch's random weights."""
        self.conv2d_1a = BasicConv2d(3, 32, 3, 2)
        self.conv2d_2a = BasicConv2d(32, 32, 3)
        self.conv2d_2b = BasicConv2d(32, 64, 3, padding=1)
        self.maxpool_3a = nn.MaxPool2d(3, 2)
        self.conv2d_3b = BasicConv2d(64, 80, 1)
        self.conv2d_4a = BasicConv2d(80, 192, 3)
        self.conv2d_4b = BasicConv2d(192, 256, 3, 2)
        self.repeat_1 = nn.Sequential(*(Block35(0.17) for _ in range(5)))
        self.mixed_6a = Mixed_6a()
        self.repeat_2 = nn.Sequential(*(Block17(0.10) for _ in range(10)))
        self.mixed_7a = Mixed_7a()
        self.repeat_3 = nn.Sequential(*(Block8(0.20) for _ in range(5)))
        self.block8 = Block8(noReLU=True)
        self.avgpool_1a = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout_prob)
        self.last_linear = nn.Linear(1792, EMBEDDING, bias=False)
        self.last_bn = nn.BatchNorm1d(EMBEDDING, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """Embed faces, or classify them.

        Parameters
        ----------
        x : (N, 3, H, W) float Tensor
            Faces as `MTCNN` cuts them out, H and W at least 75.

        Returns
        -------
        (N, 512) Tensor of unit length, or (N, classes) Tensor of logits
        """
        x = self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(x)))
        x = self.conv2d_4b(self.conv2d_4a(self.conv2d_3b(self.maxpool_3a(x))))
        x = self.repeat_2(self.mixed_6a(self.repeat_1(x)))
        x = self.block8(self.repeat_3(self.mixed_7a(x)))
        x = self.dropout(self.avgpool_1a(x))
        x = self.last_bn(self.last_linear(x.flatten(1)))
        if self.classify:
            logits: Tensor = self.logits(x)
            return logits
        return functional.normalize(x, p=2, dim=1)


def load_weights(mdl: nn.Module, name: str) -> None:
    """Give a network the weights that were learned on a data set, from torch's cache.

    Parameters
    ----------
    mdl : InceptionResnetV1
        Its `logits` have as many outputs as the data set has people.
    name : {"vggface2", "casia-webface"}

    Raises
    ------
    ConfigError
        If `name` is neither.
    WeightsError
        If the file is not there, cannot be read, or has other tensors.
    """
    if name not in PRETRAINED:
        raise ConfigError(f"name must be one of {', '.join(map(repr, PRETRAINED))}, got {name!r}")
    file = PRETRAINED[name][0]
    path = Path(get_torch_home()) / "checkpoints" / file
    if not exists(path):
        message = f"no weights at {str(path)!r}, and nothing is downloaded here: put {RELEASE}{file} there"
        raise file_error(WeightsError, missing_file(path), message)
    try:
        # Tensors alone: what else a pickle may hold is refused.
        mdl.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    # A damaged file makes torch's reader raise many kinds of errors.
    except Exception as error:
        raise WeightsError(f"{str(path)!r} has no weights of this network ({type(error).__name__}: {error})") from error


def get_torch_home() -> str:
    """Return the folder of torch's cache: ``$TORCH_HOME``, else ``torch`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return str(Path(os.environ.get("TORCH_HOME", Path(cache) / "torch")).expanduser())
