"""The losses of the three tasks, their weighted sum, and the choice of hard examples (docs/semantics.md, "Training").

Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks", 2016, section II.C:
equations 1 to 4. Every function here works on the samples of one process; what concerns the whole minibatch of several
processes, the choice of hard examples and the denominator, is handed in.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from mtcnn_fast.training.samples.sample_set import SampleKind
from mtcnn_fast.weights.spec import BoxCoding

#: The kinds of samples that take part in a task: those with beta = 1.
DETECTION_KINDS = (SampleKind.NEGATIVE, SampleKind.POSITIVE)
BOX_KINDS = (SampleKind.POSITIVE, SampleKind.PART)
LANDMARK_KINDS = (SampleKind.LANDMARK,)


class Outputs(NamedTuple):
    """What a network returns in training.

    Attributes
    ----------
    logits : Tensor of shape (n, 2)
        Of "no face" and "face".
    boxes : Tensor of shape (n, 4) or None
    landmarks : Tensor of shape (n, 10) or None
        Five x, then five y, in sides of the window.
    """

    logits: Tensor
    boxes: Tensor | None
    landmarks: Tensor | None


class Targets(NamedTuple):
    """What a network is to return.

    Attributes
    ----------
    kinds : Tensor of int64, shape (n,)
        Values of `SampleKind`.
    boxes : Tensor of shape (n, 4)
        In the coding that is trained.
    landmarks : Tensor of shape (n, 10)
        Five x, then five y, as the networks order them.
    """

    kinds: Tensor
    boxes: Tensor
    landmarks: Tensor


class SampleLosses(NamedTuple):
    """The loss of each sample in each task, and which samples take part in it; None without the network's head.

    Attributes
    ----------
    detection, box, landmark : Tensor of shape (n,) or None
        Zero, with a gradient of exactly zero, where a sample does not take part.
    in_detection, in_box, in_landmark : Tensor of bool, shape (n,)
        beta of the paper.
    """

    detection: Tensor
    box: Tensor | None
    landmark: Tensor | None
    in_detection: Tensor
    in_box: Tensor
    in_landmark: Tensor


def _precise(values: Tensor) -> Tensor:
    """Return half precision as float32."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def detection_losses(logits: Tensor, faces: Tensor) -> Tensor:
    """Cross-entropy of each sample.

    Equation 1, ``-(y log p + (1 - y) log(1 - p))`` (the paper prints ``1 - log p``, a typo), through the logits, which
    stays finite where ``p`` rounds to 0 or 1.

    Parameters
    ----------
    logits : Tensor of shape (n, 2)
    faces : Tensor of bool or integer, shape (n,)
        Whether the sample is a face.

    Returns
    -------
    Tensor of shape (n,)
    """
    return functional.cross_entropy(_precise(logits), faces.long(), reduction="none")


def squared_distances(outputs: Tensor, targets: Tensor, rows: Tensor) -> Tensor:
    """Squared Euclidean distance of each row: equation 2 over 4 values, equation 3 over 10.

    Parameters
    ----------
    outputs, targets : Tensor of shape (n, k)
    rows : Tensor of bool, shape (n,)
        Where it is wanted. Elsewhere it is zero and its gradient exactly zero, even if the target is not a number.

    Returns
    -------
    Tensor of shape (n,)
    """
    differences = _precise(outputs) - targets
    return torch.where(rows[:, None], differences, torch.zeros_like(differences)).square().sum(dim=1)


def kind_mask(kinds: Tensor, wanted: tuple[SampleKind, ...]) -> Tensor:
    """Return which samples are of one of the kinds wanted, as bool of shape (n,)."""
    mask = torch.zeros_like(kinds, dtype=torch.bool)
    for kind in wanted:
        mask |= kinds == int(kind)
    return mask


