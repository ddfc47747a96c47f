"""The cascade in plain numpy: the executable form of ``docs/semantics.md``, which other backends are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn_fast._types import Floats, Image, Overlap
from mtcnn_fast.backends.base import check_one_each
from mtcnn_fast.backends.numpy import steps as ops
from mtcnn_fast.backends.numpy.nets import ONet, PNet, RNet
from mtcnn_fast.backends.recorder import Recorder
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.faces import Faces
from mtcnn_fast.weights import Weights

#: Crops that R-Net and O-Net see at a time. A matrix product of another size may round differently, so the last batch
#: is filled up with zeros. O-Net's is small because few candidates reach it and each costs as much as seven cost R-Net.
_RNET_BATCH = 32
_ONET_BATCH = 8


class NumpyBackend:
    """Runs the cascade on one image after the other: a batch is its images' results by construction.

    Parameters
    ----------
    config : DetectorConfig
    weights : Weights
    """

    name = "numpy"

    def __init__(self, config: DetectorConfig, weights: Weights) -> None:
        self._config = config
        self._coding = weights.box_coding
        self._pnet = PNet(weights.pnet)
        self._rnet = RNet(weights.rnet)
        self._onet = ONet(weights.onet)

    def detect(self, images: Sequence[Image], *, profile: bool = False, trace: bool = False) -> list[Faces]:
        """Detect the faces of each image, in the order of `images`; see `mtcnn_fast.backends.base.Backend`.

        With `profile`, `Faces.timings` has the seconds of each of `mtcnn_fast.faces.trace.STAGES`; with `trace`,
        `Faces.trace` is a list of `mtcnn_fast.faces.trace.StageTrace`.
        """
        results = []
        for image in images:
            record = Recorder(tracing=trace)
            # Weights of the user's own may regress a box to infinity: it is dropped, and needs no warning.
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                boxes, scores, landmarks = self._cascade(image, record)
            timings = record.timings if profile else None
            candidates = record.trace if trace else None
            size = (image.shape[1], image.shape[0])
            results.append(Faces(boxes, scores, landmarks, size, timings=timings, trace=candidates))
        return results

    @property
    def on_tensors(self) -> None:
        """None: images and results are arrays."""

    def propose(self, images: Sequence[Image]) -> list[tuple[Floats, Floats]]:
        """Find what P-Net takes for faces in each image; see `mtcnn_fast.backends.base.Backend`."""
        results = []
        for image in images:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                _, boxes, scores = self._proposals(image, Recorder(tracing=False))
            results.append((boxes, scores))
        return results

    def refine(self, images: Sequence[Image], boxes: Sequence[Floats]) -> list[Faces]:
        """Find the faces in given boxes; see `mtcnn_fast.backends.base.Backend`."""
        check_one_each(images, boxes)
        results = []
        for image, given in zip(images, boxes, strict=True):
            height, width = image.shape[:2]
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                squares = ops.square(given) if len(given) else given
                squares = squares[ops.crop_valid(squares, height, width)]
                integral = ops.integral_image(image) if len(squares) else None
                found = self._faces(integral, squares, Recorder(tracing=False))
            results.append(Faces(*found, (width, height)))
        return results

    def warmup(self) -> None:
        """Do nothing: there is nothing to allocate or compile ahead."""

    def close(self) -> None:
        """Do nothing: there are no threads or buffers to release."""

    def _cascade(self, image: Image, record: Recorder) -> tuple[Floats, Floats, Floats]:
        """Return boxes, scores and landmarks of the faces in one image."""
        integral, boxes, _ = self._proposals(image, record)
        return self._faces(integral, boxes, record)

    def _proposals(self, image: Image, record: Recorder) -> tuple[npt.NDArray[Any] | None, Floats, Floats]:
        """Return the integral image, and boxes and scores of P-Net's proposals; no scale, no integral image."""
        config = self._config
        height, width = image.shape[:2]
        scales = ops.pyramid_scales(height, width, config.min_face_size, config.factor, config.max_face_size)
        if not scales:
            return None, np.empty((0, 4), np.float32), np.empty(0, np.float32)
        with record.time("pyramid"):
            integral = ops.integral_image(image)
        return integral, *self._propose(integral, scales, record)

    def _faces(
        self, integral: npt.NDArray[Any] | None, boxes: Floats, record: Recorder
    ) -> tuple[Floats, Floats, Floats]:
        """Return boxes, scores and landmarks of the faces among square boxes ``(N, 4)``."""
        if integral is not None and len(boxes):
            boxes = self._refine(integral, boxes, record)
            if len(boxes):
                return self._output(integral, boxes, record)
        return np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty((0, 5, 2), np.float32)

    def _propose(self, integral: npt.NDArray[Any], scales: list[float], record: Recorder) -> tuple[Floats, Floats]:
        """Section 2: boxes ``(N, 4)`` and scores of what P-Net proposes over all scales, regressed and square."""
        parts = [self._scan(integral, scale, record) for scale in scales]
        with record.time("proposals"):
            boxes, scores, offsets = (np.concatenate(part) for part in zip(*parts, strict=True))
            record.candidates("pnet", boxes, scores)
            kept = _suppress(boxes, scores, self._config.nms_thresholds[1], record)
            boxes = ops.square(ops.regress(boxes[kept], offsets[kept], self._coding, inclusive=False))
            return self._croppable(integral, boxes, scores[kept], "proposals", record)

    def _scan(self, integral: npt.NDArray[Any], scale: float, record: Recorder) -> tuple[Floats, Floats, Floats]:
        """Section 2 at one scale: boxes ``(N, 4)``, scores ``(N,)`` and offsets ``(N, 4)`` that survive within it."""
        height, width = integral.shape[1] - 1, integral.shape[2] - 1
        with record.time("pyramid"):
            scaled = ops.resize(integral, *ops.scaled_size(height, width, scale))
        with record.time("pnet"):
            score_map, offset_map = self._pnet(scaled)
        with record.time("proposals"):
            rows, columns = np.nonzero(score_map >= np.float32(self._config.thresholds[0]))
            boxes = ops.map_cells(rows, columns, scale)
            scores, offsets = score_map[rows, columns], offset_map[:, rows, columns].T
            kept = _suppress(boxes, scores, self._config.nms_thresholds[0], record)
            return boxes[kept], scores[kept], offsets[kept]

    def _refine(self, integral: npt.NDArray[Any], boxes: Floats, record: Recorder) -> Floats:
        """Section 3: the boxes ``(N, 4)`` that R-Net takes for faces, regressed and square."""
        scores, offsets = self._run_on_crops("rnet", integral, boxes, record)
        with record.time("refinement"):
            accepted = scores > np.float32(self._config.thresholds[1])
            record.drop(boxes, scores, ~accepted, "threshold")
            boxes, scores, offsets = boxes[accepted], scores[accepted], offsets[accepted]
            record.candidates("rnet", boxes, scores)
            kept = _suppress(boxes, scores, self._config.nms_thresholds[2], record)
            boxes = ops.square(ops.regress(boxes[kept], offsets[kept], self._coding, inclusive=True))
            return self._croppable(integral, boxes, scores[kept], "refinement", record)[0]

    def _output(self, integral: npt.NDArray[Any], boxes: Floats, record: Recorder) -> tuple[Floats, Floats, Floats]:
        """Section 4: boxes ``(N, 4)``, scores ``(N,)`` and landmarks ``(N, 5, 2)`` of what O-Net takes for faces."""
        scores, offsets, points = self._run_on_crops("onet", integral, boxes, record)
        with record.time("output"):
            accepted = scores > np.float32(self._config.thresholds[2])
            record.drop(boxes, scores, ~accepted, "threshold")
            boxes, scores = boxes[accepted], scores[accepted]
            record.candidates("onet", boxes, scores)
            landmarks = ops.place_landmarks(boxes, points[accepted])
            boxes = ops.regress(boxes, offsets[accepted], self._coding, inclusive=True)
            kept = _suppress(boxes, scores, self._config.nms_thresholds[3], record, "iomin")
            finite = np.isfinite(boxes[kept]).all(axis=1) & np.isfinite(landmarks[kept]).all(axis=(1, 2))
            record.drop(boxes[kept], scores[kept], np.logical_not(finite), "degenerate")
            kept = kept[finite]
            kept = kept[ops.final_order(boxes[kept], scores[kept])]
            boxes, scores, landmarks = boxes[kept], scores[kept], landmarks[kept]
            count = len(kept) if self._config.max_faces is None else self._config.max_faces
            record.drop(boxes, scores, np.arange(len(kept)) >= count, "limit")
            boxes, scores, landmarks = boxes[:count], scores[:count], landmarks[:count]
            record.candidates("output", boxes, scores)
            return boxes, scores, landmarks

    def _run_on_crops(
        self, name: str, integral: npt.NDArray[Any], boxes: Floats, record: Recorder
    ) -> tuple[Floats, ...]:
        """Crop the boxes, run R-Net or O-Net on the crops and return its outputs, one row for each box."""
        network, size = (self._rnet, _RNET_BATCH) if name == "rnet" else (self._onet, _ONET_BATCH)
        results = []
        for first in range(0, len(boxes), size):
            part = boxes[first : first + size]
            with record.time(f"{name}_crop"):
                batch = np.zeros((size, 3, network.size, network.size), np.float32)
                batch[: len(part)], _ = ops.crop(integral, part, network.size, self._config.border)
            with record.time(name):
                results.append([output[: len(part)] for output in network(batch)])
        return tuple(np.concatenate(outputs) for outputs in zip(*results, strict=True))

    def _croppable(
        self, integral: npt.NDArray[Any], boxes: Floats, scores: Floats, step: str, record: Recorder
    ) -> tuple[Floats, Floats]:
        """Drop the boxes that the next stage cannot crop: without area, or with no pixel inside the image."""
        valid = ops.crop_valid(boxes, integral.shape[1] - 1, integral.shape[2] - 1)
        record.drop(boxes, scores, ~valid, "degenerate")
        record.candidates(step, boxes[valid], scores[valid])
        return boxes[valid], scores[valid]


def _suppress(
    boxes: Floats, scores: Floats, threshold: float, record: Recorder, mode: Overlap = "iou"
) -> npt.NDArray[np.int64]:
    """Run `numpy_steps.nms`, and record what it drops and in favour of which box."""
    by = np.full(len(boxes), -1, np.int64) if record.tracing else None
    kept = ops.nms(boxes, scores, threshold, mode, by)
    if by is not None:
        record.drop(boxes, scores, by >= 0, "overlap", by)
    return kept
