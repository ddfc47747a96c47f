"""R-Net in bytes in plain numpy: what the engine's filter is compared with, to the bit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mtcnn_fast._types import Floats
from mtcnn_fast.weights.int8 import ByteLayer

SUMS = 16


def difference(layers: Sequence[ByteLayer], head: tuple[Floats, float], crops: Floats) -> Floats:
    """Return the difference of the logits ``(N,)`` of normalised crops ``(N, 3, 24, 24)``, inf where one is cut."""
    scale = np.float32(128)
    x = _bytes(crops.transpose(0, 2, 3, 1) * scale + scale)
    cut = np.zeros(len(x), bool)
    for number, kernel in enumerate((3, 3, 2)):
        x = _bytes(_layer(layers[number], x, kernel))
        x = _pool(x) if kernel == 3 else x
        cut |= (x == 255).any((1, 2, 3))
    hidden = _layer(layers[3], x.reshape(len(x), 1, 1, -1), 1)[:, 0, 0]
    weight, bias = head
    products = (hidden * weight).reshape(len(hidden), -1, SUMS)
    sums = np.zeros((len(hidden), SUMS), np.float32)
    for part in range(products.shape[1]):
        sums += products[:, part]
    while sums.shape[1] > 1:
        half = sums.shape[1] // 2
        sums = sums[:, :half] + sums[:, half:]
    return np.where(cut, np.float32(np.inf), sums[:, 0] + np.float32(bias))


def _layer(layer: ByteLayer, x: npt.NDArray[np.uint8], kernel: int) -> Floats:
    """Map ``(N, rows, columns, channels)`` to the outputs as they are stored, before they are cut to bytes."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), axis=(1, 2))
    inputs = windows.transpose(0, 1, 2, 4, 5, 3).reshape(*windows.shape[:3], -1)
    # float64 holds the sums: they are below 2^53.
    sums = inputs.astype(np.float64) @ layer.weights.reshape(len(layer.weights), -1).T.astype(np.float64)
    value = sums.astype(np.int32).astype(np.float32) * layer.scale + layer.bias
    return np.where(value > 0, value, value * layer.slope) + layer.zero


def _bytes(x: Floats) -> npt.NDArray[np.uint8]:
    return x.clip(0, np.float32(255.5)).astype(np.uint8)


def _pool(x: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Take maxima over 3 x 3, two apart; the last window may leave the map."""
    count = -(-(x.shape[1] - 3) // 2) + 1
    padded = np.pad(x, ((0, 0), (0, 2 * count + 1 - x.shape[1]), (0, 2 * count + 1 - x.shape[2]), (0, 0)))
    return np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))[:, ::2, ::2].max(axis=(4, 5))
