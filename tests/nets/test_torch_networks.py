"""The networks in torch: against the reference's outputs, in every precision, and after export."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mtcnn_fast.backends.numpy import nets as numpy_nets
from mtcnn_fast.errors import BackendUnavailableError
from mtcnn_fast.weights import load_weights

torch = pytest.importorskip("torch", reason="the networks need torch")

from mtcnn_fast.nets import TOLERANCES, export_onnx, export_torchscript, load_networks  # noqa: E402
from mtcnn_fast.nets.networks import DTYPES, tf32_allowed  # noqa: E402
from mtcnn_fast.nets.script import run_script, script_network  # noqa: E402

pytestmark = pytest.mark.torch

NAMES = ("pnet", "rnet", "onet")


def inputs(name):
    """Noise of each network's size: for P-Net one that is neither square nor even."""
    shape = {"pnet": (2, 3, 37, 52), "rnet": (33, 3, 24, 24), "onet": (9, 3, 48, 48)}[name]
    return np.random.default_rng(7).uniform(-1, 1, shape).astype(np.float32)


def reference(name):
    """Outputs of numpy's networks."""
    weights = load_weights(None)
    if name == "pnet":
        network = numpy_nets.PNet(weights.pnet)
        return [np.stack(part) for part in zip(*map(network, inputs(name)), strict=True)]
    network = (numpy_nets.RNet if name == "rnet" else numpy_nets.ONet)(getattr(weights, name))
    return network(inputs(name))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scripted", [False, True])
def test_outputs_equal_numpys(name, scripted):
    network = load_networks()[name]
    outputs = run_script(script_network(network) if scripted else network, torch.from_numpy(inputs(name)))
    for ours, expected in zip(outputs, reference(name), strict=True):
        assert ours.dtype == torch.float32
        np.testing.assert_allclose(ours.numpy(), expected, rtol=0, atol=TOLERANCES["float32"])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_lower_precision_stays_within_its_tolerance(name, precision):
    dtype = DTYPES[precision]
    batch = torch.from_numpy(inputs(name)).to(dtype)
    scores, *_ = run_script(script_network(load_networks()[name].to(dtype)), batch)
    assert scores.dtype == torch.float32
    np.testing.assert_allclose(scores.numpy(), reference(name)[0], rtol=0, atol=TOLERANCES[precision])


@pytest.mark.parametrize(
    ("name", "side", "heads"), [("rnet", 24, [(0,), (0, 4)]), ("onet", 48, [(0,), (0, 4), (0, 10)])]
)
def test_a_batch_may_be_empty(name, side, heads):
    outputs = load_networks(load_weights(None))[name](torch.zeros(0, 3, side, side))
    assert [tuple(part.shape) for part in outputs] == heads


@pytest.mark.parametrize("allowed", [True, False])
def test_tf32_is_set_and_put_back(allowed):
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    with tf32_allowed(allowed):
        assert (matmul.allow_tf32, cudnn.allow_tf32) == (allowed, allowed)
    assert (matmul.allow_tf32, cudnn.allow_tf32) == before


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_exported_torchscript_gives_the_same(tmp_path):
    files = export_torchscript(tmp_path / "new")
    assert [file.name for file in files] == ["pnet.pt", "rnet.pt", "onet.pt"]
    for name, file in zip(NAMES, files, strict=True):
        outputs = run_script(torch.jit.load(str(file)), torch.from_numpy(inputs(name)))
        for ours, expected in zip(outputs, reference(name), strict=True):
            np.testing.assert_allclose(ours.numpy(), expected, rtol=0, atol=1e-5)


def test_exports_take_own_weights(tmp_path):
    weights = load_weights(None)
    changed = {**weights.rnet, "dense5_1.bias": np.array([5, -5], np.float32)}
    (_, file, _) = export_torchscript(tmp_path, dataclasses.replace(weights, rnet=changed))
    assert file.stat().st_size > 0
    network = load_networks(dataclasses.replace(weights, rnet=changed))["rnet"]
    scores, _ = run_script(network, torch.from_numpy(inputs("rnet")))
    assert (scores.numpy() < reference("rnet")[0]).all()


def test_exported_onnx_gives_the_same(tmp_path):
    pytest.importorskip("onnx", reason="export_onnx needs onnx")
    runtime = pytest.importorskip("onnxruntime", reason="comparing ONNX models needs onnxruntime")
    for name, file in zip(NAMES, export_onnx(tmp_path), strict=True):
        session = runtime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        outputs = session.run(None, {"images": inputs(name)})
        for ours, expected in zip(outputs, reference(name), strict=True):
            np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5)


def test_onnx_export_without_onnx_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(
        BackendUnavailableError, match=r"export_onnx needs the package onnx: pip install 'mtcnn-fast\[onnx\]'"
    ):
        export_onnx(tmp_path)
