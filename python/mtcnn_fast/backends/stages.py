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


#: Why a candidate is dropped: its score is not above the network's threshold; it overlaps a better one too much; it has
#: no area or no pixel inside the image, or is not finite; there are more than `max_faces`.
REASONS = ("threshold", "overlap", "degenerate", "limit")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Dropped:
    """The candidates that one step of the cascade drops, and why.

    Attributes
    ----------
    boxes : (M, 4) float32
        Corners ``x1, y1, x2, y2`` in pixels, as the step saw them.
    scores : (M,) float32
        Face probabilities from the network that saw the candidates last.
    reasons : tuple of M str
        Of `REASONS`.
    by : (M, 4) float32
        The better box that a candidate overlaps, where that is the reason; else NaN.
    """

    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    reasons: tuple[str, ...]
    by: npt.NDArray[np.float32]

    @classmethod
    def none(cls) -> Dropped:
        """No candidates."""
        nothing = np.empty((0, 4), np.float32)
        return cls(nothing, np.empty(0, np.float32), (), nothing)


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
    dropped : Dropped
        The candidates that the step dropped. P-Net's cells below its threshold are not among them: they are most of
        the pyramid.
    """

    step: str
    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    dropped: Dropped = dataclasses.field(default_factory=Dropped.none)


class Record:
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
        """Remember those of the candidates that are dropped, and the index of the better box of each, if there is."""
        if self.tracing:
            better = np.full((int(which.sum()), 4), np.nan, np.float32) if by is None else boxes[by[which]]
            self._dropped.append(Dropped(boxes[which], scores[which], (reason,) * len(better), better))
