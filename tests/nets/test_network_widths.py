"""Networks of torch of other widths: their outputs, their export, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from mtcnn_fast import ConfigError  # noqa: E402
from mtcnn_fast.backends.numpy import nets as numpy_nets  # noqa: E402
from mtcnn_fast.nets import ONet, RNet, export_onnx, export_torchscript, load_networks  # noqa: E402
from mtcnn_fast.weights import widths_of  # noqa: E402
from support.widths import NARROW, WIDE, random_weights  # noqa: E402

pytestmark = pytest.mark.torch

KINDS = {"rnet": numpy_nets.RNet, "onet": numpy_nets.ONet}


def crops(name, count=3):
    side = KINDS[name].size
    return np.random.default_rng(4).uniform(-1, 1, (count, 3, side, side)).astype(np.float32)


def expected(weights, name):
    return KINDS[name](getattr(weights, name))(crops(name))


@pytest.mark.filterwarnings("ignore:.torch.jit.load. is")
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("widths", [NARROW, WIDE])
def test_networks_are_as_wide_as_their_weights(widths, name, tmp_path):
    weights = random_weights(widths)
    network = load_networks(weights)[name]
    assert widths_of(name[0], network.state_dict()) == widths[name[0]]
    export_torchscript(tmp_path, weights)
    images = torch.from_numpy(crops(name))
    with torch.no_grad():
        for made in (network, torch.jit.load(str(tmp_path / f"{name}.pt"))):
            for found, value in zip(made(images), expected(weights, name), strict=True):
                np.testing.assert_allclose(found.numpy(), value, atol=1e-5)


def test_onnx_models_are_as_wide(tmp_path):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    weights = random_weights(WIDE)
    export_onnx(tmp_path, weights)
    for name in KINDS:
        session = runtime.InferenceSession(str(tmp_path / f"{name}.onnx"), providers=["CPUExecutionProvider"])
        found = session.run(None, {"images": crops(name)})
        for one, value in zip(found, expected(weights, name), strict=True):
            np.testing.assert_allclose(one, value, atol=1e-4)


def test_widths_are_checked():
    assert widths_of("o", ONet(WIDE["o"]).state_dict()) == WIDE["o"]
    with pytest.raises(ConfigError, match=r"widths of R-Net must be 4 numbers .*, got \(28, 48, 64\)"):
        RNet((28, 48, 64))
