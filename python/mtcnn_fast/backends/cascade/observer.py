"""What a run on a device reports besides its faces: times, and what each step keeps and drops."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from mtcnn_fast._types import AnyArray, Bools, Floats, Indices, Overlap
from mtcnn_fast.backends.cascade.steps import Candidates, DeviceArray
from mtcnn_fast.backends.numpy import steps as numpy_steps
from mtcnn_fast.backends.recorder import Recorder
from mtcnn_fast.faces.trace import StageTrace


class Observer:
    """Collects times and candidates of one run; by default neither.

    Candidates are downloaded at each step, and what a suppression dropped is found by repeating it in numpy: a run that
    is traced takes longer and has the same result.

    Parameters
    ----------
    record : Recorder or None
        Gets the times.
    traced_images : int
        How many images the batch has, if their candidates are to be remembered; else 0.
    synchronise : callable
        Waits for the device, so that times are those of the work and not of its queueing.
    download : callable
        Copies arrays of the device to the host; needed where candidates are remembered.
    """

    def __init__(
        self,
        record: Recorder | None = None,
        *,
        traced_images: int = 0,
        synchronise: Callable[[], None] = lambda: None,
        download: Callable[[Sequence[DeviceArray]], list[AnyArray]] = list,
    ) -> None:
        self._record, self._synchronise, self._download = record, synchronise, download
        self._images = [Recorder(tracing=True) for _ in range(traced_images)]

    @property
    def observes(self) -> bool:
        """Whether anything is collected."""
        return self._record is not None or bool(self._images)

    @property
    def traces(self) -> list[list[StageTrace]]:
        """The steps of each image; empty where nothing is traced."""
        return [record.trace for record in self._images]

    @contextlib.contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Time a block as one of `mtcnn_fast.faces.trace.STAGES`."""
        if self._record is None:
            yield
            return
        with self._record.time(stage):
            yield
            self._synchronise()

    def suppressed(
        self, candidates: Candidates, segments: DeviceArray, threshold: float, mode: Overlap = "iou"
    ) -> None:
        """Note what a suppression within segments drops of some candidates, and in favour of which box."""
        if not self._images:
            return
        boxes, scores, images, count = self._candidates(candidates)
        places = self._host(segments)[:count]
        by = np.full(count, -1, np.int64)
        for segment in np.unique(places):
            mine = np.flatnonzero(places == segment)
            better = np.full(len(mine), -1, np.int64)
            numpy_steps.nms(boxes[mine], scores[mine], threshold, mode, better)
            by[mine] = np.where(better >= 0, mine[better], -1)
        self._drop(boxes, scores, images, by >= 0, "overlap", by)

    def below_threshold(self, candidates: Candidates, valid: DeviceArray, threshold: float) -> None:
        """Note which valid candidates a network's threshold drops."""
        if self._images:
            boxes, scores, images, count = self._candidates(candidates)
            passed = scores > np.float32(threshold)
            self._drop(boxes, scores, images, self._host(valid)[:count] & ~passed, "threshold")

    def kept(self, step: str, candidates: Candidates, valid: DeviceArray | None = None) -> None:
        """Note the candidates that a step leaves; those that are not valid are dropped by it as degenerate."""
        if not self._images:
            return
        boxes, scores, images, count = self._candidates(candidates)
        usable = np.ones(count, np.bool_) if valid is None else self._host(valid)[:count]
        self._drop(boxes, scores, images, ~usable, "degenerate")
        for image, record in enumerate(self._images):
            mine = usable & (images == image)
            record.candidates(step, boxes[mine], scores[mine])

    def result(self, faces: Candidates, max_faces: int | None) -> None:
        """Note the faces that are left after the last suppression, in the order and number that are returned."""
        if not self._images:
            return
        assert faces.landmarks is not None
        boxes, scores, images, count = self._candidates(faces)
        points = self._host(faces.landmarks)[:count]
        finite = np.asarray(np.isfinite(boxes).all(axis=1) & np.isfinite(points).all(axis=(1, 2)))
        self._drop(boxes, scores, images, ~finite, "degenerate")
        for image, record in enumerate(self._images):
            mine = np.flatnonzero(finite & (images == image))
            mine = mine[numpy_steps.final_order(boxes[mine], scores[mine])]
            most = len(mine) if max_faces is None else max_faces
            record.drop(boxes[mine], scores[mine], np.arange(len(mine)) >= most, "limit")
            record.candidates("output", boxes[mine[:most]], scores[mine[:most]])

    def _drop(
        self, boxes: Floats, scores: Floats, images: npt.NDArray[np.int32], which: Bools, reason: str,
        by: Indices | None = None,
    ) -> None:  # fmt: skip
        for image, record in enumerate(self._images):
            record.drop(boxes, scores, which & (images == image), reason, by)

    def _host(self, array: DeviceArray) -> AnyArray:
        return self._download([array])[0]

    def _candidates(self, candidates: Candidates) -> tuple[Floats, Floats, npt.NDArray[np.int32], int]:
        """Copy boxes, scores and image indices of the candidates that are in use to the host, and count them."""
        *parts, used = self._download([candidates.boxes, candidates.scores, candidates.images, candidates.count])
        count = min(int(used[0]), len(parts[0]))
        boxes, scores, images = (part[:count].copy() for part in parts)
        return boxes, scores, images, count
