"""Speed and memory of a detector, measured while it is evaluated."""

from __future__ import annotations

import dataclasses
import re
import resource
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True, slots=True)
class Timing:
    """Seconds spent on one image, and memory.

    Attributes
    ----------
    decode : float
        Reading the file into pixels, which is not the detector's work.
    detect : float
        From pixels to faces.
    stages : dict of str to float
        Parts of `detect`, where the detector times them.
    cpu : float or None
        What the processor spent on detection in all threads, which other work on the machine changes less.
    peak_memory_mb : float or None
        Most memory that the process has held up to this image, in 10**6 bytes.
    """

    decode: float
    detect: float
    stages: Mapping[str, float] = dataclasses.field(default_factory=dict)
    cpu: float | None = None
    peak_memory_mb: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Speed:
    """What the timings of a run add up to; times in milliseconds an image.

    Attributes
    ----------
    images : int
    images_per_second : float
        Of detection alone, one image after the other.
    mean_ms, p50_ms, p95_ms, p99_ms : float
        Of detection.
    cpu_ms : float or None
        Mean time of the processor for detection, in all threads.
    decode_ms : float
        Mean time to read a file.
    stages_ms : dict of str to float
        Mean time of each stage.
    peak_memory_mb : float or None
        Most memory that a process of the run has held, in 10**6 bytes.
    """

    images: int
    images_per_second: float
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_ms: float | None
    decode_ms: float
    stages_ms: dict[str, float]
    peak_memory_mb: float | None

    @classmethod
    def of(cls, timings: Sequence[Timing]) -> Speed:
        """Summarise the timings of at least one image."""
        detect = np.array([timing.detect for timing in timings]) * 1000
        p50, p95, p99 = np.percentile(detect, [50, 95, 99]).tolist()
        names = dict.fromkeys(name for timing in timings for name in timing.stages)
        stages = {name: 1000 * float(np.mean([timing.stages.get(name, 0.0) for timing in timings])) for name in names}
        decode = 1000 * float(np.mean([timing.decode for timing in timings]))
        mean = float(detect.mean())
        cpu = [1000 * item.cpu for item in timings if item.cpu is not None]
        cpu_ms = float(np.mean(cpu)) if cpu else None
        memory = max((item.peak_memory_mb for item in timings if item.peak_memory_mb is not None), default=None)
        return cls(len(timings), 1000 / mean, mean, p50, p95, p99, cpu_ms, decode, stages, memory)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain objects."""
        return dataclasses.asdict(self)


def peak_memory_mb() -> float:
    """Return the most memory that this process has held, in 10**6 bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # `getrusage` would include what the process that started this one held.
        match = re.search(r"VmHWM:\s*(\d+) kB", status.read_text())
        if match is not None:
            return int(match[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
