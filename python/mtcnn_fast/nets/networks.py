"""The networks with their weights, and the precision they compute in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from mtcnn_fast.config import Precision
from mtcnn_fast.nets.modules import ONet, PNet, RNet
from mtcnn_fast.nets.torch_state import cuda_flags as tf32_allowed
from mtcnn_fast.weights import load_weights, widths_of

if TYPE_CHECKING:
    from mtcnn_fast.weights import Weights

__all__ = ["DTYPES", "TOLERANCES", "load_networks", "tf32_allowed"]

#: Largest difference of a score from float32's over the reference inputs of the networks. tf32 keeps 10 bits of the
#: factors of each product and exists only on CUDA devices from compute capability 8.0 on.
TOLERANCES: dict[Precision, float] = {"float32": 1e-5, "tf32": 5e-3, "float16": 5e-3, "bfloat16": 4e-2}

#: Types of a network's parameters.
DTYPES: dict[Precision, torch.dtype] = {
    "float32": torch.float32,
    "tf32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


def load_networks(weights: Weights | None = None) -> dict[str, nn.Module]:
    """Make the networks ``pnet``, ``rnet`` and ``onet`` in eval mode, on the CPU, in float32, as wide as the weights.

    Parameters
    ----------
    weights : Weights, optional
        By default those that come with the package.
    """
    weights = weights or load_weights(None)
    with torch.inference_mode(False):
        # Made without memory, so that no parameter is drawn from the caller's random numbers.
        place: Any = {"device": "meta", "dtype": torch.float32}
        networks: dict[str, nn.Module] = {
            "pnet": PNet(**place),
            "rnet": RNet(widths_of("r", weights.rnet), **place),
            "onet": ONet(widths_of("o", weights.onet), **place),
        }
        for name, network in networks.items():
            tensors = {key: torch.from_numpy(np.array(value)) for key, value in getattr(weights, name).items()}
            network.load_state_dict(tensors, assign=True)
            network.eval().requires_grad_(False)
    return networks
