"""The three networks as fused kernels: from the images to their outputs, in float32 and with one order of sums."""

from __future__ import annotations

import dataclasses
import math
from types import ModuleType
from typing import Any

import numpy as np

from mtcnn_fast.backends.cascade.observer import Observer
from mtcnn_fast.backends.cascade.steps import Candidates, CropNetworkName, DeviceArray, Maps
from mtcnn_fast.backends.cuda.arrays import Arrays
from mtcnn_fast.backends.cuda.devices import widths_problem
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.weights import Weights
from mtcnn_fast.weights.loader import Tensors
from mtcnn_fast.weights.margins import pnet_float16_margin

#: More than float32's softmax is wrong by.
_SOFTMAX_ERROR = 1e-6


class FusedNetworks:
    """Runs the networks on a `mtcnn_fast.backends.cuda.kernels.CudaBatch`.

    Parameters
    ----------
    module : module
        ``mtcnn_fast._cuda``.
    arrays : Arrays
        What makes arrays on the device.
    weights : Weights
    config : DetectorConfig
    shared_memory : int
        Bytes that a block may have, by which the kernels choose their tiles.
    download_counts : bool
        Whether to wait for the number of candidates, and to run R-Net and O-Net on lists of that length.

    Raises
    ------
    ConfigError
        If P-Net is to have a filter, and there is no margin for its weights; or if R-Net or O-Net has other widths than
        the kernels.
    """

    def __init__(
        self,
        module: ModuleType,
        arrays: Arrays,
        weights: Weights,
        config: DetectorConfig,
        *,
        shared_memory: int,
        download_counts: bool = False,
    ) -> None:
        problem = widths_problem(weights)
        if problem is not None:
            raise ConfigError(problem)
        self._module, self._arrays = module, arrays
        self._zero_border, self._download_counts = config.border == "zero", download_counts
        #: Of the differences of logits that the filter compares.
        self._limit: float | None = None
        if config.precision == "float16-filter":
            self._limit = least_logit(config.thresholds[0]) - pnet_float16_margin(weights)
            self._pnet_filter = self._upload(module.pnet_filter_weights(dict(weights.pnet)))
        self._pnet = self._upload(module.pnet_weights(dict(weights.pnet)))
        self._crop_networks: dict[CropNetworkName, tuple[Any, DeviceArray]] = {}
        tensors: list[tuple[CropNetworkName, Tensors]] = [("rnet", weights.rnet), ("onet", weights.onet)]
        for name, own in tensors:
            network = module.CropNetwork(name, dict(own), shared_memory=shared_memory)
            self._crop_networks[name] = network, self._upload(network.weights)

    def _upload(self, packed: bytes) -> DeviceArray:
        placed = self._arrays.put([np.frombuffer(packed, np.uint8)])
        self._arrays.share(placed)
        return placed[0]

    def scan(self, batch: Any, observer: Observer) -> list[Maps]:
        """Run P-Net on all levels of a batch from the images, in one launch, or two with the filter."""
        plan, empty, view = batch.level_plan, self._arrays.empty, self._arrays.view
        cells, stream = plan.cells, self._arrays.stream()
        with observer.time("pnet"):
            scores, offsets = empty(cells), empty(4 * cells)
            arrays = map(view, (batch.level_plan_table, self._pnet, scores, offsets))
            if self._limit is None:
                self._module.pnet(plan, *arrays, stream=stream)
            else:
                wanted = empty(max(plan.parts, 1), "uint8")[: plan.parts]
                filter_weights = view(self._pnet_filter)
                self._module.pnet_filtered(plan, *arrays, filter_weights, self._limit, view(wanted), stream=stream)
        return [(scores.reshape((1, 1, cells)), offsets.reshape((1, 4, 1, cells)))]

    def classify(
        self, name: CropNetworkName, batch: Any, candidates: Candidates, observer: Observer
    ) -> tuple[Candidates, DeviceArray, DeviceArray | None]:
        """Run R-Net or O-Net on the candidates from the images, in two launches for a list of usual length."""
        network, weights = self._crop_networks[name]
        empty, view = self._arrays.empty, self._arrays.view
        if self._download_counts:
            candidates = _first(candidates, int(self._arrays.download([candidates.count])[0][0]))
        count = len(candidates.boxes)
        with observer.time(name):
            seen = dataclasses.replace(candidates, scores=empty(count), offsets=empty((count, 4)))
            points = empty((count, 10)) if network.has_landmarks else None
            valid = empty(count, "bool")
            self._module.run_crop_network(
                network,
                *map(view, (weights, batch.image_table, seen.boxes, seen.images, seen.count)),
                *map(view, (seen.scores, seen.offsets, points, valid)),
                view(empty(max(network.workspace_size(count), 1), "uint8")),
                zero_border=self._zero_border,
                stream=self._arrays.stream(),
            )
        return seen, valid, points


def least_logit(threshold: float) -> float:
    """Return the least difference of two logits whose softmax, in float32, may reach a threshold."""
    share = min(max(threshold - _SOFTMAX_ERROR, 0.0), 1.0)
    return math.log(share / (1 - share)) if share > 0 else -math.inf


def _first(candidates: Candidates, count: int) -> Candidates:
    """Shorten a list to as many candidates as are in use."""
    rows = slice(count)
    return Candidates(
        candidates.boxes[rows], candidates.scores[rows], candidates.offsets[rows], candidates.images[rows],
        candidates.count,
    )  # fmt: skip
