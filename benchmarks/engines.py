"""Inference engines on the bare networks, each as a function from prepared inputs to their outputs; run by `worker.py`.

``inputs`` is a list of arrays ``(N, 3, H, W)``: the levels of a pyramid for P-Net, one batch of crops otherwise. A
run computes the network on all of them, in float32.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from networks import NETWORKS, Network, ordered_weight, to_onnx, write_ncnn

Outputs = list[list[np.ndarray]]
Run = Callable[[], Outputs]


def load(name: str):
    from mtcnn_fast.weights import load_weights

    return NETWORKS[name], getattr(load_weights(None), name)


def torch_eager(network: Network, tensors, inputs: list[np.ndarray], threads: int) -> Run:
    import torch
    from torch.nn import functional

    weights = {name: torch.from_numpy(np.array(value)) for name, value in tensors.items()}
    for layer in network.layers:
        weights[f"{layer.name}.weight"] = torch.from_numpy(ordered_weight(network, tensors, layer.name).copy())
    images = [torch.from_numpy(image) for image in inputs]

    def forward(x):
        for layer in network.layers:
            weight, bias = weights[f"{layer.name}.weight"], weights[f"{layer.name}.bias"]
            x = functional.conv2d(x, weight, bias) if layer.kernel else functional.linear(x.flatten(1), weight, bias)
            x = functional.prelu(x, weights[f"{layer.prelu}.weight"])
            if layer.pool:
                x = functional.max_pool2d(x, layer.pool, 2, ceil_mode=True)
        apply = functional.linear if x.dim() == 2 else functional.conv2d
        outputs = [apply(x, weights[f"{head}.weight"], weights[f"{head}.bias"]) for head in network.heads]
        return [functional.softmax(outputs[0], dim=1), *outputs[1:]]

    def run() -> Outputs:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        with torch.inference_mode():
            return [[output.numpy() for output in forward(image)] for image in images]

    return run


def onnxruntime(network: Network, tensors, inputs: list[np.ndarray], threads: int) -> Run:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(to_onnx(network, tensors), options, providers=["CPUExecutionProvider"])
    return lambda: [session.run(None, {"image": image}) for image in inputs]


def openvino(network: Network, tensors, inputs: list[np.ndarray], threads: int) -> Run:
    import openvino as ov

    core = ov.Core()
    # Else it computes in bfloat16 where the processor can.
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    requests = []
    for image in inputs:
        model = core.read_model(to_onnx(network, tensors))
        model.reshape(list(image.shape))  # static shapes are its fastest
        requests.append(core.compile_model(model, "CPU", settings).create_infer_request())
    tensor = [ov.Tensor(image, shared_memory=True) for image in inputs]

    def run() -> Outputs:
        for request, image in zip(requests, tensor, strict=True):
            request.infer([image], share_outputs=True)
        return [[output.data for output in request.output_tensors] for request in requests]

    return run


def ncnn(network: Network, tensors, inputs: list[np.ndarray], threads: int) -> Run:
    import ncnn as nn

    net = nn.Net()
    net.opt.num_threads = threads
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    with tempfile.TemporaryDirectory() as folder:
        parameters, weights = write_ncnn(network, tensors, Path(folder) / network.name)
        if net.load_param(parameters) or net.load_model(weights):
            raise RuntimeError("ncnn refused the network")
    names = ("scores", *network.heads[1:])
    # It knows no batches: one image after the other.
    images = [[nn.Mat(np.ascontiguousarray(one)).clone() for one in image] for image in inputs]

    def one(image) -> list[np.ndarray]:
        extractor = net.create_extractor()
        extractor.input("image", image)
        return [np.array(extractor.extract(name)[1]) for name in names]

    return lambda: [[np.stack(outputs) for outputs in zip(*map(one, batch), strict=True)] for batch in images]


ENGINES = {"torch": torch_eager, "onnxruntime": onnxruntime, "OpenVINO": openvino, "ncnn": ncnn}


def make(engine: str, network: str, inputs: list[np.ndarray], threads: int) -> Run:
    return ENGINES[engine](*load(network), inputs, threads)
