"""Wider networks that compute what narrower ones do: channels are split (Net2Net, Chen, Goodfellow and Shlens 2016)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from mtcnn_fast._types import Floats
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.weights.spec import LAYERS, Widths, check_widths, network_shapes, widths_of

Doubles = npt.NDArray[np.float64]

#: Least and greatest share of a copy before they are made to add up to 1: equal ones would learn the same.
_SHARES = (0.35, 0.65)


def scaled_widths(network: str, widths: Iterable[int], factor: float) -> Widths:
    """Return widths times a factor, rounded to multiples of 16, and none smaller than it was.

    Parameters
    ----------
    network : {"r", "o"}
    widths : iterable of int
        As in `mtcnn_fast.weights.WIDTHS`.
    factor : float
        At least 1; 1 changes nothing.

    Raises
    ------
    ConfigError
        If a layer would be wider than the detector accepts.
    """
    given = tuple(widths)
    return check_widths(network, given if factor == 1 else (max(n, int(n * factor / 16 + 0.5) * 16) for n in given))


def widened(
    network: str, tensors: Mapping[str, Floats], widths: Iterable[int], *, seed: int = 0, noise: float = 0.02
) -> dict[str, Floats]:
    """Return the tensors of a wider R-Net or O-Net with the outputs of a narrower one.

    A new channel is a copy of an old one. What read the old one reads both, each with a share of the weight; the shares
    are drawn and add up to 1.

    Parameters
    ----------
    network : {"r", "o"}
    tensors : mapping of str to ndarray of float32
        Of the narrower network, by name.
    widths : iterable of int
        Of the wider one; no layer may be narrower.
    seed : int
        Of copies, shares and noise.
    noise : float
        Standard deviation of what the weights of copies are changed by, in units of each weight, so that copies learn
        apart. With 0 the outputs are those of the narrower network but for rounding.

    Raises
    ------
    ConfigError
        If the widths are not accepted, or a layer would be narrower.
    """
    before, after = widths_of(network, tensors), check_widths(network, widths)
    if any(new < old for old, new in zip(before, after, strict=True)):
        raise ConfigError(f"widths must be at least those of the network, {before}, got {after}")
    rng = np.random.default_rng(seed)
    wide: dict[str, Doubles] = {}
    source = np.arange(3)
    for number, (layer, old, new) in enumerate(zip(LAYERS[network], before, after, strict=True), start=1):
        weight = _split(tensors[f"{layer.name}.weight"], source, rng)
        source = _sources(old, new, rng)
        weight = weight[source]
        weight[old:] *= 1 + noise * rng.standard_normal(weight[old:].shape)
        wide[f"{layer.name}.weight"] = weight
        for name in (f"{layer.name}.bias", f"prelu{number}.weight"):
            wide[name] = tensors[name][source].astype(np.float64)
    for name, tensor in tensors.items():
        if name not in wide:
            wide[name] = _split(tensor, source, rng) if name.endswith("weight") else tensor.astype(np.float64)
    return {name: wide[name].astype(np.float32) for name in network_shapes(network, after)}


def _sources(old: int, new: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Return which of `old` channels each of `new` ones is: all of them, then copies, drawn evenly."""
    rounds = [np.arange(old), *(rng.permutation(old) for _ in range(new // old))]
    return np.concatenate(rounds)[:new]


def _split(weight: Floats, source: npt.NDArray[np.intp], rng: np.random.Generator) -> Doubles:
    """Let a layer read copies of its inputs: that of the number ``source[i]`` in the place `i`."""
    # To (outputs, places, inputs). Dense layers read places one after the other, the inputs of each together.
    convolution = weight.ndim == 4
    inputs = int(source.max()) + 1
    each = np.moveaxis(weight, 1, -1) if convolution else weight
    flat = each.reshape(len(weight), -1, inputs).astype(np.float64)
    shares = rng.uniform(*_SHARES, (*flat.shape[:2], len(source)))
    total = np.zeros((inputs, *flat.shape[:2]))
    np.add.at(total, source, np.moveaxis(shares, -1, 0))
    wide = flat[..., source] * shares / np.moveaxis(total[source], 0, -1)
    if convolution:
        return np.moveaxis(wide.reshape(len(weight), *weight.shape[2:], len(source)), -1, 1).copy()
    return wide.reshape(len(weight), -1)
