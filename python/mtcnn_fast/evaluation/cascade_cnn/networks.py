"""The six networks of the Cascade CNN, for windows of 12, 24 and 48 pixels: a classifier and a calibration net each.

H. Li, Z. Lin, X. Shen, J. Brandt, G. Hua, "A Convolutional Neural Network Cascade for Face Detection", CVPR 2015,
pp. 5325-5334: section 3.2 and its figures give the layers, their filters and outputs. What they leave open is settled
here as follows:

- Pooling windows that hang over the last column or row count (``ceil_mode``), as in the frameworks of that year.
- ReLU follows pooling and fully connected layers, and the one convolution that no pooling follows.
- Normalisation is local response normalisation across channels (Krizhevsky et al. 2012), between the first pooling and
  the second convolution, and after it.
- The smaller network inside the 24- and the 48-net is a copy of its own, trained with the rest. In the 48-net it is the
  24-net with the 12-net inside, so that the last layer sees 256 + 128 + 16 features.
- The smaller network sees the same window at half the resolution, by averages of 2 x 2 pixels.
- Nothing is dropped out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d

from mtcnn_fast.evaluation.cascade_cnn.calibration import PATTERNS
from mtcnn_fast.nets.modules import initialise

Module = TypeVar("Module", bound=nn.Module)

#: Sides in pixels of the windows that the three stages look at.
SIZES = (12, 24, 48)

#: Features before the last layer, by the side of the window.
_CLASSIFIER_FEATURES = {12: 16, 24: 128, 48: 256}
_CALIBRATION_FEATURES = {12: 128, 24: 64, 48: 256}


class Classifier(nn.Module):
    """Tells faces from the rest: the 12-, 24- or 48-net.

    Parameters
    ----------
    size : {12, 24, 48}
        Side of the window in pixels.
    nested : bool
        Whether the smaller networks' features are taken too, as in the paper's detector. Without, it is the plain
        network that the table of the MTCNN paper times.
    """

    def __init__(self, size: int, *, nested: bool = False) -> None:
        super().__init__()
        self.size = size
        self.features = _CLASSIFIER_FEATURES[size]
        self.layers = _classifier_layers(size)
        self.smaller = Classifier(size // 2, nested=True) if nested and size > SIZES[0] else None
        self.width: int = self.features + (self.smaller.width if self.smaller is not None else 0)
        self.label = nn.Linear(self.width, 2)
        if self.smaller is not None:
            # Its features are used, its own verdict is not.
            del self.smaller.label

    def describe(self, images: Tensor) -> Tensor:
        """Return the features ``(N, width)`` of normalised ``(N, 3, size, size)``."""
        images = images.contiguous(memory_format=torch.channels_last)
        own: Tensor = self.layers(images)
        return own if self.smaller is None else torch.cat([own, self.smaller.describe(avg_pool2d(images, 2))], dim=1)

    def forward(self, images: Tensor) -> tuple[Tensor, None, None]:
        """Return logits ``(N, 2)`` of normalised ``(N, 3, size, size)``; it has no boxes and no landmarks to give."""
        return self.label(self.describe(images)), None, None

    def nest(self, smaller: Classifier) -> None:
        """Start the network inside from a smaller one that has been trained.

        Raises
        ------
        ValueError
            If this network has none inside.
        """
        if self.smaller is None:
            raise ValueError(f"the plain {self.size}-net has no smaller network inside")
        self.smaller.load_state_dict({k: v for k, v in smaller.state_dict().items() if not k.startswith("label.")})


class Calibration(nn.Module):
    """Tells which of `PATTERNS` would move a window onto its face: the 12-, 24- or 48-calibration-net.

    Parameters
    ----------
    size : {12, 24, 48}
        Side of the window in pixels.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.layers = _calibration_layers(size)
        self.pattern = nn.Linear(_CALIBRATION_FEATURES[size], len(PATTERNS))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits ``(N, 45)`` of normalised ``(N, 3, size, size)``."""
        logits: Tensor = self.pattern(self.layers(images.contiguous(memory_format=torch.channels_last)))
        return logits


class ResponseNorm(nn.Module):
    """Divides each value by (2 + 1e-4 s)^0.75, s the sum of squares over 5 channels around its own.

    A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", NIPS
    2012, section 3.3, with the constants given there. `torch.nn.LocalResponseNorm` pools in three dimensions to sum
    along one, which takes three to four times as long as a product of channels.

    Parameters
    ----------
    channels : int
    """

    sums: Tensor
    constant: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        place = torch.arange(channels, dtype=torch.int64, device="cpu")
        near = (place[:, None] - place).abs() <= 2
        self.register_buffer("sums", 1e-4 * near[:, :, None, None].float(), persistent=False)
        self.register_buffer(
            "constant", torch.full((channels,), 2.0, dtype=torch.float32, device="cpu"), persistent=False
        )

    def forward(self, values: Tensor) -> Tensor:
        """Return ``(N, channels, H, W)`` of ``(N, channels, H, W)``."""
        root = conv2d(values.square(), self.sums, self.constant).rsqrt()
        return values * (root * root.sqrt())


def seeded(make: Callable[[], Module], seed: int) -> Module:
    """Make a network with initial weights that depend on the seed alone, drawn as those of P-, R- and O-Net are."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = make()
        network.apply(initialise)
    return network


def _classifier_layers(size: int) -> nn.Sequential:
    outputs = _CLASSIFIER_FEATURES[size]
    if size == 12:
        return nn.Sequential(nn.Conv2d(3, 16, 3), *_pool(), *_dense(16 * 5 * 5, outputs))
    if size == 24:
        return nn.Sequential(nn.Conv2d(3, 64, 5), *_pool(), *_dense(64 * 10 * 10, outputs))
    first = (nn.Conv2d(3, 64, 5), *_pool(), ResponseNorm(64))
    return nn.Sequential(*first, nn.Conv2d(64, 64, 5), ResponseNorm(64), *_pool(), *_dense(64 * 9 * 9, outputs))


def _calibration_layers(size: int) -> nn.Sequential:
    outputs = _CALIBRATION_FEATURES[size]
    if size == 12:
        return nn.Sequential(nn.Conv2d(3, 16, 3), *_pool(), *_dense(16 * 5 * 5, outputs))
    if size == 24:
        return nn.Sequential(nn.Conv2d(3, 32, 5), *_pool(), *_dense(32 * 10 * 10, outputs))
    first = (nn.Conv2d(3, 64, 5), *_pool(), ResponseNorm(64))
    # Pooled once only: the paper wants the position kept.
    return nn.Sequential(*first, nn.Conv2d(64, 64, 5), nn.ReLU(), ResponseNorm(64), *_dense(64 * 18 * 18, outputs))


def _pool() -> tuple[nn.Module, nn.Module]:
    return nn.MaxPool2d(3, 2, ceil_mode=True), nn.ReLU()


def _dense(inputs: int, outputs: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    return nn.Flatten(), nn.Linear(inputs, outputs), nn.ReLU()
