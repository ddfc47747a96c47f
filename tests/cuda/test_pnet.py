"""The fused P-Net against numpy's: resampling exact, networks within the contract, results independent of the batch."""

from __future__ import annotations

import runpy

import numpy as np
import pytest

from mtcnn_fast.backends.numpy import steps as numpy_steps
from mtcnn_fast.backends.numpy.nets import PNet
from mtcnn_fast.weights import load_weights
from support.cuda_build import ROOT
from support.cuda_device import VARIANT
from support.cuda_ops import run_pnet, upload_image
from support.native_names import compares
from support.pictures import ramp_with_noise as picture

WIDE, NARROW = 99 * 1024, 64 * 1024
WEIGHTS = load_weights(None).pnet


def expected(image, height, width, weights=WEIGHTS):
    level = numpy_steps.resize(numpy_steps.integral_image(image), height, width)
    return PNet(weights)(level)


def assert_level(ours, reference):
    for mine, theirs, tolerance in zip(ours, reference, (1e-5, 1e-4), strict=True):
        assert mine.shape == theirs.shape
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=tolerance)


@compares("_cuda.PNetLevel", "_cuda.PNetPlan", "_cuda.pnet_weights", "_cuda.pnet")
@pytest.mark.parametrize("shared_memory", [WIDE, NARROW])
@pytest.mark.parametrize(
    ("height", "width"),
    [(12, 12), (13, 12), (12, 15), (41, 74), (42, 75), (43, 77), (20, 90)],
    ids=lambda value: str(value),
)
def test_equals_numpy_around_the_sizes_of_a_tile(device, height, width, shared_memory):
    """One cell; exactly a tile; a row and a column more; odd sides, whose last pooling window leaves the map."""
    image = picture(height + 7, width + 3)
    (ours,) = run_pnet(device, WEIGHTS, [upload_image(device, image)], [(0, height, width)], shared_memory)
    assert_level(ours, expected(image, height, width))


