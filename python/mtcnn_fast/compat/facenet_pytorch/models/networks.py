"""The three networks as facenet-pytorch has them: class probabilities last, with the package's weights at once."""

# mypy: disallow-subclassing-any=False

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mtcnn_fast.nets import load_networks, modules


def _load(network: nn.Module, name: str) -> None:
    network.load_state_dict(load_networks()[name].state_dict())


class PNet(modules.PNet):
    """The proposal network.

    Parameters
    ----------
    pretrained : bool
        Whether to begin with the package's weights.
    """

    def __init__(self, pretrained: bool = True) -> None:
        super().__init__()
        self.softmax4_1 = nn.Softmax(dim=1)
        self.training = False
        if pretrained:
            _load(self, "pnet")

    def forward(self, x: Tensor) -> Any:
        """Return regressions ``(N, 4, rows, columns)`` and probabilities ``(N, 2, rows, columns)``."""
        features = self.features(x)
        return self.conv4_2(features), self.softmax4_1(self.conv4_1(features))


class RNet(modules.RNet):
    """The refinement network; the parameter is that of `PNet`."""

    def __init__(self, pretrained: bool = True) -> None:
        super().__init__()
        self.softmax5_1 = nn.Softmax(dim=1)
        self.training = False
        if pretrained:
            _load(self, "rnet")

    def forward(self, x: Tensor) -> Any:
        """Return regressions ``(N, 4)`` and probabilities ``(N, 2)`` of ``(N, 3, 24, 24)``."""
        features = self.features(x)
        return self.dense5_2(features), self.softmax5_1(self.dense5_1(features))


class ONet(modules.ONet):
    """The output network; the parameter is that of `PNet`."""

    def __init__(self, pretrained: bool = True) -> None:
        super().__init__()
        self.softmax6_1 = nn.Softmax(dim=1)
        self.training = False
        if pretrained:
            _load(self, "onet")

    def forward(self, x: Tensor) -> Any:
        """Return regressions ``(N, 4)``, landmarks ``(N, 10)`` and probabilities ``(N, 2)`` of ``(N, 3, 48, 48)``."""
        features = self.features(x)
        return self.dense6_2(features), self.dense6_3(features), self.softmax6_1(self.dense6_1(features))


def first_parameter(network: nn.Module) -> torch.nn.Parameter:
    """Return a parameter of a network: all have the type and the device of the first."""
    return next(network.parameters())
