"""The networks' weights: what they consist of, the files that come with the package, and their loader."""

from mtcnn_fast.weights.loader import Weights, load_first_networks, load_weights
from mtcnn_fast.weights.spec import BOX_CODINGS, FORMAT_VERSION, NETWORKS, SHAPES, BoxCoding

__all__ = [
    "BOX_CODINGS",
    "FORMAT_VERSION",
    "NETWORKS",
    "SHAPES",
    "BoxCoding",
    "Weights",
    "load_first_networks",
    "load_weights",
]
