"""The ``cpu`` backend: the whole cascade in one call of the C++ engine, without the GIL."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mtcnn_fast._native import find_native, threads_from_environment
from mtcnn_fast._types import Floats, Image
from mtcnn_fast.backends.base import check_one_each
from mtcnn_fast.errors import BackendUnavailableError, ConfigError
from mtcnn_fast.faces import Faces
from mtcnn_fast.faces.trace import REASONS, STAGES, STEPS, Dropped, StageTrace

if TYPE_CHECKING:
    from mtcnn_fast._cpu import Engine
    from mtcnn_fast.config import DetectorConfig, Filter
    from mtcnn_fast.weights import Weights

    #: Of R-Net in 8 bits layers, its head and that one's bias, and the margin; in bfloat16 the margin of each network.
    EngineFilter = tuple[list[tuple[Any, ...]], Floats, float, float] | dict[str, float]


class NativeBackend:
    """Runs the cascade in C++, on as many threads as the configuration allows.

    The environment variable ``MTCNN_FAST_ISA`` names the instruction set to use instead of the best one that the
    processor has; ``mtcnn-fast info`` lists them.

    Parameters
    ----------
    config : DetectorConfig
    weights : Weights

    Raises
    ------
    BackendUnavailableError
        If the native module is missing.
    ConfigError
        If ``MTCNN_FAST_ISA`` names an instruction set that is not there, ``MTCNN_FAST_NUM_THREADS`` is no number of
        threads, no margin of the filter is known for the weights, or the processor lacks what the filter needs.
    """

    name = "cpu"

    def __init__(self, config: DetectorConfig, weights: Weights) -> None:
        self._num_threads = config.num_threads or threads_from_environment() or 0
        self._engine = make_engine(config, weights, isa=os.environ.get("MTCNN_FAST_ISA", ""))

    @property
    def isa(self) -> str:
        """The instruction set in use."""
        return self._engine.isa

    def detect(self, images: Sequence[Image], *, profile: bool = False, trace: bool = False) -> list[Faces]:
        """Detect the faces of each image, in the order of `images`; see `mtcnn_fast.backends.base.Backend`.

        The seconds in `Faces.timings` are wall-clock time: that of a stage is shared out over its images, and over the
        two stages that run as one (resizing and P-Net, cropping and R-Net or O-Net), in proportion to their work.
        """
        results = []
        found = self._engine.detect(list(images), self._num_threads, profile, trace)
        for image, (boxes, scores, landmarks, seconds, steps) in zip(images, found, strict=True):
            timings = dict(zip(STAGES, seconds, strict=True)) if seconds is not None else None
            candidates = None
            if steps is not None:
                candidates = [_step(step, *arrays) for step, arrays in zip(STEPS, steps, strict=True)]
            size = (image.shape[1], image.shape[0])
            results.append(Faces(boxes, scores, landmarks, size, timings=timings, trace=candidates))
        return results

    @property
    def on_tensors(self) -> None:
        """None: images and results are arrays."""

    def propose(self, images: Sequence[Image]) -> list[tuple[Floats, Floats]]:
        """Find what P-Net takes for faces in each image; see `mtcnn_fast.backends.base.Backend`."""
        return self._engine.propose(list(images), self._num_threads)

    def refine(self, images: Sequence[Image], boxes: Sequence[Floats]) -> list[Faces]:
        """Find the faces in given boxes; see `mtcnn_fast.backends.base.Backend`."""
        check_one_each(images, boxes)
        found = self._engine.refine(list(images), [np.ascontiguousarray(part) for part in boxes], self._num_threads)
        sizes = [(image.shape[1], image.shape[0]) for image in images]
        return [Faces(*arrays, size) for arrays, size in zip(found, sizes, strict=True)]

    def warmup(self) -> None:
        """Start the threads and allocate their memory."""
        self.detect([np.zeros((64, 64, 3), np.uint8)])

    def close(self) -> None:
        """Do nothing: memory is freed with the backend, and the threads are those of the process."""


def _step(
    step: str,
    boxes: Floats,
    scores: Floats,
    dropped: Floats,
    dropped_scores: Floats,
    reasons: list[int],
    by: Floats,
) -> StageTrace:
    """Give what the engine tells of a step the form that all backends share."""
    return StageTrace(
        step, boxes, scores, Dropped(dropped, dropped_scores, tuple(REASONS[reason] for reason in reasons), by)
    )


def make_engine(config: DetectorConfig, weights: Weights, *, isa: str = "", direct: bool = False) -> Engine:
    """Make the C++ engine for a configuration.

    Parameters
    ----------
    config : DetectorConfig
    weights : Weights
    isa : str
        Instruction set, or an empty string for the best that the processor has.
    direct : bool
        Compute every convolution directly: slower, and the reference for the algorithms that are used otherwise.
    """
    filter_ = _filter(config, weights)
    return engine_with(config, weights, filter_, isa=isa, direct=direct, pnet_margin=_pnet_margin(config, weights))


def _filter(config: DetectorConfig, weights: Weights) -> EngineFilter | None:
    if config.filter is None:
        return None
    if config.filter == "amx":
        module = find_native()[0]
        if module is not None and not module.has_tiles():
            raise ConfigError(
                "filter must be 'int8' or None on this machine, got 'amx', which needs AMX's tiles of bfloat16: Linux "
                "on an Intel Xeon from Sapphire Rapids on"
            )
    return filter_with(config.filter, weights, filter_margins(config.filter, weights))


def filter_margins(name: Filter, weights: Weights) -> dict[str, float]:
    """Return the margin of the filter before each network that has one: rnet, and with amx onet.

    Raises
    ------
    ConfigError
        If none was measured for the weights.
    """
    if name == "amx":
        from mtcnn_fast.weights.margins import bfloat16_margins

        return bfloat16_margins(weights)
    from mtcnn_fast.weights import int8

    return {"rnet": int8.calibration(weights).margin}


def _pnet_margin(config: DetectorConfig, weights: Weights) -> float | None:
    """Return the margin of the filter before P-Net, which amx has; None for no such filter."""
    if config.filter != "amx":
        return None
    from mtcnn_fast.weights.margins import pnet_bfloat16_margin

    return pnet_bfloat16_margin(weights)


def filter_with(
    name: Filter, weights: Weights, margins: Mapping[str, float], ranges: Mapping[str, Floats] | None = None
) -> EngineFilter:
    """Return what the engine needs of a filter with these margins, and for int8 with the measured ranges or these."""
    if name == "amx":
        return dict(margins)
    from mtcnn_fast.weights import int8

    layers = int8.quantise(weights.rnet, int8.calibration(weights).ranges if ranges is None else ranges)
    return [layer.arrays() for layer in layers], *int8.head(weights.rnet), margins["rnet"]


def engine_with(
    config: DetectorConfig,
    weights: Weights,
    filter_: EngineFilter | None,
    *,
    isa: str = "",
    direct: bool = False,
    pnet_margin: float | None = None,
) -> Engine:
    """Make the engine with filters of the caller's, whatever the configuration says of them; see `make_engine`."""
    module, problem = find_native()
    if module is None:
        raise BackendUnavailableError(problem)
    names = module.available_isas()
    if isa and isa not in names:
        raise ConfigError(f"MTCNN_FAST_ISA must be one of {', '.join(names)} on this machine, got {isa!r}")
    engine: Engine = module.Engine(
        dict(weights.pnet),
        dict(weights.rnet),
        dict(weights.onet),
        min_face_size=config.min_face_size,
        max_face_size=config.max_face_size,
        factor=config.factor,
        thresholds=config.thresholds,
        nms_thresholds=config.nms_thresholds,
        zero_border=config.border == "zero",
        rcnn_coding=weights.box_coding == "rcnn",
        max_faces=config.max_faces,
        isa=isa,
        direct=direct,
        filter=filter_,
        pnet_margin=pnet_margin,
    )
    return engine
