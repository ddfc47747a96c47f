"""P-Net's classes in numpy with factors of half precision and sums of float32, as the tensor cores compute them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from mtcnn_fast.backends.numpy.nets import max_pool


def _half(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return values.astype(np.float16).astype(np.float32)


def _convolve(x: np.ndarray, weights: Mapping[str, np.ndarray], layer: int) -> np.ndarray:
    windows = sliding_window_view(_half(x), (3, 3), axis=(1, 2))
    sums = np.einsum("cyxij,ocij->oyx", windows, _half(weights[f"conv{layer}.weight"]), optimize=True)
    sums = sums + weights[f"conv{layer}.bias"][:, None, None]
    return np.where(sums > 0, sums, weights[f"prelu{layer}.weight"][:, None, None] * sums).astype(np.float32)


def face_logits(level: np.ndarray, weights: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the face's logit less the other ``(rows, columns)`` of a normalised level ``(3, H, W)``."""
    x = max_pool(_convolve(level, weights, 1)[..., None], 2)[..., 0]
    x = _convolve(_convolve(x, weights, 2), weights, 3)
    heads, bias = weights["conv4_1.weight"][:, :, 0, 0], weights["conv4_1.bias"]
    return np.tensordot(heads[1] - heads[0], x, 1) + (bias[1] - bias[0])