def sample_losses(outputs: Outputs, targets: Targets) -> SampleLosses:
    """Compute each sample's loss in each task that the network has a head for."""
    in_detection = kind_mask(targets.kinds, DETECTION_KINDS)
    in_box = kind_mask(targets.kinds, BOX_KINDS)
    in_landmark = kind_mask(targets.kinds, LANDMARK_KINDS)
    detection = detection_losses(outputs.logits, targets.kinds == int(SampleKind.POSITIVE))
    boxes, points = outputs.boxes, outputs.landmarks
    return SampleLosses(
        torch.where(in_detection, detection, torch.zeros_like(detection)),
        None if boxes is None else squared_distances(boxes, targets.boxes, in_box),
        None if points is None else squared_distances(points, targets.landmarks, in_landmark),
        in_detection,
        in_box,
        in_landmark,
    )


def hard_count(share: float, candidates: int) -> int:
    """Return how many samples are hard: a share of the candidates, rounded down, but at least one of them."""
    # 0.7 * 10 must not become 6.999...
    return max(1, math.floor(share * candidates + 1e-6)) if candidates else 0


def hard_examples(losses: Tensor, candidates: Tensor, share: float) -> Tensor:
    """Choose the samples with the highest losses (section II.C, "Online Hard sample mining").

    Parameters
    ----------
    losses : Tensor of shape (n,)
        Of the whole minibatch, over all processes.
    candidates : Tensor of bool, shape (n,)
        The samples that are to be classified; of the others none is chosen.
    share : float
        Of the candidates, rounded down, but at least one of them. The paper takes 0.7. Of equal losses those of lower
        index are taken.

    Returns
    -------
    Tensor of bool, shape (n,)
    """
    indices = candidates.nonzero().squeeze(1)
    count = hard_count(share, len(indices))
    order = torch.sort(losses.detach()[indices], descending=True, stable=True).indices
    chosen = torch.zeros_like(candidates)
    chosen[indices[order[:count]]] = True
    return chosen


def overall_loss(losses: SampleLosses, hard: Tensor, alpha: tuple[float, float, float], batch_size: int) -> Tensor:
    """Weigh and add the losses: equation 4, ``sum_i sum_j alpha_j beta_ij L_ij``, divided by the minibatch's size.

    Parameters
    ----------
    losses : SampleLosses
        Of this process's samples.
    hard : Tensor of bool, shape (n,)
        The samples whose classification counts; the gradient of the others' is exactly zero.
    alpha : tuple of 3 float
        Weights of detection, box and landmarks.
    batch_size : int
        Samples in the whole minibatch over all processes, so that the processes' losses add up to the minibatch's.

    Returns
    -------
    Tensor of shape ()
    """
    zero = losses.detection.new_zeros(())
    total = alpha[0] * torch.where(hard & losses.in_detection, losses.detection, zero).sum()
    if losses.box is not None:
        total = total + alpha[1] * losses.box.sum()
    if losses.landmark is not None:
        total = total + alpha[2] * losses.landmark.sum()
    return total / batch_size


def box_targets(corners: Tensor, coding: BoxCoding) -> Tensor:
    """Turn offsets of the corners into what the network is to return.

    Parameters
    ----------
    corners : Tensor of shape (n, 4)
        ``(g - p) / side`` of x1, y1, x2, y2, for a ground truth g and a square window p.
    coding : {"corner", "rcnn"}
        ``rcnn``: ``(g_x - p_x) / p_w``, ``(g_y - p_y) / p_h`` of the centres, ``log(g_w / p_w)``, ``log(g_h / p_h)``
        (Girshick et al., "Rich feature hierarchies for accurate object detection and semantic segmentation", 2014,
        appendix C). As ``g_w / p_w`` is ``1 + dx2 - dx1``, the offsets suffice.

    Returns
    -------
    Tensor of shape (n, 4)
        ``dx1 dy1 dx2 dy2`` or ``dx dy dw dh``.
    """
    if coding == "corner":
        return corners
    low, high = corners[:, :2], corners[:, 2:]
    return torch.cat([(low + high) / 2, torch.log1p(high - low)], dim=1)


def ridge(weights: list[Tensor], strength: float) -> Tensor:
    """Return ``strength * sum ||w||^2``, the regularisation of the R-CNN form's regression (appendix C there)."""
    return strength * torch.stack([weight.square().sum() for weight in weights]).sum()
