"""Nothing that a process sets in torch changes a result, and nothing that it set is changed by a detection."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast import Detector
from support.data import PHOTO

torch = pytest.importorskip("torch", reason="torch's settings need torch")

from mtcnn_fast.nets import torch_state  # noqa: E402
from mtcnn_fast.nets.networks import load_networks  # noqa: E402
from mtcnn_fast.nets.torch_state import cuda_flags, undisturbed  # noqa: E402

pytestmark = pytest.mark.torch

SETTINGS = {"min_face_size": 30, "thresholds": (0.5, 0.5, 0.3)}
CPU = torch.device("cpu")
NEWER = pytest.mark.skipif(
    not hasattr(torch.backends, "fp32_precision"), reason="this torch has no fp32_precision, which came with 2.9"
)


@pytest.fixture(scope="module")
def image():
    return np.asarray(Image.open(PHOTO).convert("RGB").resize((200, 200)))


@pytest.fixture(scope="module")
def expected(image):
    faces = Detector("torch:cpu", **SETTINGS).detect(image, trace=True)
    assert len(faces) >= 1
    return faces


def state():
    """Everything in torch that a detection could leave changed."""
    flags = {name: flag.read() for name, flag in torch_state._FLAGS.items()}
    return {
        **flags,
        "dtype": torch.get_default_dtype(),
        "device": torch.empty(0).device,
        "threads": torch.get_num_threads(),
        "generator": torch.get_rng_state().tolist(),
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "optimize": torch._C._get_graph_executor_optimize(),
        "filters": list(warnings.filters),
    }


@contextlib.contextmanager
def setting(put, value, back):
    put(value)
    try:
        yield
    finally:
        put(back)


def precisions(value):
    torch.backends.mkldnn.conv.fp32_precision = value
    torch.backends.mkldnn.matmul.fp32_precision = value


def generic_precision(value):
    torch.backends.fp32_precision = value


@contextlib.contextmanager
def mixed_ways():
    """Set a flag in the newer way only: torch then refuses to tell the value of the older flag."""
    before = torch.backends.cudnn.conv.fp32_precision
    with setting(lambda value: setattr(torch.backends.cudnn.conv, "fp32_precision", value), "ieee", before):
        with pytest.raises(RuntimeError, match="mix of the legacy and new APIs"):
            _ = torch.backends.cudnn.allow_tf32
        yield


STATES = {
    "float64": lambda: setting(torch.set_default_dtype, torch.float64, torch.float32),
    "bfloat16": lambda: setting(torch.set_default_dtype, torch.bfloat16, torch.float32),
    "float16": lambda: setting(torch.set_default_dtype, torch.float16, torch.float32),
    "default device": lambda: setting(torch.set_default_device, "meta", None),
    "a device's block": lambda: torch.device("meta"),
    "autocast": lambda: torch.autocast("cpu"),
    "inference mode": torch.inference_mode,
    "no gradients": torch.no_grad,
    "gradients": torch.enable_grad,
    "medium products": lambda: setting(torch.set_float32_matmul_precision, "medium", "highest"),
    "high products": lambda: setting(torch.set_float32_matmul_precision, "high", "highest"),
    "precisions": lambda: setting(precisions, "bf16", "none"),
    "generic precision": lambda: setting(generic_precision, "tf32", "none"),
    "newer flags": mixed_ways,
    "deterministic": lambda: setting(torch.use_deterministic_algorithms, True, False),
    "without oneDNN": lambda: setting(torch._C._set_mkldnn_enabled, False, True),
    "threads": lambda: setting(torch.set_num_threads, 3, torch.get_num_threads()),
    "denormals": lambda: setting(torch.set_flush_denormal, True, False),
}
#: oneDNN cuts a product among the threads that there are, and the sums round accordingly.
ALLOWED = {"threads": 1e-6}
NEED_NEWER = ("precisions", "generic precision", "newer flags")


@pytest.mark.parametrize("name", [pytest.param(name, marks=NEWER if name in NEED_NEWER else ()) for name in STATES])
def test_results_and_the_callers_settings_stay(image, expected, name):
    earlier = Detector("torch:cpu", **SETTINGS)
    with STATES[name]():
        before = state()
        later = Detector("torch:cpu", **SETTINGS)
        for detector in (earlier, later):
            faces = detector.detect(image, trace=True)
            for ours, step in zip(faces.trace, expected.trace, strict=True):
                np.testing.assert_allclose(ours.scores, step.scores, rtol=0, atol=ALLOWED.get(name, 0))
                np.testing.assert_allclose(ours.boxes, step.boxes, rtol=0, atol=1000 * ALLOWED.get(name, 0))
            assert len(detector.propose(image)[0]) >= len(expected.trace[1].boxes)
            assert len(detector.refine(image, expected.boxes)) == len(expected)
        assert state() == before


@pytest.mark.parametrize("name", ["default device", "float64", "inference mode"])
def test_networks_are_what_they_are(name):
    with STATES[name]():
        networks = load_networks()
    for network in networks.values():
        for parameter in network.parameters():
            assert (parameter.dtype, parameter.device.type) == (torch.float32, "cpu")
            assert not parameter.is_inference()


def test_tensors_of_a_result_are_ordinary_ones(image):
    batch = torch.from_numpy(image[None].copy())
    detector = Detector("torch:cpu", **SETTINGS)
    for block in (contextlib.nullcontext, torch.inference_mode):
        with block():
            faces = detector.detect_tensor(batch)
        assert not faces.boxes.is_inference()
        faces.boxes *= 2  # refused for a tensor of inference mode


def flags():
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


def test_flags_of_cuda_are_left_alone_on_the_cpu():
    before = {name: flag.read() for name, flag in torch_state._FLAGS.items()}
    with undisturbed(CPU):
        assert {name: flag.read() for name, flag in torch_state._FLAGS.items()} == before


def test_the_last_of_several_runs_puts_the_flags_back():
    before = flags()
    with contextlib.ExitStack() as first:
        first.enter_context(cuda_flags(False))
        with cuda_flags(False):
            first.close()
            assert flags() == (False, False)
    assert flags() == before


@pytest.mark.parametrize("tf32", [True, False])
def test_runs_of_the_other_precision_wait(tf32):
    before, entered, leave = flags(), threading.Event(), threading.Event()

    def run(kind, event=None):
        with cuda_flags(kind):
            assert flags() == (kind, kind)
            if event is not None:
                event.set()
                assert leave.wait(30)
            assert flags() == (kind, kind)

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(run, tf32, entered)
        assert entered.wait(30)
        other = pool.submit(run, not tf32)
        while not torch_state._PROCESS._waiting["cuda" if tf32 else "cuda_tf32"]:
            pass
        # One more of the first kind lets the one that waits go before.
        third = pool.submit(run, tf32)
        assert not other.done()
        assert not third.done()
        leave.set()
        for done in (first, other, third):
            done.result(30)
    assert flags() == before


def test_many_runs_of_both_precisions_at_once():
    before = flags()

    def run(kind):
        for _ in range(200):
            with cuda_flags(kind):
                assert flags() == (kind, kind)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(run, kind) for kind in (True, False, True, False)]:
            done.result(120)
    assert flags() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_that_is_forked_in_a_run_has_the_callers_flags():
    before = flags()
    with cuda_flags(not before[1]):
        child = os.fork()
        if child == 0:
            same = flags() == before
            with cuda_flags(True):
                pass
            os._exit(0 if same and flags() == before else 1)
        assert os.waitpid(child, 0)[1] == 0


def test_a_run_that_fails_puts_the_flags_back():
    before = flags()
    with pytest.raises(ZeroDivisionError), cuda_flags(not before[1]):
        raise ZeroDivisionError
    assert flags() == before


@pytest.mark.parametrize("category", [DeprecationWarning, FutureWarning])
def test_deprecated_parts_of_torch_do_not_end_a_detection(monkeypatch, image, expected, category):
    """Where warnings are errors, as in many test-suites."""
    script = torch.jit.script

    def deprecated(*args, **kwargs):
        warnings.warn("`torch.jit.script` is deprecated", category, stacklevel=2)
        return script(*args, **kwargs)

    monkeypatch.setattr(torch.jit, "script", deprecated)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        with ThreadPoolExecutor(3) as pool:
            made = list(pool.map(lambda _: Detector("torch:cpu", **SETTINGS), range(3)))
        assert list(warnings.filters) == before
        assert made[0].detect(image) == expected


def test_without_torchscript(expected):
    program = f"""
import numpy as np
from PIL import Image
from mtcnn_fast import Detector
image = np.asarray(Image.open({str(PHOTO)!r}).convert("RGB").resize((200, 200)))
print(Detector("torch:cpu", **{SETTINGS!r}).detect(image).scores.tolist())
"""
    environment = {**os.environ, "PYTORCH_JIT": "0"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    np.testing.assert_allclose(eval(done.stdout), expected.scores, rtol=0, atol=1e-6)
