"""How far a network in lower precision may be from float32, for filters: measured, and held by the weights' hash."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType

from mtcnn_fast.errors import ConfigError
from mtcnn_fast.weights.loader import Tensors, Weights

#: Of P-Net with factors of half precision: by the hash of its tensors, how far a face's logit less the other may lie
#: below float32's. Four times the greatest difference that ``scripts/filter_margins.py`` saw.
PNET_FLOAT16: Mapping[str, float] = MappingProxyType(
    {"f039fc738b5903be42e83b29c6188b2c25acc70b7cc9635dd090204419333cbe": 0.3}  # zhang2016
)


def tensors_hash(*networks: Tensors) -> str:
    """Return the SHA-256 of the tensors of networks: of each name, in alphabetical order, and the bytes after it."""
    digest = hashlib.sha256()
    for tensors in networks:
        for name in sorted(tensors):
            digest.update(name.encode() + b"\0" + tensors[name].astype("<f4").tobytes())
    return digest.hexdigest()


def pnet_float16_margin(weights: Weights) -> float:
    """Return the margin of a filter by P-Net in half precision.

    Raises
    ------
    ConfigError
        If none was measured for these weights.
    """
    margin = PNET_FLOAT16.get(tensors_hash(weights.pnet))
    if margin is None:
        raise ConfigError(
            "precision must be 'float32' (or a precision of torch's networks) with these weights, got "
            f"'float16-filter': its margin of error was measured for the package's own P-Net, not for that of "
            f"{weights.source!r}"
        )
    return margin
