"""`DetectorConfig`: every setting of the cascade, its default and its check, in one place."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args

from mtcnn_fast._native import THREADS, THREADS_VARIABLE
from mtcnn_fast.checks import Choice, Count, Maybe, Number, Tuple, check_settings, setting

if TYPE_CHECKING:
    from typing import TypeGuard

Border = Literal["zero", "clip"]
BORDERS: tuple[Border, ...] = get_args(Border)

Precision = Literal["float32", "tf32", "float16", "bfloat16", "float16-filter"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
#: Those of the package's own kernels on CUDA devices, and those of networks in torch.
FUSED_PRECISIONS: tuple[Precision, ...] = ("float32", "float16-filter")
TORCH_PRECISIONS: tuple[Precision, ...] = ("float32", "tf32", "float16", "bfloat16")

Filter = Literal["int8", "amx"]
FILTERS: tuple[Filter, ...] = get_args(Filter)

#: Side of P-Net's receptive field in pixels: the smallest face that a scale of 1 can find.
CELL = 12

#: A score or an overlap.
_SHARE = Number(0, 1)


@dataclasses.dataclass(frozen=True, slots=True)
class DetectorConfig:
    """Settings of a detection, validated on construction and immutable afterwards.

    The table in ``docs/settings.md`` is made of the declarations below.

    Attributes
    ----------
    min_face_size : float
        Side in pixels of the smallest face to look for, at least 1. The first scale of the pyramid is
        ``12 / min_face_size``.
    max_face_size : float or None
        Scales that look only for faces larger than this many pixels are left out; ``None`` keeps all. At least
        `min_face_size`.
    thresholds : tuple of 3 float
        Least face probability after P-Net (inclusive), R-Net and O-Net (exclusive), each from 0 to 1.
    factor : float
        Ratio between two neighbouring scales of the pyramid, above 0 and at most 0.99. The default is about sqrt(1/2),
        which halves the area.
    nms_thresholds : tuple of 4 float
        Overlap above which the lower-scoring box is suppressed: within a scale, over all scales, after R-Net (all
        intersection over union) and after O-Net (intersection over the smaller area), each from 0 to 1.
    border : {"zero", "clip"}
        What fills the part of a candidate box outside the image: zeros, as in the paper, or nothing (the part inside is
        stretched to the network's input), as in facenet-pytorch.
    max_faces : int or None
        Keep only this many faces, those with the highest scores, at least 1; ``None`` keeps all.
    max_pixels : int
        Images with more pixels are refused with `ImageError`; at least 1.
    num_threads : int or None
        Threads of the ``cpu`` backend, from 1 to 1024. ``None`` takes the environment variable
        ``MTCNN_FAST_NUM_THREADS``, or all processors that the process may use.
    precision : {"float32", "tf32", "float16", "bfloat16", "float16-filter"}
        Arithmetic of the networks on ``torch:cpu`` and ``cuda``, within `mtcnn_fast.nets.TOLERANCES`; the other
        backends have float32 only. tf32 is float32 with rounded factors, which CUDA devices have from compute
        capability 8.0 on, and is the same as float32 elsewhere. float16-filter, on ``cuda``, gives float32's results:
        tensor cores drop what lies below P-Net's threshold by more than a measured margin, float32 decides the rest;
        it takes weights for which a margin was measured, such as the package's own. Geometry is float32 always.
    filter : {"int8", "amx"} or None
        On the ``cpu`` backend, R-Net in 8 bits drops the windows that it scores surely below the threshold, and R-Net
        itself computes the rest: less time, the same faces. "Surely" is a margin measured on photographs, not proved;
        it is known for the weights that come with the package, and others are refused, as other backends refuse it.
        amx does so in bfloat16 by Intel's matrix instructions, for P-Net's cells and O-Net too, on Linux and
        processors that have AMX.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of range; it names the setting, the value and the accepted range.
    """

    min_face_size: float = setting(20, Number(1), "Side of the smallest face to look for.", "PIXELS")
    max_face_size: float | None = setting(
        None, Maybe(Number(1)), "Side of the largest face to look for; at least the smallest.", "PIXELS"
    )
    thresholds: tuple[float, float, float] = setting(
        (0.6, 0.7, 0.7), Tuple(_SHARE, 3), "Least score after P-Net, R-Net and O-Net.", "P R O"
    )
    # Above 0.99 a VGA image would have hundreds of nearly equal scales: a slip, not a wish.
    factor: float = setting(
        0.709, Number(0, 0.99, open_low=True), "Ratio between two neighbouring scales of the pyramid.", "RATIO"
    )
    nms_thresholds: tuple[float, float, float, float] = setting(
        (0.5, 0.7, 0.7, 0.7),
        Tuple(_SHARE, 4),
        "Overlap allowed within a scale, over all scales, after R-Net and after O-Net.",
        "S A R O",
    )
    border: Border = setting(
        "zero",
        Choice(BORDERS),
        "What fills the part of a box outside the image: zeros, or nothing (clip: the part inside is stretched).",
    )
    max_faces: int | None = setting(None, Maybe(Count()), "Keep the N faces with the highest scores.", "N")
    max_pixels: int = setting(200_000_000, Count(), "Refuse images with more pixels.", "N")
    num_threads: int | None = setting(
        None,
        Maybe(THREADS),
        f"Threads of the cpu device; if not given, ${THREADS_VARIABLE} or all processors.",
        "N",
    )
    precision: Precision = setting(
        "float32",
        Choice(PRECISIONS),
        "Arithmetic of the networks on torch:cpu and cuda; other devices have float32. float16-filter (cuda) gives "
        "float32's results by way of tensor cores.",
    )
    filter: Filter | None = setting(
        None,
        Maybe(Choice(FILTERS)),
        "On cpu, drops what is surely no face: windows by R-Net in 8 bits, or amx: all three networks in bfloat16.",
    )

    def __post_init__(self) -> None:
        max_face_size = self.max_face_size
        check_settings(self)
        Maybe(Number(self.min_face_size))("max_face_size", max_face_size)

    # Hidden from the type checker, for which it would make any name an attribute.
    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            """Return the default of a setting that a pickle of an earlier version lacks."""
            field = self.__dataclass_fields__.get(name)
            if field is None:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            return field.default


#: The settings of a detector for which none are given.
DEFAULTS = DetectorConfig()

#: Names of the weights that come with the package; the first is the default.
WEIGHTS: tuple[str, ...] = ("zhang2016", "wider")


def is_named(weights: object) -> TypeGuard[str]:
    """Tell whether this is the name of weights that come with the package."""
    return isinstance(weights, str) and weights in WEIGHTS


#: Settings that take less time or find more faces than the default, on the frontier of speed and accuracy that
#: ``benchmarks/frontier.py`` measures.
PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "default": MappingProxyType({}),
        "balanced": MappingProxyType({"min_face_size": 25, "factor": 0.6}),
        "fast": MappingProxyType({"min_face_size": 40, "thresholds": (0.7, 0.8, 0.3), "factor": 0.6}),
        "accurate": MappingProxyType({"min_face_size": 10, "thresholds": (0.5, 0.5, 0.3), "factor": 0.709}),
    }
)
