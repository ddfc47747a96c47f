"""The three networks in plain numpy (section "Networks" of ``docs/semantics.md``).

Inside, maps are ``(channels, rows, columns, images)`` with the images last: every step then works on long contiguous
runs, and a convolution is one matrix product. Convolutions may round differently from other backends; nothing else may.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided

from mtcnn_fast._types import Floats
from mtcnn_fast.weights.loader import Tensors

#: Numbers in the matrix that a convolution builds at a time: small enough to stay in a core's cache.
_BLOCK = 400_000

#: Rows of cells that P-Net computes at a time, which bounds its memory on large images.
_BAND = 64

#: P-Net's receptive field less its stride: input rows that a band needs beyond two a cell.
_MARGIN = 10


class _Layer:
    """A convolution or dense layer and the PReLU that follows it, if any, with the weights laid out for products."""

    def __init__(self, tensors: Tensors, name: str, prelu: str | None = None) -> None:
        weight = tensors[f"{name}.weight"]
        self.kernel = weight.shape[-1] if weight.ndim == 4 else 1
        self.weight = np.ascontiguousarray(weight.reshape(len(weight), -1))
        self.bias = tensors[f"{name}.bias"][:, None]
        self.slope = None if prelu is None else tensors[f"{prelu}.weight"][:, None]

    def apply(self, columns: Floats, out: Floats) -> None:
        """Write ``PReLU(weight @ columns + bias)`` to `out`."""
        np.matmul(self.weight, columns, out=out)
        out += self.bias
        if self.slope is not None:
            # x > 0 ? x : slope * x. Not max(x, slope * x): some slopes are above 1, some negative.
            negative = np.minimum(out, 0)
            negative *= self.slope
            np.maximum(out, 0, out=out)
            out += negative

    def dense(self, x: Floats) -> Floats:
        """Map ``(inputs, images)`` to ``(outputs, images)``."""
        out = np.empty((len(self.weight), x.shape[1]), np.float32)
        self.apply(x, out)
        return out

    def convolve(self, x: Floats) -> Floats:
        """Convolve ``(channels, rows, columns, images)`` without padding, a block of rows at a time."""
        channels, height, width, images = x.shape
        k = self.kernel
        rows, columns = height - k + 1, width - k + 1
        run = columns * images
        out = np.empty((len(self.weight), rows * run), np.float32)
        step = max(1, _BLOCK // (channels * k * k * run))
        for first in range(0, rows, step):
            count = min(step, rows - first)
            block = x[:, first:]
            windows = as_strided(
                block, (channels, k, k, count, columns, images), block.strides[:3] + block.strides[1:], writeable=False
            )
            self.apply(windows.reshape(channels * k * k, count * run), out[:, first * run : (first + count) * run])
        return out.reshape(-1, rows, columns, images)


def max_pool(x: Floats, size: int) -> Floats:
    """Take maxima over `size` x `size` windows, two apart; the last window may leave the map ("ceil mode")."""
    for axis in (1, 2):
        x = np.moveaxis(_pool(np.moveaxis(x, axis, 0), size), 0, axis)
    return x


def _pool(x: Floats, size: int) -> Floats:
    count = -(-(len(x) - size) // 2) + 1
    out = x[: 2 * count : 2].copy()
    for shift in range(1, size):
        part = x[shift : shift + 2 * count : 2]
        np.maximum(out[: len(part)], part, out=out[: len(part)])
    return out


def face_probability(logits: Floats) -> Floats:
    """Return the second softmax probability of ``(2, …)``: that of "face"."""
    exponentials = np.exp(logits - logits.max(axis=0))
    probability: Floats = exponentials[1] / (exponentials[0] + exponentials[1])
    return probability


class PNet:
    """The proposal network: a face probability and a regression for each cell of 12 x 12 pixels, two apart."""

    def __init__(self, tensors: Tensors) -> None:
        self._conv1 = _Layer(tensors, "conv1", "prelu1")
        self._conv2 = _Layer(tensors, "conv2", "prelu2")
        self._conv3 = _Layer(tensors, "conv3", "prelu3")
        self._score = _Layer(tensors, "conv4_1")
        self._offsets = _Layer(tensors, "conv4_2")

    def __call__(self, image: Floats) -> tuple[Floats, Floats]:
        """Return scores ``(rows, columns)`` and regressions ``(4, rows, columns)`` of a normalised ``(3, H, W)``."""
        rows = -(-(image.shape[1] - 2) // 2) - 4
        bands = [self._band(image[:, 2 * r : 2 * (r + _BAND) + _MARGIN]) for r in range(0, rows, _BAND)]
        scores, offsets = zip(*bands, strict=True)
        return np.concatenate(scores, axis=0), np.concatenate(offsets, axis=1)

    def _band(self, image: Floats) -> tuple[Floats, Floats]:
        x = max_pool(self._conv1.convolve(image[..., None]), 2)
        x = self._conv3.convolve(self._conv2.convolve(x))
        cells = x.reshape(len(x), -1)
        scores = face_probability(self._score.dense(cells))
        return scores.reshape(x.shape[1:3]), self._offsets.dense(cells).reshape(4, *x.shape[1:3])


class RNet:
    """The refinement network: a face probability and a regression for each crop of 24 x 24 pixels."""

    size = 24

    def __init__(self, tensors: Tensors) -> None:
        self._conv1 = _Layer(tensors, "conv1", "prelu1")
        self._conv2 = _Layer(tensors, "conv2", "prelu2")
        self._conv3 = _Layer(tensors, "conv3", "prelu3")
        self._dense4 = _Layer(tensors, "dense4", "prelu4")
        self._score = _Layer(tensors, "dense5_1")
        self._offsets = _Layer(tensors, "dense5_2")

    def __call__(self, crops: Floats) -> tuple[Floats, Floats]:
        """Return scores ``(N,)`` and regressions ``(N, 4)`` of normalised ``(N, 3, 24, 24)``."""
        *_, x = self.maps(crops)
        x = self._dense4.dense(_flatten(x))
        return face_probability(self._score.dense(x)), self._offsets.dense(x).T

    def maps(self, crops: Floats) -> tuple[Floats, Floats, Floats]:
        """Return what the three convolutions make of crops, ``(channels, rows, columns, N)`` after the maximum."""
        first = max_pool(self._conv1.convolve(_images_last(crops)), 3)
        second = max_pool(self._conv2.convolve(first), 3)
        return first, second, self._conv3.convolve(second)


class ONet:
    """The output network: a face probability, a regression and five landmarks for each crop of 48 x 48 pixels."""

    size = 48

    def __init__(self, tensors: Tensors) -> None:
        self._conv1 = _Layer(tensors, "conv1", "prelu1")
        self._conv2 = _Layer(tensors, "conv2", "prelu2")
        self._conv3 = _Layer(tensors, "conv3", "prelu3")
        self._conv4 = _Layer(tensors, "conv4", "prelu4")
        self._dense5 = _Layer(tensors, "dense5", "prelu5")
        self._score = _Layer(tensors, "dense6_1")
        self._offsets = _Layer(tensors, "dense6_2")
        self._landmarks = _Layer(tensors, "dense6_3")

    def __call__(self, crops: Floats) -> tuple[Floats, Floats, Floats]:
        """Return scores ``(N,)``, regressions ``(N, 4)`` and landmarks ``(N, 10)`` of normalised ``(N, 3, 48, 48)``."""
        x = max_pool(self._conv1.convolve(_images_last(crops)), 3)
        x = max_pool(self._conv2.convolve(x), 3)
        x = max_pool(self._conv3.convolve(x), 2)
        x = self._dense5.dense(_flatten(self._conv4.convolve(x)))
        return face_probability(self._score.dense(x)), self._offsets.dense(x).T, self._landmarks.dense(x).T


def _images_last(crops: Floats) -> Floats:
    return np.ascontiguousarray(crops.transpose(1, 2, 3, 0))


def _flatten(x: Floats) -> Floats:
    """Flatten ``(channels, rows, columns, images)`` column by column, channels fastest, as the weights expect."""
    return x.transpose(2, 1, 0, 3).reshape(-1, x.shape[3])
