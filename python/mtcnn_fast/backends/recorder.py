"""`Recorder`: times and candidates of a detection while it runs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from mtcnn_fast.faces.trace import STAGES, Dropped, StageTrace


class Recorder:
    """Collects times and candidates while a detection runs.

    Parameters
    ----------
    tracing : bool
        Whether to collect candidates.
    """

    def __init__(self, tracing: bool) -> None:
        self.tracing = tracing
        self.timings = dict.fromkeys(STAGES, 0.0)
        self.trace: list[StageTrace] = []
        self._dropped: list[Dropped] = []

    @contextlib.contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Add the seconds that a block takes to a stage."""
        start = time.perf_counter()
        yield
        self.timings[stage] += time.perf_counter() - start

    def candidates(self, step: str, boxes: npt.NDArray[np.float32], scores: npt.NDArray[np.float32]) -> None:
        """Remember the candidates that a step leaves; those dropped since the step before are its own."""
        if self.tracing:
            parts = [Dropped.none(), *self._dropped]
            joined = [np.concatenate([getattr(part, name) for part in parts]) for name in ("boxes", "scores", "by")]
            reasons = tuple(reason for part in parts for reason in part.reasons)
            self.trace.append(StageTrace(step, boxes, scores, Dropped(joined[0], joined[1], reasons, joined[2])))
            self._dropped.clear()

    def drop(
        self,
        boxes: npt.NDArray[np.float32],
        scores: npt.NDArray[np.float32],
        which: npt.NDArray[np.bool_],
        reason: str,
        by: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """Remember dropped candidates; `by` holds the index of the better box for each that overlaps one."""
        if self.tracing:
            better = np.full((int(which.sum()), 4), np.nan, np.float32) if by is None else boxes[by[which]]
            self._dropped.append(Dropped(boxes[which], scores[which], (reason,) * len(better), better))
