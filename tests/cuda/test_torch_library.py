"""The operators for CUDA tensors, with the real kernels on the emulated device."""

from __future__ import annotations

import numpy as np
import pytest

from mtcnn_fast import ops
from mtcnn_fast.backends import host

torch = pytest.importorskip("torch", reason="tensors need torch")

from mtcnn_fast.backends.torch.operators import CudaFunctions  # noqa: E402

pytestmark = pytest.mark.torch

RNG = np.random.default_rng(12)
IMAGE = RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8)
BOXES = np.concatenate([RNG.uniform(-5, 40, (60, 2)), RNG.uniform(5, 60, (60, 2))], 1).astype(np.float32)
SCORES = RNG.random(60, np.float32)
SEGMENTS = RNG.integers(-2, 2, 60) * 1_000_000_007


@pytest.fixture
def functions(plain_device):
    plain_device.library.emulation_accept_host_memory(1)
    yield CudaFunctions(lambda: plain_device.module, lambda device: 0)
    plain_device.library.emulation_accept_host_memory(0)


@pytest.mark.parametrize("planes", [False, True])
def test_pyramid(functions, planes):
    image = torch.from_numpy(IMAGE)
    if planes:
        image = image.permute(2, 0, 1).contiguous().permute(1, 2, 0)
    levels = functions.resize_pyramid(image, [21, 5], [26, 6], 1)
    expected = host.resize_to_sizes(IMAGE, [(21, 26), (5, 6)], 1)
    for ours, reference in zip(levels, expected, strict=True):
        np.testing.assert_array_equal(ours.numpy(), reference)
    assert levels[0].untyped_storage().data_ptr() != levels[1].untyped_storage().data_ptr()
    assert functions.resize_pyramid(image, [], [], 1) == []


@pytest.mark.parametrize("border", ["zero", "clip"])
def test_crops(functions, border):
    boxes = torch.from_numpy(BOXES.T.copy()).T
    crops, valid = functions.crop_pad_resize(torch.from_numpy(IMAGE), boxes, 24, border == "zero", 1)
    expected, expected_valid = ops.crop_pad_resize(IMAGE, BOXES, 24, border)
    np.testing.assert_array_equal(crops.numpy(), expected)
    np.testing.assert_array_equal(valid.numpy(), expected_valid)


@pytest.mark.parametrize("count", [0, 1, 60])
@pytest.mark.parametrize("mode", ["iou", "iomin"])
def test_suppression_in_segments_of_any_numbers(functions, mode, count):
    arrays = BOXES[:count], SCORES[:count], SEGMENTS[:count]
    kept = functions.batched_nms(*map(torch.from_numpy, arrays), 0.4, mode == "iomin")
    assert kept.tolist() == ops.batched_nms(*arrays, 0.4, mode).tolist()
