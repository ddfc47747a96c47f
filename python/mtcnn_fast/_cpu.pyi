"""Native code for the CPU. Private: `mtcnn_fast.ops` and the backends check what they pass.

Every name here exists in the module and has a test that compares it with an implementation that is not native.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

#: Threads that a call may use at most, sides of a crop and of a level in pixels, and sides of an image that `Engine`
#: takes: float32 holds each whole number up to there.
MAX_THREADS: int
MAX_CROP: int
MAX_LEVEL: int
MAX_SIDE: int

#: Stages that are timed, steps that are traced, and reasons to drop a candidate; `Engine.detect` gives their indices.
STAGES: tuple[str, ...]
STEPS: tuple[str, ...]
REASONS: tuple[str, ...]

def available_threads() -> int: ...
def resize_pyramid(
    image: npt.NDArray[np.uint8], sizes: Sequence[tuple[int, int]], num_threads: int = 1, isa: str = ""
) -> list[npt.NDArray[np.float32]]: ...
def crop_pad_resize(
    image: npt.NDArray[np.uint8],
    boxes: npt.NDArray[np.float32],
    size: int,
    zero_border: bool,
    num_threads: int = 1,
    isa: str = "",
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]: ...
def batched_nms(
    boxes: npt.NDArray[np.float32],
    scores: npt.NDArray[np.float32],
    segments: npt.NDArray[np.int64],
    threshold: float,
    iomin: bool,
) -> npt.NDArray[np.int64]: ...
def available_isas() -> list[str]: ...

#: Whether `Engine` can filter in bfloat16; the first call asks the system for AMX's registers.
def has_tiles() -> bool: ...

class Engine:
    def __init__(
        self,
        pnet: Mapping[str, npt.NDArray[np.float32]],
        rnet: Mapping[str, npt.NDArray[np.float32]],
        onet: Mapping[str, npt.NDArray[np.float32]],
        *,
        min_face_size: float,
        max_face_size: float | None,
        factor: float,
        thresholds: tuple[float, float, float],
        nms_thresholds: tuple[float, float, float, float],
        zero_border: bool,
        rcnn_coding: bool,
        max_faces: int | None,
        isa: str,
        direct: bool,
        filter: tuple[list[tuple[Any, ...]], npt.NDArray[np.float32], float, float] | dict[str, float] | None,
        pnet_margin: float | None,
    ) -> None: ...
    @property
    def isa(self) -> str: ...
    def detect(
        self, images: list[npt.NDArray[np.uint8]], num_threads: int, profile: bool, trace: bool
    ) -> list[
        tuple[
            npt.NDArray[np.float32],
            npt.NDArray[np.float32],
            npt.NDArray[np.float32],
            list[float] | None,
            list[
                tuple[
                    npt.NDArray[np.float32],
                    npt.NDArray[np.float32],
                    npt.NDArray[np.float32],
                    npt.NDArray[np.float32],
                    list[int],
                    npt.NDArray[np.float32],
                ]
            ]
            | None,
        ]
    ]: ...
    def filter_differences(
        self, images: list[npt.NDArray[np.uint8]], network: str, num_threads: int
    ) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]: ...
    def propose(
        self, images: list[npt.NDArray[np.uint8]], num_threads: int
    ) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]: ...
    def refine(
        self, images: list[npt.NDArray[np.uint8]], boxes: list[npt.NDArray[np.float32]], num_threads: int
    ) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]]: ...
