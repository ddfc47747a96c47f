"""`mtcnn_fast.ops` on tensors: as operators of torch, with what arrays give, and what is refused."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import numpy as np
import pytest

from mtcnn_fast import ops
from mtcnn_fast.errors import BackendUnavailableError, ConfigError, ImageError, MissingExtraError

torch = pytest.importorskip("torch", reason="tensors need torch")

from mtcnn_fast.backends.torch.operators import operators  # noqa: E402

pytestmark = pytest.mark.torch

RNG = np.random.default_rng(11)
IMAGE = RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8)
BOXES = np.concatenate([RNG.uniform(-5, 40, (60, 2)), RNG.uniform(5, 60, (60, 2))], 1).astype(np.float32)
SCORES = RNG.random(60, np.float32)
SEGMENTS = RNG.integers(-2, 2, 60)


class OnDevice:
    """An array that says it is in CUDA memory, as CuPy's do, and is found to be on the CPU when it is read."""

    def __init__(self, array):
        self.__cuda_array_interface__ = {}
        self.__dlpack__ = array.__dlpack__
        self.__dlpack_device__ = array.__dlpack_device__


class OnlyDlpack:
    """An array in CUDA memory with DLPack and nothing else."""

    def __dlpack_device__(self):
        return (2, 0)


@pytest.mark.parametrize("form", ["contiguous", "planes", "cut"])
def test_pyramid_equals_that_of_arrays(form):
    image = torch.from_numpy(IMAGE)
    if form == "planes":
        image = image.permute(2, 0, 1).contiguous().permute(1, 2, 0)
    elif form == "cut":
        image = torch.cat([image, image], 1)[:, :50]
    levels = ops.resize_pyramid(image, [0.7, 0.3, 1.2], num_threads=1)
    for ours, expected in zip(levels, ops.resize_pyramid(IMAGE, [0.7, 0.3, 1.2]), strict=True):
        assert isinstance(ours, torch.Tensor)
        np.testing.assert_array_equal(ours.numpy(), expected)
    assert ops.resize_pyramid(image, []) == []


@pytest.mark.parametrize("border", ["zero", "clip"])
def test_crops_equal_those_of_arrays(border):
    crops, valid = ops.crop_pad_resize(torch.from_numpy(IMAGE), torch.from_numpy(BOXES).double(), 24, border)
    expected, expected_valid = ops.crop_pad_resize(IMAGE, BOXES, 24, border)
    np.testing.assert_array_equal(crops.numpy(), expected)
    np.testing.assert_array_equal(valid.numpy(), expected_valid)
    assert 0 < expected_valid.sum() < len(BOXES)


@pytest.mark.parametrize("mode", ["iou", "iomin"])
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.int8])
def test_suppression_equals_that_of_arrays(mode, dtype):
    segments = torch.from_numpy(SEGMENTS).to(dtype)
    kept = ops.batched_nms(torch.from_numpy(BOXES), torch.from_numpy(SCORES), segments, 0.4, mode)
    expected = ops.batched_nms(BOXES, SCORES, SEGMENTS, 0.4, mode)
    assert kept.dtype == torch.int64
    assert kept.tolist() == expected.tolist()
    assert 1 < len(expected) < len(BOXES)


def test_nothing():
    none = torch.zeros(0, 4)
    assert ops.crop_pad_resize(torch.from_numpy(IMAGE), none, 24)[0].shape == (0, 3, 24, 24)
    assert ops.batched_nms(none, torch.zeros(0), torch.zeros(0, dtype=torch.int64), 0.5).shape == (0,)


def test_arrays_on_a_device_of_other_libraries():
    levels = ops.resize_pyramid(OnDevice(IMAGE), [0.5])
    np.testing.assert_array_equal(levels[0].numpy(), ops.resize_pyramid(IMAGE, [0.5])[0])
    kept = ops.batched_nms(OnDevice(BOXES), OnDevice(SCORES), OnDevice(SEGMENTS), 0.4)
    assert kept.tolist() == ops.batched_nms(BOXES, SCORES, SEGMENTS, 0.4).tolist()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.zeros(4, 5, 3), r"image must be a \(H, W, 3\) uint8 tensor .*, got \(4, 5, 3\) torch.float32"),
        (torch.zeros(3, 4, 5, dtype=torch.uint8), r"got \(3, 4, 5\) torch.uint8"),
        (torch.zeros(0, 5, 3, dtype=torch.uint8), r"at least one pixel, got \(0, 5, 3\)"),
    ],
)
def test_images_that_are_refused(image, message):
    for run in (lambda: ops.resize_pyramid(image, [0.5]), lambda: ops.crop_pad_resize(image, torch.zeros(1, 4), 24)):
        with pytest.raises(ImageError, match=message):
            run()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"boxes": torch.zeros(3, 5)}, r"boxes must be numbers of shape \(N, 4\), got shape \(3, 5\)"),
        ({"boxes": torch.zeros(3, 4, dtype=torch.bool)}, "boxes must be numbers of shape \\(N, 4\\), got torch.bool"),
        ({"scores": torch.zeros(2)}, r"scores must be numbers of shape \(3,\), got shape \(2,\)"),
        ({"scores": torch.zeros(3, device="meta")}, "scores must be on cpu like the argument before, got one on meta"),
        ({"scores": object()}, "scores must be a tensor or array, got object"),
        ({"segments": torch.zeros(3)}, r"segments must be whole numbers of shape \(3,\), got torch.float32"),
        (
            {"segments": torch.zeros(1, dtype=torch.int32)},
            r"segments must be whole numbers of shape \(3,\), got shape \(1,\)",
        ),
        ({"threshold": 1.5}, "threshold must be a number from 0 to 1, got 1.5"),
        ({"mode": "max"}, "mode must be one of iou, iomin, got 'max'"),
    ],
)
def test_arguments_that_are_refused(changes, message):
    usual = {"boxes": torch.zeros(3, 4), "scores": torch.zeros(3), "segments": torch.zeros(3, dtype=torch.int64)}
    with pytest.raises(ConfigError, match=message):
        ops.batched_nms(**{**usual, "threshold": 0.5, **changes})


