"""The networks' weights: what they consist of, the files that come with the package, and their loader."""

from mtcnn_fast.weights.loader import Weights, load_first_networks, load_weights
from mtcnn_fast.weights.spec import (
    BOX_CODINGS,
    FORMAT_VERSION,
    NETWORKS,
    SHAPES,
    WIDTHS,
    BoxCoding,
    Widths,
    network_shapes,
    widths_of,
)

__all__ = [
    "BOX_CODINGS",
    "FORMAT_VERSION",
    "NETWORKS",
    "SHAPES",
    "WIDTHS",
    "BoxCoding",
    "Weights",
    "Widths",
    "load_first_networks",
    "load_weights",
    "network_shapes",
    "widths_of",
]
