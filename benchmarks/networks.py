"""The three networks as data: what they cost, and their form for other engines (ONNX, ncnn), made from our weights.

The dense layers' weights are reordered so that the maps are flattened channel by channel, as the engines do; none of
them pays for the order in which the weights were trained.
"""

from __future__ import annotations

import dataclasses
import struct
from pathlib import Path

import numpy as np


@dataclasses.dataclass(frozen=True)
class Layer:
    """A convolution or dense layer with its PReLU, and the maximum that follows it (kernel of stride 2, or 0)."""

    name: str
    kernel: int  # 0 for a dense layer
    prelu: str
    pool: int = 0


@dataclasses.dataclass(frozen=True)
class Network:
    """Layers in order, then the heads on the last of them: class scores first, offsets, landmarks."""

    name: str
    side: int
    layers: tuple[Layer, ...]
    heads: tuple[str, ...]


NETWORKS = {
    "pnet": Network(
        "pnet",
        0,
        (Layer("conv1", 3, "prelu1", 2), Layer("conv2", 3, "prelu2"), Layer("conv3", 3, "prelu3")),
        ("conv4_1", "conv4_2"),
    ),
    "rnet": Network(
        "rnet",
        24,
        (
            Layer("conv1", 3, "prelu1", 3),
            Layer("conv2", 3, "prelu2", 3),
            Layer("conv3", 2, "prelu3"),
            Layer("dense4", 0, "prelu4"),
        ),
        ("dense5_1", "dense5_2"),
    ),
    "onet": Network(
        "onet",
        48,
        (
            Layer("conv1", 3, "prelu1", 3),
            Layer("conv2", 3, "prelu2", 3),
            Layer("conv3", 3, "prelu3", 2),
            Layer("conv4", 2, "prelu4"),
            Layer("dense5", 0, "prelu5"),
        ),
        ("dense6_1", "dense6_2", "dense6_3"),
    ),
}


