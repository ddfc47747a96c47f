"""Embedding models so small that tests can make them: the mean color of each of 4 x 4 tiles of a face."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

TILES = 4


@dataclasses.dataclass
class Port:
    """Input or output of a session."""

    name: str
    shape: Sequence[Any]
    type: str = "tensor(float)"


@dataclasses.dataclass
class Session:
    """What `Embedder` uses of onnxruntime's sessions, in numpy; `inputs` holds what came."""

    shape: Sequence[Any] = ("N", 3, 112, 112)
    type: str = "tensor(float)"
    output: Any = None
    inputs: list[np.ndarray] = dataclasses.field(default_factory=list)

    def get_inputs(self) -> list[Port]:
        return [Port("face", self.shape, self.type)]

    def get_outputs(self) -> list[Port]:
        return [Port("embedding", ["N", TILES * TILES * 3])]

    def run(self, names: None, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        (images,) = feed.values()
        self.inputs.append(images)
        if isinstance(self.output, Exception):
            raise self.output
        if self.output is not None:
            return [self.output(images)]
        return [tile_means(images if self.shape[1] == 3 else images.transpose(0, 3, 1, 2))]


def tile_means(images: np.ndarray) -> np.ndarray:
    """Return the model's output ``(N, 48)`` for images ``(N, 3, S, S)``."""
    count, channels, side, _ = images.shape
    step = side // TILES
    return images.reshape(count, channels, TILES, step, TILES, step).mean(axis=(3, 5)).reshape(count, -1)


def write_onnx(path: Path, size: int = 112, batch: int | str = "N") -> Path:
    """Write that model as ONNX; needs onnx."""
    from onnx import TensorProto, checker, helper, save

    step = size // TILES
    nodes = [
        helper.make_node("AveragePool", ["face"], ["tiles"], kernel_shape=[step, step], strides=[step, step]),
        helper.make_node("Flatten", ["tiles"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tile_means",
        [helper.make_tensor_value_info("face", TensorProto.FLOAT, [batch, 3, size, size])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [batch, TILES * TILES * 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    checker.check_model(model)
    save(model, path)
    return path
