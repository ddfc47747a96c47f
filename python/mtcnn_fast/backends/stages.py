"""What backends report of a detection besides its faces: seconds per stage, and the candidates that each step left."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

#: Keys of `Faces.timings`, in the order in which the cascade runs them; every backend uses these.
STAGES = (
    "pyramid",
    "pnet",
    "proposals",
    "rnet_crop",
    "rnet",
    "refinement",
    "onet_crop",
    "onet",
    "output",
)

#: Steps of `Faces.trace`, in order: what passes a network's threshold (for P-Net, what survives within its scale), and
#: what is left after the suppression that follows, with the boxes as the next stage gets them.
STEPS = ("pnet", "proposals", "rnet", "refinement", "onet", "output")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class StageTrace:
    """The candidates that are left after one step of the cascade.

    Attributes
    ----------
    step : str
        One of `STEPS`.
    boxes : (N, 4) float32
        Corners ``x1, y1, x2, y2`` in pixels.
    scores : (N,) float32
        Face probabilities from the network that saw the candidates last.
    """

    step: str
    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]


class Record:
    """Collects times and candidates while a detection runs."""

    def __init__(self) -> None:
        self.timings = dict.fromkeys(STAGES, 0.0)
        self.trace: list[StageTrace] = []

    @contextlib.contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Add the seconds that a block takes to a stage."""
        start = time.perf_counter()
        yield
        self.timings[stage] += time.perf_counter() - start

    def candidates(self, step: str, boxes: npt.NDArray[np.float32], scores: npt.NDArray[np.float32]) -> None:
        """Remember the candidates of a step."""
        self.trace.append(StageTrace(step, boxes, scores))
