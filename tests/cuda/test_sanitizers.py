"""The kernels' tests once more, built with the address and undefined-behaviour sanitizers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.cuda_build import ROOT, build_module, compiler

pytestmark = [
    pytest.mark.skipif(compiler() is None, reason="the emulated device needs a C++ compiler"),
    pytest.mark.slow,
    pytest.mark.xdist_group("cuda_sanitizers"),
]

FILES = [
    "test_resize_pyramid.py",
    "test_crop_pad_resize.py",
    "test_batched_nms.py",
    "test_proposals.py",
    "test_refine.py",
    "test_pnet.py",
    "test_pnet_filter.py",
    "test_crop_network.py",
]


def runtimes():
    """What has to be loaded before Python: the sanitizers' runtime, and the C++ library whose exceptions it watches."""
    compiler_name = compiler()
    assert compiler_name is not None
    paths = []
    for library in ("libasan.so", "libstdc++.so"):
        command = [compiler_name, f"-print-file-name={library}"]
        paths.append(Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()))
    return paths


def run_python(*arguments):
    environment = {
        **os.environ,
        "LD_PRELOAD": " ".join(map(str, runtimes())),
        # Python itself never frees some of what it allocates.
        "ASAN_OPTIONS": "detect_leaks=0:halt_on_error=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "MTCNN_FAST_EMULATION": "asan",
    }
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module", autouse=True)
def built():
    if not runtimes()[0].is_absolute():
        pytest.skip("the compiler has no address sanitizer (libasan)")
    build_module("asan")


@pytest.mark.parametrize("name", FILES)
def test_kernels_under_sanitizers(name):
    done = run_python(
        *("-m", "pytest", "-q", "-s", "-m", "not slow"),
        *("-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:benchmark"),
        str(ROOT / "tests" / "cuda" / name),
    )
    assert done.returncode == pytest.ExitCode.OK, done.stdout[-5000:] + done.stderr[-5000:]


def test_sanitizer_sees_a_write_past_the_end():
    """With a table that promises more than the memory holds, the kernel runs over the end and is stopped."""
    done = run_python(
        "-c",
        "import sys, numpy as np\n"
        "sys.path[:0] = ['tests', 'python']\n"
        "from support.cuda_device import load_device\n"
        "from support.cuda_ops import upload_image\n"
        "device = load_device()\n"
        "image = upload_image(device, np.zeros((8, 8, 3), np.uint8))\n"
        "entry, module = image.entry, device.module\n"
        "strides = entry.row_stride, entry.pixel_stride, entry.channel_stride\n"
        "taller = module.Image(entry.address, *strides, entry.height + 9, entry.width)\n"
        "plan = module.ResizePlan([taller], [module.LevelShape(0, 4, 4)])\n"
        "table = device.bytes(plan.table)\n"
        "device.module.resize_pyramid(plan, table, device.empty(48, np.float32), stream=0)\n",
    )
    assert done.returncode != 0
    assert "AddressSanitizer" in done.stderr
    assert "resize_pyramid" in done.stderr
