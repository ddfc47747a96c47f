"""The networks in torch, their precision, and their export to TorchScript and ONNX. Importing this imports torch."""

from mtcnn_fast.nets.modules import ONet, PNet, RNet
from mtcnn_fast.nets.networks import TOLERANCES, load_networks
from mtcnn_fast.nets.onnx import export_onnx
from mtcnn_fast.nets.script import export_torchscript

__all__ = [
    "TOLERANCES",
    "ONet",
    "PNet",
    "RNet",
    "export_onnx",
    "export_torchscript",
    "load_networks",
]
