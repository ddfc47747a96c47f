"""How many launches and blocks the kernels take: what a test of results cannot see."""

import numpy as np
import pytest

from support.cuda_device import VARIANT
from support.cuda_producers import Interface

pytestmark = pytest.mark.skipif(VARIANT == "gpu", reason="counts the launches of the emulated device")


@pytest.fixture
def sized(device):
    """Make arrays of any size without their memory, for launches that are counted and not run."""
    small = device.empty(1 << 12, np.uint8)

    def sized(shape, dtype):
        shape = shape if isinstance(shape, tuple) else (shape,)
        return Interface(small, shape=shape, typestr=np.dtype(dtype).str)

    return sized


def suppression_launches(device, sized, capacity, segments):
    module = device.module
    arrays = [sized((capacity, 4), np.float32), sized(capacity, np.float32), sized(capacity, np.int32)]
    outputs = [sized(capacity, np.int64), sized(1, np.int32)]
    workspace = sized(module.batched_nms_workspace_size(capacity, segments), np.uint8)
    with device.counting_only():
        module.batched_nms(*arrays, segments, sized(1, np.int32), 0.5, False, *outputs, workspace, stream=0)
        return device.launches()


@pytest.mark.parametrize("images", [1, 16, 64])
@pytest.mark.parametrize(("capacity", "levels"), [(4096, 10), (32768, 13)], ids=["640x480", "1920x1080"])
def test_suppression_takes_three_launches_and_blocks_for_boxes_and_segments(device, sized, images, capacity, levels):
    """Both suppressions after P-Net, by level and by image, on lists with the usual room for a batch."""
    for segments in (images * levels, images):
        launches = suppression_launches(device, sized, images * capacity, segments)
        assert len(launches) == 3
        assert sum(launches) <= images * capacity / 256 + 1 + 2 * segments


def test_memory_of_suppression_grows_with_the_boxes(device):
    size = device.module.batched_nms_workspace_size
    assert size(1 << 20, 1000) <= 40 * (1 << 20) + 20 * 1000 + 4096


def test_launches_are_counted_and_not_run_on_demand(device):
    """So that a test that counts cannot pass by counting nothing."""
    module = device.module
    arrays = [device.array(np.zeros((3, 4), np.float32)), device.array(np.ones(3, np.float32)), None]
    outputs = [device.empty(3, np.int64), device.array([7], np.int32)]
    workspace = device.empty(module.batched_nms_workspace_size(3, 1), np.uint8)

    def run():
        module.batched_nms(*arrays, 1, None, 0.5, False, *outputs, workspace, stream=0)
        return device.launches()

    device.launches()
    with device.counting_only():
        counted = run()
        assert outputs[1].numpy().tolist() == [7]
    assert run() == counted == [1, 1, 1]
    assert outputs[1].numpy().tolist() == [3]
