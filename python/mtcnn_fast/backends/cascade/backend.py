"""What the backends on a device's arrays have in common: from images to faces, by a `Cascade`."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from mtcnn_fast._types import Floats, Image
from mtcnn_fast.backends.base import check_one_each
from mtcnn_fast.backends.cascade.capacities import CapacityChooser, enlarged
from mtcnn_fast.backends.cascade.halving import run_in_parts
from mtcnn_fast.backends.cascade.observer import Observer
from mtcnn_fast.backends.cascade.plan import KEPT_PLANS, Plan, make_plan
from mtcnn_fast.backends.cascade.run import Cascade, boxes_as_candidates
from mtcnn_fast.backends.cascade.steps import Capacities, DeviceOps, FacesTensor
from mtcnn_fast.backends.numpy import steps as numpy_steps
from mtcnn_fast.backends.recorder import Recorder
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.faces import Faces

if TYPE_CHECKING:
    from typing_extensions import Self

_LOGGER = logging.getLogger("mtcnn_fast")

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class CascadeBackend:
    """The part of a backend that is the same wherever its arrays are.

    Parameters
    ----------
    config : DetectorConfig
    name : str
        The device string that selects the backend.
    device_ops : DeviceOps
    cascade : Cascade
        On `device_ops`.
    bound : bool
        Whether places of a list that are not used cost next to nothing: then lists that were too short grow at once as
        far as may be.
    """

    def __init__(
        self, config: DetectorConfig, name: str, device_ops: DeviceOps[Any], cascade: Cascade, *, bound: bool
    ) -> None:
        self._config, self._name, self._ops, self._cascade, self._bound = config, name, device_ops, cascade, bound
        self._capacities = CapacityChooser()
        self._plan_of = functools.lru_cache(KEPT_PLANS)(functools.partial(make_plan, config=config))

    def _working(self) -> contextlib.AbstractContextManager[Any]:
        """Return a block in which this thread may use the device."""
        raise NotImplementedError

    def _synchronise(self) -> None:
        """Wait for the device."""
        raise NotImplementedError

    def _give_memory_back(self) -> None:
        """Let go of memory that is held for later use."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def name(self) -> str:
        """The device string that selects this backend."""
        return self._name

    @property
    def on_tensors(self) -> Self:
        """The backend itself."""
        return self

    def detect(self, images: Sequence[Image], *, profile: bool = False, trace: bool = False) -> list[Faces]:
        """Detect the faces of each image, in the order of `images`; see `mtcnn_fast.backends.base.Backend`.

        A batch that does not fit the device's memory is split, down to single images.

        Raises
        ------
        BackendError
            If one image alone does not fit.
        """
        return self._in_parts(images, lambda part: self._detect(part, profile, trace))

    def propose(self, images: Sequence[Image]) -> list[tuple[Floats, Floats]]:
        """Find what P-Net takes for faces in each image; see `mtcnn_fast.backends.base.Backend`."""
        return self._in_parts(images, self._propose)

    def refine(self, images: Sequence[Image], boxes: Sequence[Floats]) -> list[Faces]:
        """Find the faces in given boxes; see `mtcnn_fast.backends.base.Backend`."""
        check_one_each(images, boxes)
        return self._in_parts(list(zip(images, boxes, strict=True)), self._refine)

    def warmup(self) -> None:
        """Run once, so that libraries load and choose their algorithms."""
        self.detect([np.zeros((64, 64, 3), np.uint8)])

    def close(self) -> None:
        """Let go of the networks."""
        del self._cascade

    def _plan(self, images: Sequence[Image]) -> Plan:
        return self._plan_of(tuple((image.shape[0], image.shape[1]) for image in images))

    def _with_capacities(self, plan: Plan, run: Callable[[Capacities], tuple[_Result, Sequence[int]]]) -> _Result:
        """Run with the usual capacities, and again where a list was too short.

        `run` returns its result and the lengths that the lists wanted. With downloaded counts or fused networks no
        batch runs more than twice, unless it has more faces than `enlarged` makes tables for.
        """
        capacities = self._capacities.choose(plan)
        while True:
            result, wanted = run(capacities)
            self._capacities.learn(plan, wanted)
            larger = enlarged(capacities, wanted, len(plan.sizes), bound=self._bound)
            if larger is None:
                return result
            _LOGGER.info("%s: a list of candidates was too short, trying again with %s", self.name, larger)
            capacities = larger

    def _detect(self, images: Sequence[Image], profile: bool, trace: bool) -> list[Faces]:
        plan = self._plan(images)

        def run(capacities: Capacities) -> tuple[tuple[HostFaces, Recorder | None, Observer], Sequence[int]]:
            record = Recorder(tracing=False) if profile else None
            observer = Observer(
                record,
                traced_images=len(images) if trace else 0,
                synchronise=self._synchronise,
                download=self._ops.download,
            )
            with self._working():
                tables = self._tables(images, plan, capacities, observer)
            return (tables, record, observer), tables.wanted

        tables, record, observer = self._with_capacities(plan, run)
        timings = None
        if record is not None:
            timings = {stage: seconds / len(images) for stage, seconds in record.timings.items()}
        return self._faces(tables, plan, timings, observer.traces)

    def _tables(self, images: Sequence[Image], plan: Plan, capacities: Capacities, observer: Observer) -> HostFaces:
        """Detect once, with lists of these lengths."""
        return self._download(self._cascade.detect(self._ops.upload(images, plan), capacities, observer))

    def _download(self, faces: FacesTensor) -> HostFaces:
        """Copy a result to the host: the only time that a detection waits for the device."""
        arrays = [faces.boxes, faces.scores, faces.landmarks, faces.counts, faces.wanted]
        boxes, scores, landmarks, counts, wanted = self._ops.download(arrays)
        return HostFaces(boxes, scores, landmarks, counts, wanted.tolist())

    def _faces(
        self,
        tables: HostFaces,
        plan: Plan,
        timings: dict[str, float] | None = None,
        traces: Sequence[Any] | None = None,
    ) -> list[Faces]:
        results = []
        for image, (height, width) in enumerate(plan.sizes):
            count = int(tables.counts[image])
            if self._config.max_faces is not None:
                count = min(count, self._config.max_faces)
            boxes, scores, landmarks = (
                part[image, :count].copy() for part in (tables.boxes, tables.scores, tables.landmarks)
            )
            trace = traces[image] if traces else None
            results.append(Faces(boxes, scores, landmarks, (width, height), timings=timings, trace=trace))
        return results

    def _propose(self, images: Sequence[Image]) -> list[tuple[Floats, Floats]]:
        plan = self._plan(images)

        def run(capacities: Capacities) -> tuple[list[npt.NDArray[Any]], Sequence[int]]:
            with self._working():
                batch: Any = self._ops.upload(images, plan)
                found = self._cascade.propose(batch, capacities, Observer())
                *parts, used, wanted = self._ops.download(
                    [found.images, found.boxes, found.scores, found.count, batch.wanted]
                )
            return [part[: int(used[0])] for part in parts], wanted[:2].tolist()

        index, boxes, scores = self._with_capacities(plan, run)
        results = []
        for image, (height, width) in enumerate(plan.sizes):
            mine = np.flatnonzero(index == image)
            mine = mine[numpy_steps.crop_valid(boxes[mine], height, width)]
            results.append((boxes[mine], scores[mine]))
        return results

    def _refine(self, items: Sequence[tuple[Image, Floats]]) -> list[Faces]:
        images, boxes = [image for image, _ in items], [part for _, part in items]
        plan = self._plan(images)
        most = max(1, sum(map(len, boxes)))
        capacities = dataclasses.replace(self._capacities.choose(plan), rnet=most, onet=most, faces=most)
        with self._working():
            candidates = boxes_as_candidates(boxes, self._ops.put)
            batch: Any = self._ops.upload(images, plan)
            candidates = self._ops.gather(batch, candidates, None, most, square=True)
            tables = self._download(self._cascade.refine(batch, candidates, capacities, Observer()))
        return self._faces(tables, plan)

    def _in_parts(self, items: Sequence[_Item], run: Callable[[Sequence[_Item]], list[_Result]]) -> list[_Result]:
        return run_in_parts(items, run, device=self.name, describe=_describe, make_room=self._give_memory_back)


@dataclasses.dataclass(frozen=True, slots=True)
class HostFaces:
    """A `FacesTensor` on the host."""

    boxes: Floats
    scores: Floats
    landmarks: Floats
    counts: npt.NDArray[np.int32]
    wanted: list[int]


def _describe(item: Any) -> str:
    """Describe an image, or an image and the boxes in it."""
    image, boxes = item if isinstance(item, tuple) else (item, None)
    size = f"image of {image.shape[1]}x{image.shape[0]}"
    return size if boxes is None else f"{size} with {len(boxes)} boxes"
