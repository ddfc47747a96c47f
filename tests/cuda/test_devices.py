"""On which device and stream work is queued, what the module says of devices, and how a process may end."""

import os
import subprocess
import sys

import numpy as np
import pytest

from mtcnn_fast.errors import BackendError
from support.cuda_build import ROOT
from support.cuda_device import VARIANT
from support.cuda_producers import BOXES, SCORES, DLPack, Interface, run_nms
from support.native_names import compares


def run_python(program):
    """Run a program with the tests' and the package's modules at hand."""
    program = f"import sys\nsys.path[:0] = ['tests', 'python']\n{program}"
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)


@pytest.fixture
def select(device):
    """Choose the device that is current, as a caller does."""
    yield device.library.emulation_select_device
    device.library.emulation_select_device(0)


def test_work_is_queued_on_the_arrays_device_and_no_other_gets_a_context(device, select):
    select(1)
    arrays = device.array(BOXES), device.array(SCORES)
    outputs = {"kept": device.empty(3, np.int64), "kept_count": device.empty(1, np.int32)}
    outputs["workspace"] = device.empty(device.module.batched_nms_workspace_size(3, 1), np.uint8)
    select(0)
    boxes = Interface(arrays[0], stream=4096)
    with device.opened_contexts() as opened:
        assert run_nms(device, boxes, DLPack(arrays[1]), **outputs) == [1, 2]
        assert device.library.emulation_device() == 0
        assert device.library.emulation_launch_device() == 1
        assert device.library.emulation_event_device() == 1
        assert opened() == [1]


def test_arrays_on_several_devices_are_refused(device, arrays, select):
    select(1)
    scores = device.array(SCORES)
    select(0)
    with pytest.raises(ValueError, match="scores must be on device 0 like the arguments before it, got device 1"):
        run_nms(device, arrays[0], scores)


@pytest.fixture
def driver(device):
    yield device.library.emulation_set_driver
    device.library.emulation_set_driver(13000, 2)


@pytest.mark.parametrize(
    ("version", "count", "devices", "problem"),
    [
        (13000, 2, 2, ""),
        (13020, 1, 1, ""),
        (0, 0, 0, "there is no NVIDIA driver"),
        (
            12080,
            1,
            0,
            "the NVIDIA driver is too old: it supports CUDA up to 12.8 and this build needs 13.0 (driver branch R580)",
        ),
        (13000, 0, 0, "the NVIDIA driver finds no device"),
    ],
)
def test_status_tells_no_driver_from_an_old_one(device, driver, version, count, devices, problem):
    driver(version, count)
    status = device.module.status()
    assert (status["toolkit"], status["driver"], status["devices"]) == (13000, version, devices)
    assert status["problem"].startswith(problem)
    assert bool(status["problem"]) == (devices == 0)
    assert len(device.module.devices()) == devices


@compares("_cuda.status", "_cuda.devices")
def test_counting_devices_opens_no_context(device):
    with device.opened_contexts() as opened:
        assert device.module.status()["devices"] == len(device.module.devices()) == 2
        assert opened() == []


def test_devices_say_whether_the_kernels_run_on_them(device):
    assert [entry["problem"] for entry in device.module.devices()] == ["", ""]
    device.library.emulation_set_capability(7, 0)
    try:
        problems = [entry["problem"] for entry in device.module.devices()]
    finally:
        device.library.emulation_set_capability(7, 5)
    expected = "its compute capability 7.0 is older than any that this build has code for (7.5)"
    assert problems == [expected, expected]


FORKED = "CUDA was initialised before this process was forked, and a forked process cannot use it"


def test_a_process_that_was_forked_after_cuda_says_so(device, arrays):
    """Whoever initialised CUDA: the driver refuses to count devices and to work."""
    device.library.emulation_set_forked(1)
    try:
        assert device.module.status()["problem"].startswith(FORKED)
        assert device.module.devices() == []
        with pytest.raises(BackendError, match=FORKED):
            run_nms(device, *arrays)
    finally:
        device.library.emulation_set_forked(0)
    assert run_nms(device, *arrays) == [1, 2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_after_counting_devices_is_noticed_without_the_driver():
    done = run_python(
        "import os\n"
        "from support.cuda_device import load_device\n"
        "module = load_device('plain').module\n"
        "assert module.status()['problem'] == ''\n"
        "if os.fork() == 0:\n"
        "    print(module.status()['problem'], flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "assert module.status()['problem'] == ''\n",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(FORKED)


@pytest.mark.skipif(VARIANT == "gpu", reason="steers the emulated device")
@pytest.mark.parametrize("attempt", range(3))
def test_a_daemon_thread_may_be_in_a_call_when_the_interpreter_ends(attempt):
    done = run_python(
        "import threading, time\n"
        "import numpy as np\n"
        "from support.cuda_device import load_device\n"
        "device = load_device('plain')\n"
        "count = 300\n"
        "rng = np.random.default_rng(1)\n"
        "boxes = np.concatenate([rng.random((count, 2)), 1 + rng.random((count, 2))], 1).astype(np.float32)\n"
        "size = device.module.batched_nms_workspace_size(count, 1)\n"
        "arrays = [device.array(boxes), device.array(rng.random(count), np.float32)]\n"
        "outputs = [device.empty(count, np.int64), device.empty(1, np.int32), device.empty(size, np.uint8)]\n"
        "started = threading.Event()\n"
        "def work():\n"
        "    while True:\n"
        "        started.set()\n"
        "        device.module.batched_nms(*arrays, None, 1, None, 0.5, False, *outputs, stream=0)\n"
        "threading.Thread(target=work, daemon=True).start()\n"
        "started.wait()\n"
        f"time.sleep({0.05 * attempt})\n",
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
