"""The teacher: R- or O-Net of the shipped weights, whose boxes and landmarks another network learns beside labels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from mtcnn_fast._types import Bools, Doubles, Floats, Indices
from mtcnn_fast.nets.modules import ONet
from mtcnn_fast.training.samples.augment import SWAPPED
from mtcnn_fast.training.samples.geometry import extents
from mtcnn_fast.training.soft.augmentation import normalised
from mtcnn_fast.training.soft.forward import CPU, Net, features, heads, rising
from mtcnn_fast.training.soft.objective import paired_iou
from mtcnn_fast.training.soft.options import TeacherOptions
from mtcnn_fast.training.soft.window_set import WindowSet
from mtcnn_fast.training.stage_networks import StageNetwork
from mtcnn_fast.weights import load_weights

#: Windows of landmark lists on which their offset is measured, and how many windows the teacher sees at a time.
_MEASURED, _BATCH = 4000, 1000
#: IoU from which the teacher's box is taken for one of the annotated face.
_SAME_FACE = 0.5


class Taught(NamedTuple):
    """Windows with what a teacher says of them.

    Attributes
    ----------
    windows : WindowSet
        With other faces and points where the teacher, or its offset from labels, has something to tell.
    by_teacher : (n,) bool
        Whether a window's points come from the teacher.
    """

    windows: WindowSet
    by_teacher: Bools


class _Answers(NamedTuple):
    """What it says of some windows: points ``(m, 5, 2)`` and boxes ``(m, 4)`` in pixels of the image, logit."""

    points: Doubles
    boxes: Doubles
    score: Doubles


def teach(
    net: Net, windows: WindowSet, options: TeacherOptions, dtype: torch.dtype, device: torch.device = CPU
) -> Taught:
    """Ask the teacher about windows before they are trained on (distillation, Hinton et al. 2015).

    It sees each window and its mirror image, and the mean of its answers errs less than either (Radosavovic et al.
    2018, "Data distillation"). As labels of the window they follow whatever augmentation does to it, rotations too by
    which the teacher would lose the face. Views that are moved or turned do not help: interpolation blurs them.

    Annotators put a point in one place, the teacher in another. Labels are moved by the median difference, so that they
    and the teacher mean the same place.

    Parameters
    ----------
    net : RNet or ONet
        Which is to be taught; the teacher is of its kind. R-Net learns boxes alone.
    windows : WindowSet
        Of that network.
    options : TeacherOptions
    dtype : torch.dtype
        Of convolutions and products.
    device : torch.device
        Where the teacher computes.
    """
    stage = "o" if isinstance(net, ONet) else "r"
    network = StageNetwork(stage, landmarks=False)
    network.load(load_weights(None))
    teacher = _Teacher(network.net.eval().to(device), windows, options, dtype, device)
    rows = windows.rows
    points, faces = rows.points.astype(np.float64), rows.faces.astype(np.float64)
    by_teacher = np.zeros(len(windows), np.bool_)
    if stage == "o":
        large = rows.corners[:, 2] - rows.corners[:, 0] + 1 >= options.smallest
        chosen = np.flatnonzero((rows.overlap > options.overlap) & large)
        answers = teacher.answers(chosen)
        _move(points, rows.overlap < 0, teacher.offset(_some(np.flatnonzero(rows.overlap < 0)), None))
        _move(points, rows.overlap >= 0, teacher.offset(chosen, answers))
        by_teacher[chosen] = answers.score > 0
        points[by_teacher] = _mixed(answers.points, points[chosen], options)[answers.score > 0]
    if options.boxes:
        chosen = np.flatnonzero(rows.face >= 0)
        answers = teacher.answers(chosen)
        iou = paired_iou(torch.from_numpy(answers.boxes), torch.from_numpy(faces[chosen]))
        same = (answers.score > 0) & (iou.numpy() > _SAME_FACE)
        told = chosen[same]
        faces[told] += options.boxes * (answers.boxes[same] - faces[told])
    return Taught(windows.relabelled(faces.astype(np.float32), points.astype(np.float32)), by_teacher)


class _Teacher:
    """A trained network that looks at windows."""

    def __init__(
        self, net: Net, windows: WindowSet, options: TeacherOptions, dtype: torch.dtype, device: torch.device
    ) -> None:
        self._net, self._windows, self._options, self._dtype, self._device = net, windows, options, dtype, device
        self._never_fall = rising(net)

    def answers(self, places: Indices) -> _Answers:
        """Return what it says of the windows at `places` (m,)."""
        found = _Answers(np.empty((len(places), 5, 2)), np.empty((len(places), 4)), np.empty(len(places)))
        for start in range(0, len(places), _BATCH):
            part = slice(start, start + _BATCH)
            for whole, few in zip(found, self._look(places[part]), strict=True):
                whole[part] = few
        return found

    def offset(self, places: Indices, answers: _Answers | None) -> Doubles:
        """Return by how much the teacher's points lie from labels ``(5, 2)``: the median, in distances of the eyes."""
        labels = self._windows.rows.points[places].astype(np.float64)
        answers = self.answers(places) if answers is None else answers
        usable = np.isfinite(labels).all(axis=(1, 2)) & (_eyes(labels) > 0) & (answers.score > 0)
        if not usable.any():
            return np.zeros((5, 2))
        apart = (answers.points - labels)[usable] / _eyes(labels)[usable, None, None]
        middle = np.median(apart, axis=0)
        # Left and right are alike: a face has a mirror image.
        mirrored = middle[list(SWAPPED)] * [-1, 1]
        return np.asarray((middle + mirrored) / 2)

    def _look(self, places: Indices) -> _Answers:
        taken = self._windows.take(places)
        pixels = torch.from_numpy(taken.images).to(self._device).permute(0, 3, 1, 2).float()
        one, other = self._answer(pixels.clone(), taken.corners), self._answer(pixels.flip(3), taken.corners)
        # In a mirror image x counts from the other edge of what is shown.
        edges = extents(taken.corners)[:, [0, 2]].sum(axis=1)
        points, boxes = other.points[:, SWAPPED], other.boxes[:, [2, 1, 0, 3]]
        points[..., 0] = edges[:, None] - points[..., 0]
        boxes[:, [0, 2]] = edges[:, None] - boxes[:, [0, 2]]
        return _Answers(
            (one.points + points) / 2, (one.boxes + boxes) / 2, np.asarray((one.score + other.score) / 2, np.float64)
        )

    def _answer(self, pixels: torch.Tensor, corners: Floats) -> _Answers:
        with torch.no_grad():
            found = heads(self._net, features(self._net, normalised(pixels, self._dtype), self._never_fall))
        assert found.boxes is not None
        first = corners[:, None, :2].astype(np.float64)
        size = corners[:, None, 2:] - first + 1
        boxes = found.boxes.double().cpu().numpy() * np.tile(size[:, 0], 2) + corners.astype(np.float64)
        points = np.full((len(corners), 5, 2), np.nan)
        if found.landmarks is not None:
            # Section 4 of docs/semantics.md: the decoder subtracts 1 from the sum.
            points = found.landmarks.double().cpu().numpy().reshape(-1, 2, 5).transpose(0, 2, 1) * size + first - 1
        return _Answers(points, boxes, (found.logits[:, 1] - found.logits[:, 0]).double().cpu().numpy())


def _move(points: Doubles, chosen: Bools, offset: Doubles) -> None:
    """Add an offset in distances of the eyes to the points of some windows."""
    points[chosen] += _eyes(points[chosen])[:, None, None] * offset


def _mixed(told: Doubles, labels: Doubles, options: TeacherOptions) -> Doubles:
    """Return the teacher's points, or the mean of these and the labels where they agree: it errs less than either."""
    eyes = _eyes(labels)
    agrees = np.linalg.norm(told - labels, axis=2).mean(axis=1) < options.agree * eyes
    share = np.where(agrees, options.share, 1.0)[:, None, None]
    return np.asarray(told * share + np.where(agrees[:, None, None], labels, 0.0) * (1 - share))


def _some(places: Indices) -> Indices:
    return np.sort(np.random.default_rng(0).permutation(places)[:_MEASURED])


def _eyes(points: Doubles) -> Doubles:
    """Return the distance of the eyes ``(n,)`` in pixels."""
    return np.asarray(np.linalg.norm(points[:, 0] - points[:, 1], axis=1), np.float64)
