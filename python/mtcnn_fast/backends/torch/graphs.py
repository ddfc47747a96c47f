"""Detections recorded as CUDA Graphs, so that the processor queues one thing in place of hundreds."""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch

from mtcnn_fast._types import Image
from mtcnn_fast.backends.cascade.observer import Observer
from mtcnn_fast.backends.cascade.plan import Plan
from mtcnn_fast.backends.cascade.run import Cascade
from mtcnn_fast.backends.cascade.steps import Capacities, FacesTensor
from mtcnn_fast.backends.cuda.kernels import CudaBatch, CudaOps

Work = Callable[[], FacesTensor]
#: Runs a piece of work, and returns its result and what does it again on the same memory.
GraphRecorder = Callable[[Work], tuple[FacesTensor, Callable[[], None]]]
_Result = TypeVar("_Result")


@dataclasses.dataclass(frozen=True, slots=True)
class _Recording:
    batch: CudaBatch
    faces: FacesTensor
    replay: Callable[[], None]


class Graphs:
    """Recordings by the sizes of a batch's images and the lengths of the lists.

    Parameters
    ----------
    most : int
        Recordings kept; the one that was not used for longest makes room for the next.
    record : callable
    """

    def __init__(self, most: int, record: GraphRecorder) -> None:
        self._most, self._record = most, record
        self._recordings: OrderedDict[tuple[Any, ...], _Recording] = OrderedDict()
        # A recording has one memory for its images and its result, so one detection at a time.
        self._lock = threading.Lock()

    @property
    def sizes(self) -> list[tuple[tuple[int, int], ...]]:
        """Height and width of the images of each recording, the one used last at the end."""
        return [key[:-1] for key in self._recordings]

    def detect(
        self,
        device_ops: CudaOps,
        cascade: Cascade,
        images: Sequence[Image],
        plan: Plan,
        capacities: Capacities,
        finish: Callable[[FacesTensor], _Result],
    ) -> _Result:
        """Detect by a recording, made if there is none, and return what `finish` makes of the result.

        The result's memory is written again by the next detection: `finish` has to copy it.
        """
        key = (*plan.sizes, capacities)
        with self._lock:
            recording = self._recordings.pop(key, None)
            if recording is None:
                batch = device_ops.upload(images, plan)
                recording = _Recording(batch, *self._record(lambda: cascade.detect(batch, capacities, Observer())))
            else:
                device_ops.refill(recording.batch, images)
            self._recordings[key] = recording
            while len(self._recordings) > self._most:
                self._recordings.popitem(last=False)
            recording.replay()
            return finish(recording.faces)

    def clear(self) -> None:
        """Forget all recordings, and with them their memory."""
        with self._lock:
            self._recordings.clear()


def record_graph(device: torch.device) -> GraphRecorder:
    """Return a recorder of CUDA Graphs on a device."""

    def record(work: Work) -> tuple[FacesTensor, Callable[[], None]]:
        cuda: Any = torch.cuda  # has no types
        with cuda.device(device):
            # Libraries choose their algorithms and take their memory before the recording, which allows neither.
            current, side = cuda.current_stream(device), cuda.Stream(device)
            side.wait_stream(current)
            with cuda.stream(side):
                work()
            current.wait_stream(side)
            graph = cuda.CUDAGraph()
            # Without a stream torch takes one for the whole process, on the device that recorded first: on another one
            # nothing would be recorded. Other threads may go on with what a recording must not do.
            with cuda.graph(graph, stream=side, capture_error_mode="thread_local"):
                faces = work()
        return faces, graph.replay

    return record
