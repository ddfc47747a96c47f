"""`DetectorConfig`: every setting of the cascade, its default and its check, in one place."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, get_args

from mtcnn_fast.checks import check_count, check_number, check_probabilities
from mtcnn_fast.errors import ConfigError

Border = Literal["zero", "clip"]
BORDERS: tuple[Border, ...] = ("zero", "clip")

Precision = Literal["float32", "tf32", "float16", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

#: Side of P-Net's receptive field in pixels: the smallest face that a scale of 1 can find.
CELL = 12


@dataclasses.dataclass(frozen=True, slots=True)
class DetectorConfig:
    """Settings of a detection, validated on construction and immutable afterwards.

    Attributes
    ----------
    min_face_size : float
        Side in pixels of the smallest face to look for, at least 1. The first scale of the pyramid is
        ``12 / min_face_size``.
    max_face_size : float or None
        Scales that look only for faces larger than this many pixels are left out; ``None`` keeps all.
    thresholds : tuple of 3 float
        Least face probability after P-Net (inclusive), R-Net and O-Net (exclusive), each in [0, 1].
    factor : float
        Ratio between two neighbouring scales of the pyramid, in (0, 1). The default is about sqrt(1/2), which halves
        the area.
    nms_thresholds : tuple of 4 float
        Overlap above which the lower-scoring box is suppressed: within a scale, over all scales, after R-Net (all
        intersection over union) and after O-Net (intersection over the smaller area), each in [0, 1].
    border : {"zero", "clip"}
        What a candidate box that leaves the image is filled with: zeros, as in the paper, or nothing (the part inside
        is stretched to the network's input), as facenet-pytorch does.
    max_faces : int or None
        Keep only this many faces, those with the highest scores; ``None`` keeps all.
    max_pixels : int
        Images with more pixels are refused with `ImageError`.
    num_threads : int or None
        Threads used by the ``cpu`` backend; ``None`` takes as many as the process may use.
    precision : {"float32", "tf32", "float16", "bfloat16"}
        What the networks compute in on ``torch:cpu`` and ``cuda``, within `mtcnn_fast.nets.TOLERANCES`; the other
        backends have float32 only. tf32 is float32 with rounded factors, which CUDA devices have from compute
        capability 8.0 on, and is the same as float32 elsewhere. Geometry is float32 always.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of range; it names the setting, the value and the accepted range.
    """

    min_face_size: float = 20
    max_face_size: float | None = None
    thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)
    factor: float = 0.709
    nms_thresholds: tuple[float, float, float, float] = (0.5, 0.7, 0.7, 0.7)
    border: Border = "zero"
    max_faces: int | None = None
    max_pixels: int = 200_000_000
    num_threads: int | None = None
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "min_face_size", check_number("min_face_size", self.min_face_size, low=1.0))
        if self.max_face_size is not None:
            put(self, "max_face_size", check_number("max_face_size", self.max_face_size, low=self.min_face_size))
        put(self, "thresholds", check_probabilities("thresholds", self.thresholds, 3))
        put(self, "nms_thresholds", check_probabilities("nms_thresholds", self.nms_thresholds, 4))
        factor = check_number("factor", self.factor)
        # Above 0.99 a VGA image would have hundreds of nearly equal scales: a slip, not a wish.
        if not 0.0 < factor <= 0.99:
            raise ConfigError(f"factor must be above 0 and at most 0.99, got {self.factor!r}")
        put(self, "factor", factor)
        if not isinstance(self.border, str) or self.border not in BORDERS:
            raise ConfigError(f"border must be 'zero' or 'clip', got {self.border!r}")
        if self.max_faces is not None:
            put(self, "max_faces", check_count("max_faces", self.max_faces))
        put(self, "max_pixels", check_count("max_pixels", self.max_pixels))
        if self.num_threads is not None:
            put(self, "num_threads", check_count("num_threads", self.num_threads))
        if not isinstance(self.precision, str) or self.precision not in PRECISIONS:
            raise ConfigError(f"precision must be one of {', '.join(PRECISIONS)}, got {self.precision!r}")


#: The settings of a detector that was told none.
DEFAULTS = DetectorConfig()

#: Settings for those who want less time or more faces than the default, on the frontier of speed and accuracy that
#: ``benchmarks/frontier.py`` measures.
PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "fast": {"min_face_size": 40, "thresholds": (0.7, 0.8, 0.3), "factor": 0.6},
    "accurate": {"min_face_size": 10, "thresholds": (0.5, 0.5, 0.3), "factor": 0.709},
}
