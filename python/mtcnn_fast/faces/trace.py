"""What a detection reports besides its faces: the stages that are timed, and the candidates that each step left."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from mtcnn_fast.config import DetectorConfig

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


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
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

    def __repr__(self) -> str:
        counts = ", ".join(f"{self.reasons.count(reason)} {reason}" for reason in REASONS if reason in self.reasons)
        return f"Dropped({len(self.scores)}{': ' + counts if counts else ''})"


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
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

    def __repr__(self) -> str:
        best = f", best {self.scores.max():.4f}" if len(self.scores) else ""
        return f"StageTrace({self.step}: {len(self.scores)} kept{best}, {len(self.dropped.scores)} dropped)"


class Trace(list[StageTrace]):
    """The steps of a detection, and the settings that they ran with.

    Parameters
    ----------
    steps : iterable of StageTrace
    settings : DetectorConfig

    Attributes
    ----------
    settings : DetectorConfig
    """

    settings: DetectorConfig

    def __init__(self, steps: Iterable[StageTrace], settings: DetectorConfig) -> None:
        super().__init__(steps)
        self.settings = settings
