"""What is said of CUDA devices that cannot be used, where torch is and where it is not."""

from __future__ import annotations

import subprocess
import sys
import types

import pytest

from mtcnn_fast import Detector
from mtcnn_fast.backends import available_backends, create_backend
from mtcnn_fast.backends.cuda import devices as cuda_devices
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.errors import BackendUnavailableError
from mtcnn_fast.weights import load_weights
from support.data import ROOT


def fake_module(monkeypatch, status, problems):
    module = types.SimpleNamespace(status=lambda: status, devices=lambda: [{"problem": text} for text in problems])
    monkeypatch.setattr(cuda_devices, "cuda_module", lambda: (module, ""))


@pytest.mark.parametrize("problem", ["there is no NVIDIA driver", "the NVIDIA driver is too old"])
def test_the_driver_is_named(monkeypatch, problem):
    fake_module(monkeypatch, {"devices": 0, "problem": problem}, [])
    with pytest.raises(BackendUnavailableError, match=f"^device 'cuda' is not available: {problem}$"):
        create_backend("cuda", DetectorConfig(), load_weights(None))


def test_kernels_that_are_missing_are_named(monkeypatch):
    monkeypatch.setattr(cuda_devices, "cuda_module", lambda: (None, "this installation has no CUDA kernels"))
    with pytest.raises(BackendUnavailableError, match="'cuda' is not available: this installation has no CUDA kernels"):
        create_backend("cuda", DetectorConfig(), load_weights(None))
    with pytest.raises(
        BackendUnavailableError, match="'cuda:0' is not available: this installation has no CUDA kernels"
    ):
        cuda_devices.usable_module(0)


def test_a_device_that_is_not_there_or_too_old_is_named(monkeypatch):
    old = "its compute capability 7.0 is older than any"
    fake_module(monkeypatch, {"devices": 2, "problem": ""}, [old, ""])
    assert cuda_devices.cuda_problem(1) is None
    assert cuda_devices.cuda_problem(0) == f"device 0 cannot run the kernels: {old}"
    assert cuda_devices.cuda_problem(2) == "there is no device 2; the driver finds 2, counted from 0"


@pytest.mark.parametrize("precision", ["tf32", "float16", "bfloat16"])
def test_other_precisions_need_torch(monkeypatch, precision):
    """And say so where the device itself could be used."""
    fake_module(monkeypatch, {"devices": 1, "problem": ""}, [""])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    message = rf"^precision '{precision}' on the device 'cuda:0' needs torch's networks: torch is not installed"
    with pytest.raises(BackendUnavailableError, match=message):
        create_backend("cuda", DetectorConfig(precision=precision), load_weights(None))


@pytest.mark.parametrize("precision", ["float32", "float16-filter"])
def test_precisions_of_the_kernels_need_no_torch(monkeypatch, precision):
    fake_module(monkeypatch, {"devices": 2, "problem": ""}, ["", ""])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(
        "mtcnn_fast.backends.cuda.backend.CudaBackend", lambda config, weights, index: (config.precision, index)
    )
    assert create_backend("cuda:1", DetectorConfig(precision=precision), load_weights(None)) == (precision, 1)


@pytest.mark.skipif(available_backends()["cuda"] is None, reason="there is a CUDA device")
def test_the_message_is_about_the_device_and_not_about_torch():
    """With torch and without it, the same."""
    with pytest.raises(BackendUnavailableError) as caught:
        Detector("cuda")
    assert "torch" not in str(caught.value)
    program = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from mtcnn_fast import Detector\n"
        "from mtcnn_fast.errors import BackendUnavailableError\n"
        "try:\n"
        "    Detector('cuda')\n"
        "except BackendUnavailableError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == (str(caught.value), "")