def test_tiles_do_not_change_a_bit(device):
    image = upload_image(device, picture(60, 90))
    (wide,) = run_pnet(device, WEIGHTS, [image], [(0, 47, 83)], WIDE)
    (narrow,) = run_pnet(device, WEIGHTS, [image], [(0, 47, 83)], NARROW)
    for mine, theirs in zip(wide, narrow, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_batch_equals_its_images_to_the_bit(device):
    pictures = [upload_image(device, picture(40 + 9 * i, 50 - 7 * i, i)) for i in range(3)]
    levels = [(image, 25 + 3 * image, 31 - 5 * image) for image in range(3)] + [(1, 14, 12), (0, 12, 19)]
    together = run_pnet(device, WEIGHTS, pictures, levels)
    for level, ours in zip(levels, together, strict=True):
        (alone,) = run_pnet(device, WEIGHTS, [pictures[level[0]]], [(0, *level[1:])])
        for mine, theirs in zip(ours, alone, strict=True):
            np.testing.assert_array_equal(mine, theirs)


#: How an image lies in memory: packed rows that can be read by words, and by bytes only; rows with a gap; planes.
LAYOUTS = {
    "words": (36, {}),
    "words with a gap": (36, {"pitch": 8, "shift": 4}),
    "bytes": (37, {}),
    "bytes with a gap": (36, {"pitch": 5, "shift": 3}),
    "planes": (37, {"layout": "chw", "pitch": 5, "shift": 3}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_strides_of_the_image(device, layout):
    width, how = LAYOUTS[layout]
    image = picture(30, width)
    (ours,) = run_pnet(device, WEIGHTS, [upload_image(device, image, **how)], [(0, 15, 20)])
    assert_level(ours, expected(image, 15, 20))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_give_the_same_bits(device, layout):
    """The pixels are exact, whichever way they are summed."""
    image = picture(90, 148)
    whole, part = upload_image(device, image), upload_image(device, image, **LAYOUTS[layout][1])
    for level in ((0, 77, 131), (0, 31, 40), (0, 12, 15)):
        (reference,), (ours,) = run_pnet(device, WEIGHTS, [whole], [level]), run_pnet(device, WEIGHTS, [part], [level])
        for mine, theirs in zip(ours, reference, strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("height", "width", "layout"),
    [(150, 130, "hwc"), (150, 130, "chw"), (3200, 14, "hwc"), (13, 6400, "hwc"), (13, 3300, "hwc")],
)
def test_large_bins(device, height, width, layout):
    """Summed by columns, by warps; more rows than sums of 16 bits hold; wider than a tile's shared memory."""
    image = picture(height, width)
    image[: height // 2] = 255
    for shared_memory in (WIDE, NARROW):
        (ours,) = run_pnet(
            device, WEIGHTS, [upload_image(device, image, layout)], [(0, 13, 12)], shared_memory=shared_memory
        )
        assert_level(ours, expected(image, 13, 12))


def test_slopes_of_any_sign_and_size(device):
    """So that PReLU may not change places with the pooling, and is no maximum."""
    rng = np.random.default_rng(3)
    weights = {name: np.array(tensor) for name, tensor in WEIGHTS.items()}
    for name in ("prelu1.weight", "prelu2.weight", "prelu3.weight"):
        weights[name] = rng.uniform(-2, 2, weights[name].shape).astype(np.float32)
    image = picture(40, 40)
    (ours,) = run_pnet(device, weights, [upload_image(device, image)], [(0, 25, 29)])
    scores, offsets = expected(image, 25, 29, weights)
    np.testing.assert_allclose(ours[0], scores, rtol=0, atol=1e-4)
    np.testing.assert_allclose(ours[1], offsets, rtol=1e-4, atol=1e-3)


def test_proposals_read_the_output(device):
    """The plan's table tells `proposals` where each level is."""
    module = device.module
    image = upload_image(device, picture(40, 50))
    levels = [(0, 30, 38, 0, 0.75), (0, 20, 25, 1, 0.5)]
    plan = module.PNetPlan([image.entry], [module.PNetLevel(*level) for level in levels], shared_memory=WIDE)
    rng = np.random.default_rng(1)
    scores, offsets = rng.random(plan.cells, np.float32), rng.random(4 * plan.cells, np.float32)
    maps = [module.ProposalMap(device.array(scores.reshape(1, 1, -1)), device.array(offsets.reshape(1, 4, 1, -1)))]
    out = [device.empty((500, 4), np.float32), device.empty(500, np.float32), device.empty((500, 4), np.float32)]
    out += [device.empty(500, np.int32), device.empty(500, np.int32)]
    counts = [device.empty(1, np.int32), device.empty(1, np.int32)]
    workspace = device.empty(module.proposals_workspace_size(plan.chunks), np.uint8)
    arguments = (device.bytes(plan.proposal_table), plan.chunks, 0.5, *out, *counts, workspace)
    module.proposals(maps, *arguments, stream=0)
    cells = [((height - 1) // 2 - 4) * ((width - 1) // 2 - 4) for _, height, width, _, _ in levels]
    passed = np.flatnonzero(scores >= 0.5)
    count = counts[0].numpy()[0]
    assert count == len(passed)
    np.testing.assert_array_equal(out[1].numpy()[:count], scores[passed])
    np.testing.assert_array_equal(out[3].numpy()[:count], (passed >= cells[0]).astype(np.int32))
    first = np.flatnonzero(scores[: cells[0]] >= 0.5)
    np.testing.assert_array_equal(out[2].numpy()[: len(first)], offsets[: 4 * cells[0]].reshape(4, -1)[:, first].T)


@pytest.mark.skipif(VARIANT != "race", reason="only the race build counts bytes")
def test_one_launch_and_the_bytes_it_reads(device):
    """A level reads its image once, but for the rows and columns that tiles share: 1.2 to 1.4 times by design."""
    pictures = [upload_image(device, picture(84, 148, i)) for i in range(2)]
    levels = [(i, 84 // k, 148 // k) for i in range(2) for k in (1, 2)]
    device.launches()
    run_pnet(device, WEIGHTS, pictures, levels)
    # Tiles of 32 x 16 cells: 3 x 3 of them in the larger level, one is the other.
    assert device.launches() == [2 * (9 + 1)]
    for image in pictures:
        read, written = device.traffic(image.memory)
        assert written == 0
        assert 2 <= read / image.memory.nbytes <= 2 * 1.4


def test_the_report_knows_the_tiles(device):
    """`scripts/cuda_report.py` adds to ptxas's shared memory what the launch asks for."""
    report = runpy.run_path(str(ROOT / "scripts" / "cuda_report.py"))
    for shared_memory in (WIDE, NARROW):
        plan = device.module.PNetPlan([], [], shared_memory=shared_memory)
        name = "pnet<{}x{}>".format(*plan.tile)
        assert report["DYNAMIC_SHARED"][name] == plan.shared_memory
        assert report["THREADS"][name] == plan.tile[0] * plan.tile[1] // 2


def test_a_plan_serves_other_images_of_its_sizes(device):
    module = device.module
    pictures = [upload_image(device, picture(40, 50, seed)) for seed in range(2)]
    plans = [module.PNetPlan([p.entry], [module.PNetLevel(0, 20, 25, 0, 0.5)], shared_memory=WIDE) for p in pictures]
    assert plans[0].table != plans[1].table
    assert plans[0].table_for([pictures[1].entry]) == plans[1].table
    assert plans[0].table_for([pictures[0].entry]) == plans[0].table
    with pytest.raises(ValueError, match="images must be 1 as planned, got 2"):
        plans[0].table_for([p.entry for p in pictures])
    other = upload_image(device, picture(40, 51)).entry
    with pytest.raises(ValueError, match=r"images\[0\] must have 40 x 50 pixels as planned, got 40 x 51"):
        plans[0].table_for([other])


def test_no_levels(device):
    assert run_pnet(device, WEIGHTS, [], []) == []


def test_arguments_are_checked(device):
    module = device.module
    image = upload_image(device, picture(40, 50)).entry
    with pytest.raises(ValueError, match=r"levels\[0\] must have a size of at least 12 x 12, got 11 x 20"):
        module.PNetPlan([image], [module.PNetLevel(0, 11, 20, 0, 0.5)], shared_memory=WIDE)
    levels = [module.PNetLevel(i, 12, 20, 0, 0.5) for i in range(2)]
    with pytest.raises(ValueError, match=r"levels\[1\] must refer to one of the 1 images, got 1"):
        module.PNetPlan([image], levels, shared_memory=WIDE)
    with pytest.raises(ValueError, match=r"shared_memory must be at least \d+ bytes, got 1024"):
        module.PNetPlan([image], [], shared_memory=1024)
    missing = {name: tensor for name, tensor in WEIGHTS.items() if name != "conv2.bias"}
    with pytest.raises(ValueError, match=r"weights must have a tensor 'conv2\.bias'"):
        module.pnet_weights(missing)
    with pytest.raises(ValueError, match=r"weights' tensor 'conv1\.bias' must be \(10,\), got \(3,\)"):
        module.pnet_weights({**WEIGHTS, "conv1.bias": np.zeros(3, np.float32)})


@pytest.mark.skipif(VARIANT == "gpu", reason="steers the emulated device")
def test_a_device_that_grants_too_little_shared_memory_says_so(device):
    image = upload_image(device, picture(40, 50))
    device.library.emulation_set_shared_memory(60 * 1024)
    try:
        with pytest.raises(Exception, match=r"pnet \(1 images, 1 levels; .*shared memory \d+\): cudaErrorInvalidValue"):
            run_pnet(device, WEIGHTS, [image], [(0, 20, 20)], WIDE)
    finally:
        device.library.emulation_set_shared_memory(99 * 1024)