def test_crops_of_a_wrong_size_are_refused():
    with pytest.raises(ConfigError, match="size must be a whole number from 1 to 4096, got 0"):
        ops.crop_pad_resize(torch.from_numpy(IMAGE), torch.zeros(1, 4), 0)


def test_without_torch_the_message_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(ops.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"arrays in CUDA memory need torch: pip install 'mtcnn-fast\[torch\]'"):
        ops.resize_pyramid(OnlyDlpack(), [0.5])


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_they_are_operators_of_torch():
    """Schema, registration and shapes without data, checked by torch itself."""
    image, boxes, scores = map(torch.from_numpy, (IMAGE, BOXES, SCORES))
    found = operators()
    torch.library.opcheck(found.resize_pyramid.default, (image, [20, 9], [25, 7], 1))
    torch.library.opcheck(found.crop_pad_resize.default, (image, boxes, 24, True, 1))
    torch.library.opcheck(found.batched_nms.default, (boxes, scores, torch.from_numpy(SEGMENTS), 0.5, False))
    assert torch.ops.mtcnn_fast is found
    assert operators() is found


def test_on_cuda_the_kernels_are_asked_for(monkeypatch):
    """Registered for CUDA too: a device that has no kernels says so."""
    from mtcnn_fast.backends.torch import operators as torch_operators

    operators()
    for name in ("resize_pyramid", "crop_pad_resize", "batched_nms"):
        assert torch._C._dispatch_has_kernel_for_dispatch_key(f"mtcnn_fast::{name}", "CUDA")
    monkeypatch.setattr(torch_operators, "cuda_module", lambda: (None, "this installation has no CUDA kernels"))
    with pytest.raises(
        BackendUnavailableError, match="operations on CUDA tensors are not available: this installation has no CUDA"
    ):
        torch_operators._required_module()


def test_first_calls_of_several_threads_register_once():
    program = """
import sys, threading, torch
sys.setswitchinterval(1e-5)
from mtcnn_fast import ops
boxes, scores, segments = torch.rand(10, 4), torch.rand(10), torch.zeros(10, dtype=torch.int64)
gate, errors = threading.Barrier(8), []
def work():
    gate.wait()
    try: ops.batched_nms(boxes, scores, segments, 0.5)
    except BaseException as error: errors.append(error)
threads = [threading.Thread(target=work) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
sys.exit(str(errors) if errors else 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.filterwarnings("ignore")
def test_other_numbers_of_boxes_compile_nothing_anew():
    compiled = []

    def count(graph, examples):
        compiled.append(graph)
        return graph.forward

    @torch.compile(dynamic=True, backend=count)
    def crop(image, boxes):
        crops, valid = operators().crop_pad_resize(image, boxes, 24, True, 1)
        return crops * 2, valid

    operators()
    image = torch.from_numpy(IMAGE)
    for number in (3, 4, 5, 6, 7):
        crops, _ = crop(image, torch.from_numpy(BOXES[:number]))
        expected, _ = ops.crop_pad_resize(IMAGE, BOXES[:number], 24)
        np.testing.assert_array_equal(crops.numpy(), 2 * expected)
    assert 1 <= len(compiled) <= 2


@pytest.mark.parametrize("change", ["default device", "float64", "autocast", "inference mode"])
def test_the_process_may_set_what_it_wants(change):
    blocks = {
        "default device": lambda: torch.device("meta"),
        "autocast": lambda: torch.autocast("cpu"),
        "inference mode": torch.inference_mode,
        "float64": contextlib.nullcontext,
    }
    if change == "float64":
        torch.set_default_dtype(torch.float64)
    try:
        with blocks[change]():
            kept = ops.batched_nms(torch.from_numpy(BOXES), SCORES.tolist(), SEGMENTS.tolist(), 0.4)
            crops, _ = ops.crop_pad_resize(torch.from_numpy(IMAGE), BOXES.tolist(), 24)
            levels = ops.resize_pyramid(torch.from_numpy(IMAGE), [0.5])
    finally:
        torch.set_default_dtype(torch.float32)
    assert kept.tolist() == ops.batched_nms(BOXES, SCORES, SEGMENTS, 0.4).tolist()
    np.testing.assert_array_equal(crops.numpy(), ops.crop_pad_resize(IMAGE, BOXES, 24)[0])
    np.testing.assert_array_equal(levels[0].numpy(), ops.resize_pyramid(IMAGE, [0.5])[0])
