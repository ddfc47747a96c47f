"""What to change so that a face which was missed is found."""

from __future__ import annotations

import math

from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.faces.fates import Fate, loss

#: A network's score below this says that it sees no face at all; a lower threshold lets in whatever else it rejects.
HOPELESS = 0.05

#: Which of `thresholds` and of `nms_thresholds` decides in a step.
THRESHOLDS = {"pnet": 0, "rnet": 1, "onet": 2}
NMS_THRESHOLDS = {"pnet": 0, "proposals": 1, "refinement": 2, "output": 3}

_NOT_UPRIGHT = (
    "The networks know upright faces: try rotations=(0, 90, 180, 270), or enlarge the picture if the face is small."
)


def remedy_for(fates: list[Fate], settings: DetectorConfig | None) -> str:
    """Return what to change so that a face at the point is found, or "" where one is found.

    Parameters
    ----------
    fates : list of Fate
        Of the candidates around the point.
    settings : DetectorConfig or None
        Settings of the detection; None stands for the defaults.
    """
    config = settings or DetectorConfig()
    if not fates or not (fates[0].kept or fates[0].dropped):
        return (
            f"Lower thresholds[0] (now {config.thresholds[0]:g}); or min_face_size (now {config.min_face_size:g}), "
            f"if the face is smaller than that."
        )
    if fates[-1].step == "output" and fates[-1].kept:
        return ""
    lost = loss(fates)
    if lost is None:
        last = "rnet" if fates[-1].step == "proposals" else "onet"
        return f"Lower thresholds[{THRESHOLDS[last]}]. {_NOT_UPRIGHT}"
    if not lost.dropped:
        return "Look at the box that the candidates moved to: ask for a point nearer to the middle of the face."
    reason, _, score, _ = lost.dropped[0]
    return _BY_REASON[reason](lost.step, score, config)


def _threshold(step: str, score: float, config: DetectorConfig) -> str:
    index = THRESHOLDS[step]
    if score < HOPELESS:
        return f"{'PRO'[index]}-Net sees no face there, so a lower threshold would let in much else. {_NOT_UPRIGHT}"
    changed = list(config.thresholds)
    # Scores must lie above the threshold.
    changed[index] = math.ceil(1000 * score - 1) / 1000
    return f"Set thresholds=({', '.join(f'{value:g}' for value in changed)}), and expect more false faces."


def _overlap(step: str, score: float, config: DetectorConfig) -> str:
    index = NMS_THRESHOLDS[step]
    return (
        f"Raise nms_thresholds[{index}] (now {config.nms_thresholds[index]:g}) if the better box is another face. "
        "If it is the same face, nothing is wrong here: follow the better box."
    )


def _degenerate(step: str, score: float, config: DetectorConfig) -> str:
    return "The box has no area or no pixel inside the image: add a border to the picture if the face is cut off."


def _limit(step: str, score: float, config: DetectorConfig) -> str:
    return f"Raise max_faces (now {config.max_faces}): better faces took its place."


_BY_REASON = {"threshold": _threshold, "overlap": _overlap, "degenerate": _degenerate, "limit": _limit}
