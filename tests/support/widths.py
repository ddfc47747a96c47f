"""Weights whose R-Net and O-Net have other widths than the package's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from types import MappingProxyType

import numpy as np
from safetensors.numpy import save_file

from mtcnn_fast._types import Floats
from mtcnn_fast.weights import NETWORKS, Weights, load_weights, network_shapes

#: Narrower than the standard widths, with first layers that no vector fits; and 1.5 and 2 times as wide.
NARROW = {"r": (13, 32, 48, 80), "o": (19, 37, 48, 64, 112)}
WIDE = {"r": (42, 80, 96, 192), "o": (48, 96, 96, 192, 384)}
TWICE = {"r": (56, 96, 128, 256), "o": (64, 128, 128, 256, 512)}


def random_tensors(network: str, widths: Iterable[int], seed: int = 0) -> dict[str, Floats]:
    """Draw the tensors of an R-Net or O-Net whose signals keep their size; slopes are negative and above 1 too."""
    rng = np.random.default_rng(seed)
    tensors = {}
    heads = {"_1": 1.0, "_2": 0.05, "_3": 0.2}
    for name, shape in network_shapes(network, widths).items():
        gain = heads.get(name.partition(".")[0][-2:], 1.0)
        if name.startswith("prelu"):
            value = rng.uniform(-0.3, 1.2, shape)
        elif name.endswith("bias"):
            value = rng.uniform(-0.1, 0.1, shape) * gain
        else:
            value = rng.uniform(-1, 1, shape) * gain * np.sqrt(6 / np.prod(shape[1:]))
        tensors[name] = value.astype(np.float32)
    return tensors


def random_weights(widths: dict[str, tuple[int, ...]], seed: int = 0) -> Weights:
    """Make weights with the package's P-Net and random other networks of these widths."""
    drawn = {f"{network}net": MappingProxyType(random_tensors(network, widths[network], seed)) for network in widths}
    return dataclasses.replace(load_weights(None), **drawn, source=f"random networks of {widths}")


def save_folder(weights: Weights, folder: Path) -> Path:
    """Write weights as a user's folder has them."""
    for network in NETWORKS:
        metadata = {"format_version": "1", "network": network, "box_coding": weights.box_coding}
        tensors = {name: np.ascontiguousarray(value) for name, value in getattr(weights, f"{network}net").items()}
        save_file(tensors, folder / f"{network}.safetensors", metadata=metadata)
    return folder
