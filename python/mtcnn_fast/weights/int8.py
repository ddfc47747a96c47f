"""R-Net in bytes, for the filter before it: how its weights are rounded, and what was measured for the weights.

An activation is stored as ``q`` of 0 to 255, by a channel's own range: ``y = low + step * q``. A weight is a multiple
of its output channel's own step. So a sum of products is a whole number, and the same on every processor.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mtcnn_fast.weights.margins import no_margin, windows_hash

if TYPE_CHECKING:
    from mtcnn_fast._types import Floats
    from mtcnn_fast.weights.loader import Tensors, Weights

#: Twelve neighbouring weights of an output are one step of the kernels. Processors without a dot product of bytes add
#: its pairs of products in 16 bits: 255 times the sum of a step's pairs of weights must not exceed 32767.
STEP = 12
MOST = 32767 // 255

#: Layers whose outputs are stored as bytes; those of the dense layer are kept as they are.
STORED = ("conv1", "conv2", "conv3")

#: What was measured, by the hash of the weights; `scripts/calibrate_filter.py` writes it.
TABLE = Path(__file__).resolve().with_name("int8.json")


@dataclasses.dataclass(frozen=True, slots=True)
class Calibration:
    """What was measured of a cascade on photographs.

    Attributes
    ----------
    ranges : mapping of str to (3, channels) ndarray of float32
        Least, greatest and mean output of each channel of the layers `STORED`, after PReLU and the maximum.
    greatest : float
        How far R-Net's difference of the logits exceeded the filter's at most.
    margin : float
        How far it may: `greatest` times a factor of safety.
    windows : int
        Windows that this was measured on.
    """

    ranges: Mapping[str, Floats]
    greatest: float
    margin: float
    windows: int


@dataclasses.dataclass(frozen=True, slots=True)
class ByteLayer:
    """A layer in bytes: ``PReLU(scale * (weights @ inputs) + bias)``, stored as that plus `zero`, cut to a byte.

    Attributes
    ----------
    weights : (outputs, runs, inputs) ndarray of int8
        A run is a row of the kernel: its pixels, and their channels fastest; the dense layer has one.
    scale, bias, slope, zero : (outputs,) ndarray of float32
    """

    weights: npt.NDArray[np.int8]
    scale: Floats
    bias: Floats
    slope: Floats
    zero: Floats

    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """Return all of them, as the engine takes them."""
        return self.weights, self.scale, self.bias, self.slope, self.zero


@functools.cache
def _table() -> Mapping[str, Any]:
    table: dict[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))
    return MappingProxyType(table)


def calibration(weights: Weights) -> Calibration:
    """Return what was measured for these weights.

    Parameters
    ----------
    weights : Weights

    Returns
    -------
    Calibration

    Raises
    ------
    ConfigError
        If nothing was: without a margin nothing says which windows may be dropped.
    """
    entry = _table().get(windows_hash(weights))
    if entry is None:
        raise no_margin("int8", weights)
    ranges = {name: np.asarray(entry["ranges"][name], np.float32) for name in STORED}
    return Calibration(ranges, entry["greatest"], entry["margin"], entry["windows"])


def quantise(rnet: Tensors, ranges: Mapping[str, Floats]) -> tuple[ByteLayer, ...]:
    """Round R-Net to bytes.

    Parameters
    ----------
    rnet : mapping of str to ndarray of float32
    ranges : mapping of str to (3, channels) ndarray of float32
        Those of `Calibration`.

    Returns
    -------
    tuple of ByteLayer
        Three convolutions and the dense layer.
    """
    # A pixel's byte is the pixel: (byte - 127.5) / 128 is what R-Net is given.
    low, step, mean = np.full(3, -127.5 / 128), np.full(3, 1 / 128), np.zeros(3)
    layers = []
    for number, name in enumerate((*STORED, "dense4"), start=1):
        weight = _runs(rnet[f"{name}.weight"], len(low)).astype(np.float64)
        pixels = weight.shape[2] // len(low)
        bias = rnet[f"{name}.bias"] + (weight @ np.tile(low, pixels)).sum(axis=1)
        exact = weight * np.tile(step, pixels)
        rounded, scale = _round(exact, len(low))
        # What rounding adds to the output for the channels' usual values.
        bias += ((exact - rounded * scale[:, None, None]) @ np.tile((mean - low) / step, pixels)).sum(axis=1)
        slope = rnet[f"prelu{number}.weight"]
        zero = np.zeros(len(slope))
        if name in STORED:
            low, high, mean = ranges[name].astype(np.float64)
            step = np.where(high > low, (high - low) / 255, 1.0)
            # PReLU commutes with a positive factor, so that the output comes in steps. A half turns truncation into
            # rounding.
            scale, bias, zero = scale / step, bias / step, 0.5 - low / step
        layers.append(ByteLayer(rounded, *(array.astype(np.float32) for array in (scale, bias, slope, zero))))
    return tuple(layers)


def head(rnet: Tensors) -> tuple[Floats, float]:
    """Return weights ``(128,)`` and bias of the difference of the logits, face minus background."""
    weight, bias = rnet["dense5_1.weight"], rnet["dense5_1.bias"]
    return np.ascontiguousarray(weight[1] - weight[0]), float(bias[1] - bias[0])


def _runs(weight: Floats, channels: int) -> Floats:
    """Return a layer's weights as ``(outputs, runs, inputs)``."""
    if weight.ndim == 4:
        return weight.transpose(0, 2, 3, 1).reshape(len(weight), weight.shape[2], -1)
    # The map of 3 x 3 pixels was flattened column by column with the channel fastest; here it lies row by row.
    return weight.reshape(-1, 3, 3, channels).transpose(0, 2, 1, 3).reshape(len(weight), 1, -1)


def _round(weight: npt.NDArray[np.float64], channels: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float64]]:
    """Round ``(outputs, runs, inputs)`` to multiples of a step for each output, as small as `MOST` allows.

    What rounding leaves of a weight is added to the same channel's weight for the next pixel: neighbouring pixels are
    alike, so that the errors cancel.
    """
    outputs, runs, inputs = weight.shape
    scale = np.maximum(np.abs(weight).max(axis=(1, 2)) / 127, _pairs(weight) / MOST)
    scale[scale == 0] = 1.0
    while True:
        wanted = (weight / scale[:, None, None]).reshape(outputs, -1, channels)
        rounded = np.empty_like(wanted)
        left = np.zeros((outputs, channels))
        for pixel in range(wanted.shape[1]):
            left += wanted[:, pixel]
            rounded[:, pixel] = np.rint(left).clip(-127, 127)
            left -= rounded[:, pixel]
        rounded = rounded.reshape(outputs, runs, inputs)
        over = _pairs(rounded) > MOST
        if not over.any():
            return np.ascontiguousarray(rounded.astype(np.int8)), scale
        scale[over] *= 1.005


def _pairs(weight: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the greatest sum that 16 bits have to hold, for each output, in units of the weights."""
    padded = np.zeros((*weight.shape[:2], -(-weight.shape[2] // STEP) * STEP))
    padded[:, :, : weight.shape[2]] = np.abs(weight)
    steps = padded.reshape(len(weight), -1, STEP // 4, 2, 2)
    greatest: npt.NDArray[np.float64] = steps.sum(axis=(2, 4)).max(axis=(1, 2))
    return greatest
