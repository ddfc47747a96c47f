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

#: Of P-Net with factors of bfloat16, likewise: four times what ``scripts/filter_margins.py --format bfloat16`` saw of
#: float32's difference of the logits above the other at most.
PNET_BFLOAT16: Mapping[str, float] = MappingProxyType(
    {"f039fc738b5903be42e83b29c6188b2c25acc70b7cc9635dd090204419333cbe": 1.5}  # zhang2016
)

#: Of R-Net with factors of bfloat16: by the hash of P-Net's and R-Net's tensors, how far R-Net's difference of the
#: logits may exceed the filter's. Four times what ``scripts/calibrate_filter.py --filter amx`` saw at most.
RNET_BFLOAT16: Mapping[str, float] = MappingProxyType(
    {"7b913ae3ebe3802cddd517b463a280efe4a59e4c7afaaefe1b91ebc1f892815c": 0.625}  # zhang2016, wider
)

#: The same of O-Net, by the hash of all three networks' tensors: which windows it is given depends on the others.
ONET_BFLOAT16: Mapping[str, float] = MappingProxyType(
    {
        "a46efc12c638c0fc47de872a6523a7ab62d219a54669f6d820dc7d090938cfa7": 0.56,  # zhang2016
        "e051222bb2c0d695f1c26137a7572bcfaf8012f6c4c7f16f3523fb144f2e701f": 0.43,  # wider
    }
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


def windows_hash(weights: Weights) -> str:
    """Return the hash of what a filter before R-Net depends on: P-Net's and R-Net's tensors, in whatever files."""
    return tensors_hash(weights.pnet, weights.rnet)


def faces_hash(weights: Weights) -> str:
    """Return the hash of what a filter before O-Net depends on: the tensors of all three networks."""
    return tensors_hash(weights.pnet, weights.rnet, weights.onet)


def no_margin(name: str, weights: Weights) -> ConfigError:
    """Return the error of a filter on the ``cpu`` backend whose margin was not measured for these weights."""
    return ConfigError(
        f"filter {name!r} needs a margin that was measured for the weights, and there is none for those in "
        f"{weights.source!r}: use filter=None, or the weights that come with the package"
    )


def bfloat16_margins(weights: Weights) -> dict[str, float]:
    """Return the margins of filters by R-Net and O-Net in bfloat16, named rnet and onet.

    Raises
    ------
    ConfigError
        If they were not measured for these weights: without a margin nothing says which windows may be dropped.
    """
    rnet, onet = RNET_BFLOAT16.get(windows_hash(weights)), ONET_BFLOAT16.get(faces_hash(weights))
    if rnet is None or onet is None:
        raise no_margin("amx", weights)
    return {"rnet": rnet, "onet": onet}


def pnet_bfloat16_margin(weights: Weights) -> float:
    """Return the margin of a filter by P-Net in bfloat16.

    Raises
    ------
    ConfigError
        If none was measured for these weights.
    """
    margin = PNET_BFLOAT16.get(tensors_hash(weights.pnet))
    if margin is None:
        raise no_margin("amx", weights)
    return margin
