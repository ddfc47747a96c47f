"""The teacher: R- or O-Net of the shipped weights, whose boxes and landmarks another network learns beside labels."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor

from mtcnn_fast._types import Bools
from mtcnn_fast.nets.modules import ONet
from mtcnn_fast.training.losses import Outputs
from mtcnn_fast.training.soft.augmentation import UNCHANGED, WindowBatch, turned, window_batch
from mtcnn_fast.training.soft.forward import CPU, Net, features, heads, rising
from mtcnn_fast.training.soft.objective import decoded, paired_iou
from mtcnn_fast.training.soft.options import TeacherOptions
from mtcnn_fast.training.soft.window_set import WindowSet
from mtcnn_fast.training.stage_networks import StageNetwork
from mtcnn_fast.weights import load_weights

#: Windows of each kind of labels on which their offset is measured, and how many at a time.
_MEASURED, _BATCH = 4000, 500
#: IoU from which the teacher's box is taken for one of the annotated face.
_SAME_FACE = 0.5
#: As in training, half of them mirrored: what the teacher puts too far to the right, it does in these as well.
_MIRRORED = dataclasses.replace(UNCHANGED, flip=0.5)


class Teacher:
    """Tells boxes and landmarks of windows as they are after augmentation (distillation, Hinton et al. 2015).

    Annotators put a point in one place, the teacher in another. Labels are moved by the median difference, so that they
    and the teacher mean the same place.

    Parameters
    ----------
    net : RNet or ONet
        Which is to be taught; the teacher is of its kind. R-Net learns boxes alone.
    windows : WindowSet
        Of that network; its landmarks' labels are to be moved.
    options : TeacherOptions
    dtype : torch.dtype
        Of convolutions and products.
    device : torch.device
        On which batches come.

    Attributes
    ----------
    by_hand, pseudo : Tensor of shape (10,)
        What is added to landmarks' labels, in distances of the eyes.
    """

    def __init__(
        self, net: Net, windows: WindowSet, options: TeacherOptions, dtype: torch.dtype, device: torch.device = CPU
    ) -> None:
        self._points = isinstance(net, ONet)
        network = StageNetwork("o" if self._points else "r", landmarks=False)
        network.load(load_weights(None))
        self._net = network.net.eval().to(device)
        self._never_fall = rising(self._net)
        self._options, self._device = options, device
        rows = windows.rows
        large = rows.corners[:, 2] - rows.corners[:, 0] + 1 >= options.smallest
        self.by_hand = self._offset(windows, rows.overlap < 0, dtype)
        self.pseudo = self._offset(windows, (rows.overlap > options.overlap) & large, dtype)

    def taught(self, batch: WindowBatch) -> WindowBatch:
        """Return the batch with what the teacher tells in place of boxes and pseudo landmarks, where it can."""
        # It knows upright faces only: it is asked before a window is turned, and its answer is turned.
        found = self._look(batch.images if batch.upright is None else batch.upright)
        if batch.turns is not None:
            found = _turned(found, batch.widths, batch.turns)
        if self._points:
            batch = self._with_landmarks(batch, found)
        return self._with_boxes(batch, found) if self._options.boxes else batch

    def _with_landmarks(self, batch: WindowBatch, found: Outputs) -> WindowBatch:
        options, eyes = self._options, _eyes(batch.landmarks)
        assert found.landmarks is not None
        by_hand = batch.overlap < 0
        labels = batch.landmarks + eyes * torch.where(by_hand[:, None], self.by_hand, self.pseudo)
        taught = (batch.overlap > options.overlap) & (batch.widths[:, 0] >= options.smallest) & _is_face(found)
        # Where the pseudo label agrees, the mean of the two errs less than either.
        agrees = _distance(found.landmarks, labels) < options.agree * eyes[:, 0]
        share = torch.where(agrees, options.share, 1.0)[:, None]
        told = found.landmarks * share + torch.where(agrees[:, None], labels, 0.0) * (1 - share)
        return batch._replace(landmarks=torch.where(taught[:, None], told, labels), taught=taught)

    def _with_boxes(self, batch: WindowBatch, found: Outputs) -> WindowBatch:
        """Where the teacher sees the annotated face in a large window, its box and the label are mixed."""
        assert found.boxes is not None
        iou = paired_iou(decoded(found.boxes, batch.widths), decoded(batch.boxes, batch.widths))
        told = torch.lerp(batch.boxes, found.boxes, self._options.boxes)
        # Landmarks, which are why boxes are kept, matter on large faces; boxes of small ones are better learned anew.
        taught = _is_face(found) & (iou > _SAME_FACE) & (batch.widths[:, 0] >= self._options.smallest)
        return batch._replace(boxes=torch.where(taught[:, None], told, batch.boxes))

    def _look(self, images: Tensor) -> Outputs:
        with torch.no_grad():
            return heads(self._net, features(self._net, images, self._never_fall))

    def _offset(self, windows: WindowSet, chosen: Bools, dtype: torch.dtype) -> Tensor:
        if not self._points:
            return torch.zeros(10, dtype=torch.float32, device=self._device)
        rows, rng = windows.rows, np.random.default_rng(0)
        places = np.flatnonzero(chosen & np.isfinite(rows.points).all(axis=(1, 2)))
        places = np.sort(rng.permutation(places)[:_MEASURED])
        apart = [torch.empty(0, 10, dtype=torch.float32, device=self._device)]
        for start in range(0, len(places), _BATCH):
            taken = windows.take(places[start : start + _BATCH])
            batch = window_batch(taken, _MIRRORED, rng, dtype, torch.from_numpy(taken.images).to(self._device))
            found = self._look(batch.images)
            assert found.landmarks is not None
            apart.append(((found.landmarks - batch.landmarks) / _eyes(batch.landmarks))[_is_face(found)])
        differences = torch.cat(apart)
        if not len(differences):
            return torch.zeros(10, dtype=torch.float32, device=self._device)
        return differences.median(dim=0).values


def _turned(found: Outputs, widths: Tensor, turns: Tensor) -> Outputs:
    """Return outputs for upright windows as those for turned ones; a box keeps its size."""
    logits, boxes, landmarks = found
    if boxes is not None:
        edges = decoded(boxes, widths) + 1 / torch.cat([widths, widths], dim=1)
        middle = (edges[:, :2] + edges[:, 2:]) / 2
        moved = torch.cat(turned(middle[:, :1], middle[:, 1:], turns), dim=1) - middle
        boxes = boxes + torch.cat([moved, moved], dim=1)
    if landmarks is not None:
        landmarks = torch.cat(turned(landmarks[:, :5], landmarks[:, 5:], turns), dim=1)
    return Outputs(logits, boxes, landmarks)


def _is_face(found: Outputs) -> Tensor:
    return found.logits[:, 1] > found.logits[:, 0]


def _eyes(landmarks: Tensor) -> Tensor:
    """Return the distance of the eyes ``(n, 1)`` in units of the window."""
    return torch.hypot(landmarks[:, 0] - landmarks[:, 1], landmarks[:, 5] - landmarks[:, 6])[:, None]


def _distance(one: Tensor, other: Tensor) -> Tensor:
    """Return the mean distance ``(n,)`` of landmarks."""
    return torch.hypot(one[:, :5] - other[:, :5], one[:, 5:] - other[:, 5:]).mean(dim=1)
