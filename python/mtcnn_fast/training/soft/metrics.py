"""How good a network is on windows that it was not trained on."""

from __future__ import annotations

import numpy as np
import torch

from mtcnn_fast._types import Bools, Doubles
from mtcnn_fast.training.soft.augmentation import UNCHANGED, WindowBatch, window_batch
from mtcnn_fast.training.soft.forward import CPU, Net, features, heads
from mtcnn_fast.training.soft.labels import BACKGROUND_BELOW
from mtcnn_fast.training.soft.objective import decoded, losses, paired_iou
from mtcnn_fast.training.soft.options import ObjectiveOptions
from mtcnn_fast.training.soft.window_set import WindowSet

#: Sides of the windows that count as large.
LARGE = 60.0

_BATCH = 512
_FOUND = 0.5
#: Windows an image that R-Net may let through when the faces that it keeps are counted.
_KEPT = 100


def evaluate_windows(
    net: Net, windows: WindowSet, options: ObjectiveOptions, dtype: torch.dtype, device: torch.device = CPU
) -> dict[str, float]:
    """Measure a network on held-out windows, without augmentation.

    Parameters
    ----------
    net : RNet or ONet
    windows : WindowSet
    options : ObjectiveOptions
    dtype : torch.dtype
        Of convolutions and products.
    device : torch.device
        Where the network is.

    Returns
    -------
    dict of str to float
        ``loss``; ``ap`` and ``ap_large``, average precision of the scores, where a window is right if its box covers
        the face by half, over all and over windows of 60 pixels and more; ``box_iou``, mean IoU of the boxes of windows
        that overlap a face by 0.4 and more; ``kept``, share of the faces of which one window is among the best 100 an
        image; ``points`` and ``pseudo_points``, mean error of landmarks in units of the distance of the eyes on
        landmark lists and on large windows with pseudo labels.
    """
    score, iou, error, loss = _outputs(net, windows, options, dtype, device)
    rows = windows.rows
    known = rows.overlap >= 0
    face = rows.overlap >= BACKGROUND_BELOW
    right = face & (iou >= _FOUND)
    large = rows.corners[:, 2] - rows.corners[:, 0] >= LARGE
    proposed = known & (rows.score >= 0)
    figures = {"loss": loss}
    figures["ap"] = average_precision(score[proposed], right[proposed], int((face & proposed).sum()))
    part = proposed & large
    figures["ap_large"] = average_precision(score[part], right[part], int((face & part).sum()))
    near = known & (rows.overlap >= 0.4)
    figures["box_iou"] = float(iou[near].mean()) if near.any() else float("nan")
    figures["kept"] = _kept(windows, score, proposed, face)
    for name, chosen in (("points", ~known), ("pseudo_points", known & large & (rows.overlap >= 0.5))):
        values = error[chosen & np.isfinite(error)]
        if len(values):
            figures[name] = float(values.mean())
    return figures


def average_precision(scores: Doubles, right: Bools, total: int) -> float:
    """Return the area under the envelope of precision over recall, of `total` that could be found."""
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(right[order])
    precision = found / np.arange(1, len(found) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((envelope * right[order]).sum() / max(total, 1))


def _outputs(
    net: Net, windows: WindowSet, options: ObjectiveOptions, dtype: torch.dtype, device: torch.device
) -> tuple[Doubles, Doubles, Doubles, float]:
    """Return score, IoU of the box, error of the landmarks of each window, and the mean loss."""
    score, iou, error = np.empty(len(windows)), np.zeros(len(windows)), np.full(len(windows), np.nan)
    total = 0.0
    rng = np.random.default_rng(0)
    for start in range(0, len(windows), _BATCH):
        places = np.arange(start, min(start + _BATCH, len(windows)))
        taken = windows.take(places)
        batch = window_batch(taken, UNCHANGED, rng, dtype, torch.from_numpy(taken.images).to(device))
        with torch.inference_mode():
            outputs = heads(net, features(net, batch.images))
            total += float(losses(outputs, batch, options).total) * len(places)
            score[places] = (outputs.logits[:, 1] - outputs.logits[:, 0]).cpu().numpy()
            assert outputs.boxes is not None
            boxes, wanted = decoded(outputs.boxes, batch.widths), decoded(batch.boxes, batch.widths)
            iou[places] = torch.nan_to_num(paired_iou(boxes, wanted)).cpu().numpy()
            if outputs.landmarks is not None:
                error[places] = _landmark_error(outputs.landmarks, batch)
    return score, iou, error, total / len(windows)


def _landmark_error(landmarks: torch.Tensor, batch: WindowBatch) -> Doubles:
    found, wanted = (points.reshape(-1, 2, 5) * batch.widths[:, :, None] for points in (landmarks, batch.landmarks))
    eyes = (wanted[:, :, 0] - wanted[:, :, 1]).norm(dim=1)
    return np.asarray((found - wanted).norm(dim=1).mean(dim=1).div(eyes).cpu().numpy(), np.float64)


def _kept(windows: WindowSet, score: Doubles, proposed: Bools, face: Bools) -> float:
    rows = windows.rows
    images = len(np.unique(rows.image[proposed]))
    if not images:
        return float("nan")
    limit = np.sort(score[proposed])[::-1][min(_KEPT * images, int(proposed.sum())) - 1]
    shows = np.flatnonzero(proposed & face)
    if not len(shows):
        return float("nan")
    _, group = np.unique(np.stack([rows.image[shows], rows.face[shows]]), axis=1, return_inverse=True)
    best = np.full(int(group.max()) + 1, -np.inf)
    np.maximum.at(best, group.ravel(), score[shows])
    return float((best >= limit).mean())
