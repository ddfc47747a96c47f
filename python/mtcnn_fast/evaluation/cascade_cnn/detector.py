"""The Cascade CNN as a whole detector (Li et al. 2015, section 3.1), in torch and numpy, not tuned for speed.

For each scale of an image pyramid, the 12-net looks at windows of 12 pixels, 4 apart; what it takes for faces is moved
by the 12-calibration-net, and of windows of the same scale that overlap the best stays. The 24-net and its calibration
net do the same with what is left, cut out of the image at 24 pixels. Of what the 48-net takes for faces the best stays
over all scales, is moved by the 48-calibration-net, and returned. The paper names neither the thresholds of the
probabilities (it chooses them for a recall on validation images) nor those of the overlaps: they are settings here.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from mtcnn_fast._types import Floats, Image, Indices
from mtcnn_fast.backends.numpy.steps import pyramid_scales
from mtcnn_fast.evaluation.cascade_cnn.calibration import mean_patterns, move
from mtcnn_fast.evaluation.cascade_cnn.networks import SIZES
from mtcnn_fast.ops import batched_nms, crop_pad_resize, resize_pyramid

if TYPE_CHECKING:
    from mtcnn_fast.evaluation.cascade_cnn.weights import CascadeNetworks

#: Distance between neighbouring windows of the 12-net in pixels of the scaled image.
SPACING = 4

#: Windows that a network looks at in one go, which bounds memory.
_BATCH = 2048


@dataclasses.dataclass(frozen=True, slots=True)
class CascadeConfig:
    """Settings of a detection with the Cascade CNN.

    Attributes
    ----------
    min_face_size : float
        Side in pixels of the smallest face to look for.
    factor : float
        Ratio between neighbouring scales of the pyramid. The paper's is not told; this is MTCNN's.
    thresholds : tuple of 3 float
        Probability that a window must exceed after the 12-, 24- and 48-net.
    pattern_threshold : float
        Probability above which a calibration pattern takes part in the mean.
    nms_threshold : float
        Intersection over union above which the lower-scoring window is suppressed.
    """

    min_face_size: float = 20
    factor: float = 0.709
    thresholds: tuple[float, float, float] = (0.5, 0.5, 0.5)
    pattern_threshold: float = 0.1
    nms_threshold: float = 0.5


@dataclasses.dataclass(slots=True)
class Candidates:
    """Windows that have passed so far.

    Attributes
    ----------
    boxes : (N, 4) float32
        ``x1, y1, x2, y2`` in pixels of the image, with ``x2 = x1 + width``.
    scores : (N,) float32
        What the last network that saw them gave.
    levels : (N,) int64
        Scale of the pyramid they were found at.
    """

    boxes: Floats
    scores: Floats
    levels: Indices

    def take(self, rows: Any) -> Candidates:
        """Return some of them."""
        return Candidates(self.boxes[rows], self.scores[rows], self.levels[rows])


class CascadeCNN:
    """Finds faces with six networks.

    Parameters
    ----------
    networks : CascadeNetworks
    config : CascadeConfig
    """

    def __init__(self, networks: CascadeNetworks, config: CascadeConfig | None = None) -> None:
        self._classifiers = [networks.classifiers[size].eval() for size in SIZES]
        self._calibrations = [networks.calibrations[size].eval() for size in SIZES]
        self.config = config or CascadeConfig()

    @torch.inference_mode()
    def detect(self, image: Image) -> tuple[Floats, Floats]:
        """Return boxes ``(N, 4)`` in pixels and scores ``(N,)`` of the faces in an RGB image, best first."""
        found = self._scan(image)
        found = found.take(self._suppress(found, across=False))
        for stage in (1, 2):
            found, crops = self._cut(image, found, SIZES[stage])
            scores = _faces(self._classifiers[stage], crops)
            passed = scores > self.config.thresholds[stage]
            found = Candidates(found.boxes[passed], scores[passed], found.levels[passed])
            crops = crops[torch.from_numpy(passed)]
            if stage == 2:
                # The last windows are suppressed before they are moved, and over all scales.
                kept = self._suppress(found, across=True)
                found, crops = found.take(kept), crops[torch.from_numpy(kept)]
            found.boxes = self._moved(stage, found.boxes, crops)
            if stage == 1:
                found = found.take(self._suppress(found, across=False))
        return found.boxes, found.scores

    def _scan(self, image: Image) -> Candidates:
        """Run the 12-net and its calibration net over the pyramid."""
        height, width = image.shape[:2]
        scales = pyramid_scales(height, width, self.config.min_face_size, self.config.factor)
        parts = [Candidates(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int64))]
        for level, (scale, scaled) in enumerate(zip(scales, resize_pyramid(image, scales), strict=True)):
            size = SIZES[0]
            grid = torch.from_numpy(scaled).unfold(1, size, SPACING).unfold(2, size, SPACING)
            windows = grid.permute(1, 2, 0, 3, 4).reshape(-1, 3, size, size)
            scores = _faces(self._classifiers[0], windows)
            (passed,) = np.nonzero(scores > self.config.thresholds[0])
            rows, columns = np.divmod(passed, grid.shape[2])
            corners = np.stack([columns, rows], axis=1) * SPACING
            boxes = (np.concatenate([corners, corners + size], axis=1) / scale).astype(np.float32)
            boxes = self._moved(0, boxes, windows[torch.from_numpy(passed)])
            parts.append(Candidates(boxes, scores[passed], np.full(len(passed), level)))
        columns_of = zip(*((part.boxes, part.scores, part.levels) for part in parts), strict=True)
        boxes, scores, levels = (np.concatenate(column) for column in columns_of)
        return Candidates(boxes, scores, levels)

    def _cut(self, image: Image, found: Candidates, size: int) -> tuple[Candidates, Tensor]:
        """Cut the windows out of the image; those with no pixel inside it are dropped."""
        # The operation counts pixels from 1, includes the last one, and truncates.
        corners = np.rint(found.boxes) + np.array([1, 1, 0, 0], np.float32)
        crops, valid = crop_pad_resize(image, corners, size)
        return found.take(valid), torch.from_numpy(crops[valid])

    def _moved(self, stage: int, boxes: Floats, windows: Tensor) -> Floats:
        logits = _in_batches(self._calibrations[stage], windows)
        probabilities = torch.softmax(logits, dim=1).numpy()
        return move(boxes, mean_patterns(probabilities, self.config.pattern_threshold))

    def _suppress(self, found: Candidates, across: bool) -> Indices:
        segments = np.zeros_like(found.levels) if across else found.levels
        return batched_nms(found.boxes, found.scores, segments, self.config.nms_threshold)


def _faces(network: nn.Module, windows: Tensor) -> Floats:
    """Return the probability that each window ``(N, 3, size, size)`` is a face."""
    scores: Floats = torch.softmax(_in_batches(lambda part: network(part)[0], windows), dim=1)[:, 1].numpy()
    return scores


def _in_batches(network: Any, windows: Tensor) -> Tensor:
    # An empty batch goes through once, so that the result has its columns.
    return torch.cat([network(part) for part in torch.split(windows, _BATCH)])
