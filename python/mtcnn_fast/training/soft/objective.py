"""Losses of the soft-label recipe: labels by overlap, boxes by IoU beside smooth L1, landmarks by smooth L1."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from mtcnn_fast.training.losses import Outputs
from mtcnn_fast.training.soft.augmentation import WindowBatch
from mtcnn_fast.training.soft.options import ObjectiveOptions

#: Least width of a predicted box in units of its window, so that the IoU of a box turned inside out has a gradient.
_LEAST_WIDTH = 0.01


class Losses(NamedTuple):
    """What a minibatch costs.

    Attributes
    ----------
    total, detection, box, landmark : Tensor of shape ()
        The parts are not weighted yet; the total is.
    error : Tensor of shape (n,)
        Distance of each window's score from its label; 0 where that is unknown.
    """

    total: Tensor
    detection: Tensor
    box: Tensor
    landmark: Tensor
    error: Tensor


def decoded(offsets: Tensor, widths: Tensor) -> Tensor:
    """Return the boxes ``(n, 4)`` that offsets from windows of so many pixels stand for, in units of the window."""
    last = 1 - 1 / widths
    return offsets + torch.cat([torch.zeros_like(last), last], dim=1)


def paired_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Return the IoU ``(n,)`` of the boxes of each row ``(n, 4)``, xyxy, with a gradient in `boxes`."""
    low, high = torch.maximum(boxes[:, :2], others[:, :2]), torch.minimum(boxes[:, 2:], others[:, 2:])
    shared = (high - low).clamp(min=0).prod(dim=1)
    area = (boxes[:, 2:] - boxes[:, :2]).clamp(min=_LEAST_WIDTH).prod(dim=1)
    return shared / (area + (others[:, 2:] - others[:, :2]).prod(dim=1) - shared)


def soft_labels(overlap: Tensor, regressed: Tensor, options: ObjectiveOptions) -> Tensor:
    """Return what scores should be ``(n,)``: rising from 0 to 1 while the overlap rises along the options' ramp.

    Parameters
    ----------
    overlap : Tensor of shape (n,)
        Of the windows.
    regressed : Tensor of shape (n,)
        Of the boxes that the network makes of them; taken with ``label_of="box"`` where the window shows a face.
    options : ObjectiveOptions
    """
    low, high = options.ramp
    quality = torch.where(overlap > options.face_from, regressed, overlap) if options.label_of == "box" else overlap
    return ((quality - low) / (high - low)).clamp(0, 1)


def losses(outputs: Outputs, batch: WindowBatch, options: ObjectiveOptions) -> Losses:
    """Compute the loss of a minibatch.

    Parameters
    ----------
    outputs : Outputs
    batch : WindowBatch
    options : ObjectiveOptions

    Returns
    -------
    Losses
        Each divided by the number of windows.
    """
    assert outputs.boxes is not None
    count = len(batch.overlap)
    # Masks, and no choice of rows: a device would have to wait for their number.
    face = batch.overlap > options.face_from
    # Windows without a face are given boxes that overlap, whatever the network says of them.
    offsets, wanted = (torch.where(face[:, None], boxes, 0.0) for boxes in (outputs.boxes, batch.boxes))
    iou = paired_iou(decoded(offsets, batch.widths), decoded(wanted, batch.widths))
    smooth = functional.smooth_l1_loss(offsets, wanted, beta=options.box_beta, reduction="none").sum(dim=1)
    near = face & (batch.overlap > options.box_from)
    box = torch.where(near, (1 - iou) + options.smooth * smooth, 0.0).sum() / count
    known = batch.overlap >= 0
    labels = soft_labels(batch.overlap, iou.detach(), options)
    score = outputs.logits[:, 1] - outputs.logits[:, 0]
    each = functional.binary_cross_entropy_with_logits(score, labels, reduction="none")
    detection = torch.where(known, each, torch.zeros_like(each)).sum() / count
    landmark = _landmark_loss(outputs.landmarks, batch, options)
    total = detection + options.weights[0] * box + options.weights[1] * landmark
    error = torch.where(known, (torch.sigmoid(score.detach()) - labels).abs(), torch.zeros_like(score))
    return Losses(total, detection, box, landmark, error)


def _landmark_loss(landmarks: Tensor | None, batch: WindowBatch, options: ObjectiveOptions) -> Tensor:
    if landmarks is None:
        return batch.overlap.new_zeros(())
    by_hand = batch.overlap < 0
    others = torch.where(batch.taught, options.taught_weight, options.point_weights[1])
    weights = torch.where(by_hand, options.point_weights[0], others)
    rows = torch.isfinite(batch.landmarks).all(dim=1) & (by_hand | (batch.overlap > options.points_from))
    wanted = torch.where(rows[:, None], batch.landmarks, landmarks.detach())
    each = functional.smooth_l1_loss(landmarks, wanted, beta=options.point_beta, reduction="none").sum(dim=1)
    return (weights * each).sum() / len(batch.overlap)
