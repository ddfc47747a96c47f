"""The three networks as torch modules (docs/semantics.md, "Networks"); parameters are named as in the weights files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from mtcnn_fast.weights.spec import WIDTHS, check_widths

#: Where a network's parameters are made; None is torch's default.
Device: TypeAlias = torch.device | str | None


def _face_probability(logits: Tensor) -> Tensor:
    """Return the second softmax probability over axis 1, in float32 whatever the network computes in."""
    return torch.softmax(logits.float(), dim=1)[:, 1]


def _flatten(x: Tensor) -> Tensor:
    """Flatten ``(N, C, H, W)`` column by column, channels fastest, as the weights expect."""
    return x.permute(0, 3, 2, 1).flatten(1)


class PNet(nn.Module):
    """The proposal network: a face probability and a regression for each cell of 12 x 12 pixels, two apart."""

    def __init__(self, *, device: Device = None, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        place: Any = {"device": device, "dtype": dtype}
        self.conv1 = nn.Conv2d(3, 10, 3, **place)
        self.prelu1 = nn.PReLU(10, **place)
        self.pool1 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv2 = nn.Conv2d(10, 16, 3, **place)
        self.prelu2 = nn.PReLU(16, **place)
        self.conv3 = nn.Conv2d(16, 32, 3, **place)
        self.prelu3 = nn.PReLU(32, **place)
        self.conv4_1 = nn.Conv2d(32, 2, 1, **place)
        self.conv4_2 = nn.Conv2d(32, 4, 1, **place)

    def features(self, images: Tensor) -> Tensor:
        """Return what the heads see, ``(N, 32, rows, columns)``, of ``(N, 3, H, W)``."""
        x = self.pool1(self.prelu1(self.conv1(images)))
        features: Tensor = self.prelu3(self.conv3(self.prelu2(self.conv2(x))))
        return features

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores ``(N, rows, columns)`` and regressions ``(N, 4, rows, columns)`` of ``(N, 3, H, W)``."""
        x = self.features(images)
        return _face_probability(self.conv4_1(x)), self.conv4_2(x).float()


class RNet(nn.Module):
    """The refinement network: a face probability and a regression for each crop of 24 x 24 pixels.

    Parameters
    ----------
    widths : sequence of int
        Outputs of the convolutions and of the dense layer; see `mtcnn_fast.weights.spec.LAYERS`.
    device, dtype : optional
        Of the parameters.

    Raises
    ------
    ConfigError
        If the widths are not accepted.
    """

    size: int = 24

    def __init__(
        self, widths: Sequence[int] = WIDTHS["r"], *, device: Device = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        one, two, three, hidden = check_widths("r", widths)
        place: Any = {"device": device, "dtype": dtype}
        self.conv1 = nn.Conv2d(3, one, 3, **place)
        self.prelu1 = nn.PReLU(one, **place)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2 = nn.Conv2d(one, two, 3, **place)
        self.prelu2 = nn.PReLU(two, **place)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3 = nn.Conv2d(two, three, 2, **place)
        self.prelu3 = nn.PReLU(three, **place)
        self.dense4 = nn.Linear(9 * three, hidden, **place)
        self.prelu4 = nn.PReLU(hidden, **place)
        self.dense5_1 = nn.Linear(hidden, 2, **place)
        self.dense5_2 = nn.Linear(hidden, 4, **place)

    def features(self, crops: Tensor) -> Tensor:
        """Return what the heads see, ``(N, hidden)``, of ``(N, 3, 24, 24)``."""
        x = self.pool1(self.prelu1(self.conv1(crops)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        features: Tensor = self.prelu4(self.dense4(_flatten(self.prelu3(self.conv3(x)))))
        return features

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores ``(N,)`` and regressions ``(N, 4)`` of ``(N, 3, 24, 24)``."""
        x = self.features(crops)
        return _face_probability(self.dense5_1(x)), self.dense5_2(x).float()


class ONet(nn.Module):
    """The output network: a face probability, a regression and five landmarks for each crop of 48 x 48 pixels.

    Parameters
    ----------
    widths : sequence of int
        Outputs of the convolutions and of the dense layer; see `mtcnn_fast.weights.spec.LAYERS`.
    device, dtype : optional
        Of the parameters.

    Raises
    ------
    ConfigError
        If the widths are not accepted.
    """

    size: int = 48

    def __init__(
        self, widths: Sequence[int] = WIDTHS["o"], *, device: Device = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        one, two, three, four, hidden = check_widths("o", widths)
        place: Any = {"device": device, "dtype": dtype}
        self.conv1 = nn.Conv2d(3, one, 3, **place)
        self.prelu1 = nn.PReLU(one, **place)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2 = nn.Conv2d(one, two, 3, **place)
        self.prelu2 = nn.PReLU(two, **place)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3 = nn.Conv2d(two, three, 3, **place)
        self.prelu3 = nn.PReLU(three, **place)
        self.pool3 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv4 = nn.Conv2d(three, four, 2, **place)
        self.prelu4 = nn.PReLU(four, **place)
        self.dense5 = nn.Linear(9 * four, hidden, **place)
        self.prelu5 = nn.PReLU(hidden, **place)
        self.dense6_1 = nn.Linear(hidden, 2, **place)
        self.dense6_2 = nn.Linear(hidden, 4, **place)
        self.dense6_3 = nn.Linear(hidden, 10, **place)

    def features(self, crops: Tensor) -> Tensor:
        """Return what the heads see, ``(N, hidden)``, of ``(N, 3, 48, 48)``."""
        x = self.pool1(self.prelu1(self.conv1(crops)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.pool3(self.prelu3(self.conv3(x)))
        features: Tensor = self.prelu5(self.dense5(_flatten(self.prelu4(self.conv4(x)))))
        return features

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return scores ``(N,)``, regressions ``(N, 4)`` and landmarks ``(N, 10)`` of ``(N, 3, 48, 48)``."""
        x = self.features(crops)
        return _face_probability(self.dense6_1(x)), self.dense6_2(x).float(), self.dense6_3(x).float()


def initialise(module: nn.Module) -> None:
    """Set the weights of a layer as Glorot and Bengio 2010 do, uniformly, and its biases to 0."""
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
