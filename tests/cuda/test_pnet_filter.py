"""P-Net with its filter of tensor cores: it takes what half precision says, and that has the exact bits."""

from __future__ import annotations

import numpy as np
import pytest

from mtcnn_fast.backends.numpy import steps as numpy_steps
from mtcnn_fast.weights import load_weights
from support.cuda_device import VARIANT
from support.cuda_ops import run_filtered_pnet, run_pnet, upload_image
from support.half_pnet import face_logits
from support.native_names import compares
from support.pictures import ramp_with_noise

WIDE, NARROW = 99 * 1024, 64 * 1024
WEIGHTS = load_weights(None).pnet


def steep_weights():
    """Weights whose slopes are of any sign, so that PReLU is no maximum, and with which cells differ much."""
    rng = np.random.default_rng(3)
    weights = {name: np.array(tensor) for name, tensor in WEIGHTS.items()}
    for name in ("prelu1.weight", "prelu2.weight", "prelu3.weight"):
        weights[name] = rng.uniform(-1.5, 1.5, weights[name].shape).astype(np.float32)
    return weights


def parts_of(cells, combine):
    """Combine the cells of each part of 8 x 8, as far as there are cells."""
    rows, columns = cells.shape
    return np.array([[combine(cells[y : y + 8, x : x + 8]) for x in range(0, columns, 8)] for y in range(0, rows, 8)])


def largest_logits(image, height, width, weights=WEIGHTS):
    """What the filter compares with its limit, computed by numpy in half precision."""
    level = numpy_steps.resize(numpy_steps.integral_image(image), height, width)
    return parts_of(face_logits(level, weights), np.max)


def within(wanted, largest):
    """The parts that have cells; no others are taken."""
    rows, columns = largest.shape
    assert not wanted[rows:].any()
    assert not wanted[:, columns:].any()
    return wanted[:rows, :columns]


@compares("_cuda.pnet_filter_weights", "_cuda.pnet_filtered")
@pytest.mark.parametrize("shared_memory", [WIDE, NARROW])
@pytest.mark.parametrize(("height", "width"), [(12, 12), (27, 30), (41, 74), (43, 77)], ids=lambda value: str(value))
def test_takes_what_half_precision_puts_above_the_limit(device, height, width, shared_memory):
    """One cell; a part; exactly a tile; a row and a column more, with odd sides."""
    image = ramp_with_noise(height + 7, width + 3)
    weights = steep_weights()
    largest = largest_logits(image, height, width, weights)
    picture = upload_image(device, image)
    # Around the last part, whose cells are those at the edge, and around the middle of all.
    for limit in (largest[-1, -1] - 0.02, largest[-1, -1] + 0.02, float(np.median(largest)) + 0.02):
        run = run_filtered_pnet(device, weights, [picture], [(0, height, width)], limit, shared_memory)
        clear = np.abs(largest - limit) > 0.01
        assert clear[-1, -1]
        np.testing.assert_array_equal(within(run.wanted[0], largest)[clear], (largest >= limit)[clear])


@pytest.mark.parametrize("shared_memory", [WIDE, NARROW])
def test_what_is_taken_has_the_exact_bits_and_the_rest_scores_0(device, shared_memory):
    image = ramp_with_noise(70, 100)
    level = (0, 61, 95)
    picture = upload_image(device, image)
    ((scores, offsets),) = run_pnet(device, WEIGHTS, [picture], [level], shared_memory)
    limit = float(np.median(largest_logits(image, *level[1:])))
    run = run_filtered_pnet(device, WEIGHTS, [picture], [level], limit, shared_memory)
    taken = np.kron(run.wanted[0], np.ones((8, 8), bool))[: scores.shape[0], : scores.shape[1]]
    assert 0.2 < taken.mean() < 0.8
    np.testing.assert_array_equal(run.levels[0][0], np.where(taken, scores, 0))
    np.testing.assert_array_equal(run.levels[0][1], np.where(taken, offsets, -1))


