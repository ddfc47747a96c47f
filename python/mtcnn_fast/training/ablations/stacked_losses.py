"""The loss of several networks at once, each of its own hard examples."""

from __future__ import annotations

import torch
from torch import Tensor

from mtcnn_fast.training.losses import SampleLosses


def overall_losses(found: SampleLosses, networks: int, kept: Tensor, alpha: Tensor) -> Tensor:
    """Do as `losses.hard_examples` and `losses.overall_loss` for several networks, without a wait for the device.

    Parameters
    ----------
    found : SampleLosses
        Of ``(M * n,)`` samples, network by network.
    networks : int
        M.
    kept : Tensor of int64, shape (M,)
        Hard examples of each network's minibatch.
    alpha : Tensor of shape (M, 3)

    Returns
    -------
    Tensor of shape (M,)
    """
    detection, candidates = found.detection.view(networks, -1), found.in_detection.view(networks, -1)
    # No loss is negative: what is not classified comes last.
    ranked = torch.where(candidates, detection.detach(), -1.0)
    order = torch.sort(ranked, dim=1, descending=True, stable=True).indices
    first = torch.arange(order.shape[1], dtype=torch.int64, device=order.device) < kept[:, None]
    hard = torch.zeros_like(first).scatter(1, order, first)
    parts = [torch.where(hard & candidates, detection, 0.0)]
    parts += [part.view(networks, -1) for part in (found.box, found.landmark) if part is not None]
    sums = torch.stack([part.sum(dim=1) for part in parts], dim=1)
    return (sums * alpha[:, : len(parts)]).sum(dim=1) / detection.shape[1]
