"""The cascade on a device: one orchestration over `DeviceOps` and `Networks`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mtcnn_fast._types import AnyArray, Floats
from mtcnn_fast.backends.cascade.networks import Networks
from mtcnn_fast.backends.cascade.observer import Observer
from mtcnn_fast.backends.cascade.steps import Batch, Candidates, Capacities, DeviceArray, DeviceOps, FacesTensor
from mtcnn_fast.config import DetectorConfig


class Cascade:
    """Runs the steps of docs/semantics.md on a batch.

    Parameters
    ----------
    config : DetectorConfig
    networks : Networks
    device_ops : DeviceOps
    """

    def __init__(self, config: DetectorConfig, networks: Networks, device_ops: DeviceOps[Any]) -> None:
        self._config, self._networks, self._ops = config, networks, device_ops

    def detect(self, batch: Batch, capacities: Capacities, observer: Observer) -> FacesTensor:
        """Return the faces of a batch of images."""
        return self.refine(batch, self.propose(batch, capacities, observer), capacities, observer)

    def propose(self, batch: Batch, capacities: Capacities, observer: Observer) -> Candidates:
        """Return what P-Net proposes, regressed and square (section 2)."""
        limits = self._config.nms_thresholds
        maps = self._networks.scan(batch, observer)
        with observer.time("proposals"):
            found = self._ops.propose(batch, maps, self._config.thresholds[0], capacities.proposals)
            assert found.segments is not None
            kept = self._ops.suppress(found, found.segments, len(batch.plan.levels), limits[0], "iou")
            observer.suppressed(found, found.segments, limits[0])
            found = self._ops.gather(batch, found, kept, capacities.proposals)
            observer.kept("pnet", found)
            kept = self._ops.suppress(found, found.images, len(batch.plan.sizes), limits[1], "iou")
            observer.suppressed(found, found.images, limits[1])
            return self._ops.gather(batch, found, kept, capacities.rnet, regress=True, square=True, wanted=1)

    def refine(self, batch: Batch, candidates: Candidates, capacities: Capacities, observer: Observer) -> FacesTensor:
        """Return the faces among square candidates, by R-Net and O-Net (sections 3 and 4)."""
        limits, thresholds, images = self._config.nms_thresholds, self._config.thresholds, len(batch.plan.sizes)
        seen, valid, _ = self._networks.classify("rnet", batch, candidates, observer)
        observer.kept("proposals", candidates, valid)
        with observer.time("refinement"):
            observer.below_threshold(seen, valid, thresholds[1])
            passed = self._ops.filter(batch, seen, None, valid, thresholds[1], capacities.rnet)
            observer.kept("rnet", passed)
            kept = self._ops.suppress(passed, passed.images, images, limits[2], "iou")
            observer.suppressed(passed, passed.images, limits[2])
            candidates = self._ops.gather(
                batch, passed, kept, capacities.onet, regress=True, inclusive=True, square=True, wanted=2
            )
        seen, valid, points = self._networks.classify("onet", batch, candidates, observer)
        observer.kept("refinement", candidates, valid)
        with observer.time("output"):
            observer.below_threshold(seen, valid, thresholds[2])
            passed = self._ops.filter(batch, seen, points, valid, thresholds[2], capacities.onet)
            observer.kept("onet", passed)
            passed = self._ops.gather(batch, passed, None, capacities.onet, regress=True, inclusive=True)
            kept = self._ops.suppress(passed, passed.images, images, limits[3], "iomin")
            observer.suppressed(passed, passed.images, limits[3], "iomin")
            faces = self._ops.gather(batch, passed, kept, capacities.onet)
            observer.result(faces, self._config.max_faces)
            return self._ops.pack(batch, faces, capacities)


def boxes_as_candidates(boxes: Sequence[Floats], put: Callable[[Sequence[AnyArray]], list[DeviceArray]]) -> Candidates:
    """Make candidates of the boxes ``(N, 4)`` of each image, with scores that no network has given yet.

    Parameters
    ----------
    boxes : sequence of (N, 4) float32 ndarray
    put : callable
        Copies arrays to the device, see `DeviceOps.put`.
    """
    index = np.repeat(np.arange(len(boxes), dtype=np.int32), [len(part) for part in boxes])
    corners = np.concatenate([np.empty((0, 4), np.float32), *boxes])
    count = np.array([len(corners)], np.int32)
    return Candidates(*put([corners, np.zeros(len(corners), np.float32), np.zeros_like(corners), index, count]))