def test_infinite_limits_take_all_or_nothing(device):
    image, level = upload_image(device, ramp_with_noise(40, 60)), (0, 25, 47)
    (exact,) = run_pnet(device, WEIGHTS, [image], [level])
    everything = run_filtered_pnet(device, WEIGHTS, [image], [level], -np.inf)
    rows, columns = exact[0].shape
    assert within(everything.wanted[0], np.empty((-(-rows // 8), -(-columns // 8)))).all()
    for mine, theirs in zip(everything.levels[0], exact, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    nothing = run_filtered_pnet(device, WEIGHTS, [image], [level], np.inf)
    assert not nothing.wanted[0].any()
    assert not nothing.levels[0][0].any()


def test_what_is_no_number_is_taken(device):
    weights = {**WEIGHTS, "conv2.bias": np.full(16, np.nan, np.float32)}
    run = run_filtered_pnet(device, weights, [upload_image(device, ramp_with_noise(30, 30))], [(0, 27, 27)], 100)
    assert run.wanted[0][:2, :2].all()


def test_a_batch_equals_its_images_to_the_bit(device):
    pictures = [upload_image(device, ramp_with_noise(40 + 9 * i, 50 - 7 * i, i)) for i in range(2)]
    levels = [(0, 25, 31), (1, 28, 26), (1, 14, 12), (0, 12, 19)]
    together = run_filtered_pnet(device, WEIGHTS, pictures, levels, -2.5)
    for i, level in enumerate(levels):
        alone = run_filtered_pnet(device, WEIGHTS, [pictures[level[0]]], [(0, *level[1:])], -2.5)
        np.testing.assert_array_equal(together.wanted[i], alone.wanted[0])
        for mine, theirs in zip(together.levels[i], alone.levels[0], strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("height", "width", "layout"), [(30, 36, "chw"), (3200, 14, "hwc"), (13, 6400, "hwc")], ids=lambda value: str(value)
)
def test_any_image_and_size_of_bins(device, height, width, layout):
    """Planes; more rows than sums of 16 bits hold; wider than a tile's shared memory."""
    image, level = ramp_with_noise(height, width), (13, 12)
    largest = largest_logits(image, *level)
    for limit, expected in ((float(largest.max()) + 0.01, False), (float(largest.max()) - 0.01, True)):
        run = run_filtered_pnet(device, WEIGHTS, [upload_image(device, image, layout)], [(0, *level)], limit)
        assert run.wanted[0][0, 0] == expected


@pytest.mark.skipif(VARIANT == "gpu", reason="counts the launches of the emulated device")
def test_two_launches_with_a_block_a_tile_and_a_warp_a_part(device):
    image = upload_image(device, ramp_with_noise(84, 148))
    device.launches()
    run_filtered_pnet(device, WEIGHTS, [image], [(0, 84, 148), (0, 42, 74)], np.inf)
    assert device.launches() == [9 + 1, 8 * (9 + 1)]
    run_filtered_pnet(device, WEIGHTS, [image], [(0, 42, 74)], np.inf, NARROW)
    assert device.launches() == [2, 4 * 2]
    assert run_filtered_pnet(device, WEIGHTS, [], [], 0).levels == []
    assert device.launches() == []


def test_arguments_are_checked(device):
    module = device.module
    image = upload_image(device, ramp_with_noise(40, 50))
    plan = module.PNetPlan([image.entry], [module.PNetLevel(0, 20, 25, 0, 0.5)], shared_memory=WIDE)
    scores, offsets = device.empty(plan.cells, np.float32), device.empty(4 * plan.cells, np.float32)
    packed = device.bytes(module.pnet_weights(dict(WEIGHTS)))
    own = device.bytes(module.pnet_filter_weights(dict(WEIGHTS)))
    arguments = (plan, device.bytes(plan.table), packed, scores, offsets)
    with pytest.raises(ValueError, match=r"wanted must .*\(8,\)"):
        module.pnet_filtered(*arguments, own, 0, device.empty(7, np.uint8), stream=0)
    with pytest.raises(ValueError, match="filter_weights must"):
        module.pnet_filtered(*arguments, device.empty(16, np.uint8), 0, device.empty(8, np.uint8), stream=0)
    missing = {name: tensor for name, tensor in WEIGHTS.items() if name != "conv4_1.bias"}
    with pytest.raises(ValueError, match=r"weights must have a tensor 'conv4_1\.bias'"):
        module.pnet_filter_weights(missing)
