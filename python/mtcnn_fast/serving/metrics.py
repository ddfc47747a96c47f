"""What the service counts, in the text format of Prometheus."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
    multiprocess,
)

if TYPE_CHECKING:
    from mtcnn_fast.serving.limits import Limits
    from mtcnn_fast.serving.slots import Slots

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

#: The folder in which several processes share what they count; prometheus_client reads the variable itself.
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """The counters of one application.

    Parameters
    ----------
    slots : Slots

    Attributes
    ----------
    limits : Limits or None
        The middleware, which is made later than this.
    """

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self.limits: Limits | None = None
        self._is_shared = bool(os.environ.get(SHARED_FOLDER))
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "mtcnn_fast_requests", "Requests answered.", ["route", "method", "status"], registry=registry
        )
        self.problems = Counter("mtcnn_fast_problems", "Requests refused, by kind.", ["kind"], registry=registry)
        self.request_seconds = Histogram(
            "mtcnn_fast_request_seconds", "Time from head to answer.", ["route"], buckets=_BUCKETS, registry=registry
        )
        self.stage_seconds = Histogram(
            "mtcnn_fast_stage_seconds",
            "Time of a picture in queue, decode, detect and render.",
            ["stage"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self.images = Counter("mtcnn_fast_images", "Pictures searched.", registry=registry)
        self.faces = Counter("mtcnn_fast_faces", "Faces found.", registry=registry)
        self._gauges = {
            name: Gauge(f"mtcnn_fast_{name}", text, registry=registry, multiprocess_mode="livesum")
            for name, text in {
                "slots": "Slots of this service.",
                "slots_busy": "Slots at work.",
                "queue_length": "Pictures that wait for a slot.",
                "buffered_bytes": "Bytes of bodies held.",
            }.items()
        }
        if not self._is_shared:
            ProcessCollector(registry=registry)
            PlatformCollector(registry=registry)

    def found(self, seconds: dict[str, float], faces: int) -> None:
        """Count a picture."""
        self.images.inc()
        self.faces.inc(faces)
        for stage, value in seconds.items():
            self.stage_seconds.labels(stage).observe(value)

    def text(self) -> bytes:
        """Return everything counted; with several processes, of all of them."""
        self._update_gauges()
        registry = self._registry
        if self._is_shared:
            registry = CollectorRegistry()
            add_all: Any = multiprocess.MultiProcessCollector
            add_all(registry)
        text: bytes = generate_latest(registry)
        return text

    def share_gauges(self) -> None:
        """Note how things stand for other processes, which read only what was noted."""
        if self._is_shared:
            self._update_gauges()

    def _update_gauges(self) -> None:
        values = {
            "slots": self._slots.count,
            "slots_busy": self._slots.running,
            "queue_length": self._slots.waiting,
            "buffered_bytes": self.limits.buffered if self.limits is not None else 0,
        }
        for name, value in values.items():
            self._gauges[name].set(value)