def shapes(network: Network, height: int, width: int):
    """Yield each layer and the rows and columns of its output before pooling; the heads come last, one by one."""
    for layer in network.layers:
        if layer.kernel:
            height, width = height - layer.kernel + 1, width - layer.kernel + 1
            yield layer.name, height, width
            if layer.pool:
                height, width = (-(-(side - layer.pool) // 2) + 1 for side in (height, width))
        else:
            height = width = 1
            yield layer.name, 1, 1
    for head in network.heads:
        yield head, height, width


def flops(network: Network, tensors, height: int, width: int) -> int:
    """Return twice the multiplications of direct convolution, heads included, for one image of this size."""
    return sum(
        2 * tensors[f"{name}.weight"].size * rows * columns for name, rows, columns in shapes(network, height, width)
    )


def ordered_weight(network: Network, tensors, name: str) -> np.ndarray:
    """Return a weight as the engines want it: that of the first dense layer for a map flattened by (C, H, W)."""
    weight = tensors[f"{name}.weight"]
    dense = next((layer.name for layer in network.layers if not layer.kernel), None)
    if name != dense:
        return np.ascontiguousarray(weight)
    side = 3  # both networks end in 3 x 3 maps
    return np.ascontiguousarray(
        weight.reshape(len(weight), side, side, -1).transpose(0, 3, 2, 1).reshape(len(weight), -1)
    )


def to_onnx(network: Network, tensors) -> bytes:
    """Return the network as an ONNX model (opset 13) with free batch and image size."""
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants = [], []

    def constant(name: str, value: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def parameters(name: str) -> list[str]:
        return [
            constant(f"{name}.weight", ordered_weight(network, tensors, name)),
            constant(f"{name}.bias", tensors[f"{name}.bias"]),
        ]

    def apply(name: str, kernel: int, at: str, out: str) -> None:
        operator, attributes = ("Conv", {"kernel_shape": [kernel] * 2}) if kernel else ("Gemm", {"transB": 1})
        nodes.append(helper.make_node(operator, [at, *parameters(name)], [out], **attributes))

    at = "image"
    flat = False
    for layer in network.layers:
        if not layer.kernel:
            nodes.append(helper.make_node("Flatten", [at], ["flat"], axis=1))
            at, flat = "flat", True
        apply(layer.name, layer.kernel, at, layer.name)
        slope = tensors[f"{layer.prelu}.weight"]
        slope = constant(f"{layer.prelu}.weight", slope.reshape((-1, 1, 1) if layer.kernel else (-1,)))
        nodes.append(helper.make_node("PRelu", [layer.name, slope], [layer.prelu]))
        at = layer.prelu
        if layer.pool:
            pooled = f"{layer.name}_pool"
            attributes = {"kernel_shape": [layer.pool] * 2, "strides": [2, 2], "ceil_mode": 1}
            nodes.append(helper.make_node("MaxPool", [at], [pooled], **attributes))
            at = pooled
    for head in network.heads:
        apply(head, 0 if flat else 1, at, head)
    nodes.append(helper.make_node("Softmax", [network.heads[0]], ["scores"], axis=1))

    outputs = ["scores", *network.heads[1:]]
    rank = 2 if flat else 4
    shape = ["N", 3, *([network.side] * 2 if network.side else ["H", "W"])]
    graph = helper.make_graph(
        nodes,
        network.name,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank) for name in outputs],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    return model.SerializeToString()


def write_ncnn(network: Network, tensors, stem: Path) -> tuple[str, str]:
    """Write ``stem.param`` and ``stem.bin`` in ncnn's text and raw formats; return their paths."""
    lines: list[str] = []
    blobs = ["image"]
    binary = bytearray()

    def add(kind: str, name: str, inputs: list[str], outputs: list[str], *parameters: str) -> None:
        blobs.extend(outputs)
        lines.append(" ".join([kind, name, str(len(inputs)), str(len(outputs)), *inputs, *outputs, *parameters]))

    def weigh(name: str) -> int:
        weight = ordered_weight(network, tensors, name)
        binary.extend(struct.pack("<I", 0))  # the tag of plain float32
        binary.extend(weight.astype("<f4").tobytes() + tensors[f"{name}.bias"].astype("<f4").tobytes())
        return weight.size

    def apply(name: str, kernel: int, at: str) -> None:
        outputs, size = len(tensors[f"{name}.bias"]), weigh(name)
        if kernel:
            add("Convolution", name, [at], [name], f"0={outputs}", f"1={kernel}", "5=1", f"6={size}")
        else:
            add("InnerProduct", name, [at], [name], f"0={outputs}", "1=1", f"2={size}")

    lines.append("Input image 0 1 image")
    at = "image"
    for layer in network.layers:
        apply(layer.name, layer.kernel, at)
        slope = tensors[f"{layer.prelu}.weight"]
        binary.extend(slope.astype("<f4").tobytes())
        add("PReLU", layer.prelu, [layer.name], [layer.prelu], f"0={len(slope)}")
        at = layer.prelu
        if layer.pool:  # pad_mode 0 is ceil mode
            add("Pooling", f"{layer.name}_pool", [at], [f"{layer.name}_pool"], "0=0", f"1={layer.pool}", "2=2", "5=0")
            at = f"{layer.name}_pool"
    copies = [f"{at}_{i}" for i in range(len(network.heads))]
    add("Split", "split", [at], copies)
    for head, copy in zip(network.heads, copies, strict=True):
        apply(head, 0 if network.side else 1, copy)
    add("Softmax", "scores", [network.heads[0]], ["scores"], "0=0", "1=1")

    header = f"7767517\n{len(lines)} {len(blobs)}\n"
    paths = str(stem.with_suffix(".param")), str(stem.with_suffix(".bin"))
    Path(paths[0]).write_text(header + "\n".join(lines) + "\n")
    Path(paths[1]).write_bytes(binary)
    return paths
