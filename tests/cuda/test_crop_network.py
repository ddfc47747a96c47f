"""The fused R-Net and O-Net against numpy's: crops exact, networks within the contract, independent of the batch."""

from __future__ import annotations

import runpy

import numpy as np
import pytest

from mtcnn_fast.backends.numpy import steps as numpy_steps
from mtcnn_fast.backends.numpy.nets import ONet, RNet
from mtcnn_fast.weights import load_weights
from support.cuda_build import ROOT
from support.cuda_device import VARIANT
from support.cuda_ops import run_crop_network, upload_image
from support.native_names import compares

WIDE, NARROW = 99 * 1024, 64 * 1024
WEIGHTS = load_weights(None)
TENSORS = {"rnet": WEIGHTS.rnet, "onet": WEIGHTS.onet}
NETWORKS = {"rnet": RNet, "onet": ONet}

#: Inside the image; across each side, of which the last leaves one column; the whole image; upright; a large one, whose
#: bins are shared by warps; one pixel; no pixel; turned around; not finite.
BOXES = np.array(
    [
        [10, 10, 40, 40],
        [-9, 5, 22, 36],
        [30, -7, 61, 24],
        [63, 20, 93, 50],
        [1, 1, 64, 48],
        [20, 10, 30, 45],
        [-180, -190, 320, 310],
        [7, 7, 7, 7],
        [70, 10, 90, 30],
        [40, 40, 10, 10],
        [np.nan, 3, 20, 20],
    ],
    np.float32,
)


def picture(height, width, seed=0):
    """Noise over a gradient, so that neighbouring bins differ."""
    rng = np.random.default_rng(seed)
    ramp = np.add.outer(np.linspace(0, 120, height), np.linspace(0, 90, width))[..., None]
    return np.clip(ramp + rng.integers(0, 60, (height, width, 3)), 0, 255).astype(np.uint8)


def expected(name, image, boxes, border="zero", tensors=None):
    """Return scores, offsets and points, 0 for boxes that are not valid, and which are."""
    network = NETWORKS[name](TENSORS[name] if tensors is None else tensors)
    crops, valid = numpy_steps.crop(numpy_steps.integral_image(image), boxes, network.size, border)
    outputs = [output * valid.reshape(-1, *[1] * (output.ndim - 1)) for output in network(crops)]
    return outputs, valid


def run(device, name, pictures, boxes, index=None, *, tensors=None, **settings):
    index = np.zeros(len(boxes), np.int32) if index is None else index
    tensors = TENSORS[name] if tensors is None else tensors
    return run_crop_network(device, name, tensors, pictures, boxes, index, **settings)


def assert_close(ours, reference):
    for mine, theirs, tolerance in zip(ours, reference, (1e-5, 1e-4, 1e-4), strict=False):
        assert mine.shape == theirs.shape
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=tolerance)
    assert len(ours) == len(reference)


@compares("_cuda.CropNetwork", "_cuda.run_crop_network")
@pytest.mark.parametrize("name", ["rnet", "onet"])
@pytest.mark.parametrize("border", ["zero", "clip"])
def test_equals_numpy(device, name, border):
    image = picture(48, 64)
    # The borders differ where a box leaves the image. O-Net takes time here.
    boxes = BOXES if border == "zero" or name == "rnet" else BOXES[[1, 6, 8]]
    outputs, valid = run(device, name, [upload_image(device, image)], boxes, border=border)
    reference, reference_valid = expected(name, image, boxes, border)
    np.testing.assert_array_equal(valid, reference_valid)
    assert 0 < valid.sum() < len(valid)
    assert_close(outputs, reference)


@pytest.mark.parametrize("name", ["rnet", "onet"])
@pytest.mark.parametrize(
    "how",
    [{}, {"pitch": 8, "shift": 4}, {"pitch": 5, "shift": 3}, {"layout": "chw"}],
    ids=["words", "words with a gap", "bytes", "planes"],
)
def test_layouts_give_the_same_bits(device, name, how):
    """And numpy's pixels: a box across two sides, and one whose bins are large."""
    image = picture(120, 148)
    boxes = np.array([[-9, 5, 22, 36], [-20, -30, 170, 160]], np.float32)
    ours, valid = run(device, name, [upload_image(device, image, **how)], boxes)
    reference, _ = run(device, name, [upload_image(device, image)], boxes)
    for mine, theirs in zip(ours, reference, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert_close(ours, expected(name, image, boxes)[0])
    assert valid.all()


@pytest.mark.parametrize(("height", "width"), [(6700, 30), (40, 2100)])
def test_sums_that_do_not_fit(device, height, width):
    """Bins of more rows than 16 bits hold the sums of; a box that is wider than the shared memory has room for."""
    image = picture(height, width)
    image[: height // 2] = 255
    boxes = np.array([[0, 0, width, height]], np.float32)
    outputs, _ = run(device, "rnet", [upload_image(device, image)], boxes)
    assert_close(outputs, expected("rnet", image, boxes)[0])


def test_bands_do_not_change_a_bit(device):
    image = upload_image(device, picture(48, 64))
    wide, _ = run(device, "onet", [image], BOXES[1:2], shared_memory=WIDE)
    narrow, _ = run(device, "onet", [image], BOXES[1:2], shared_memory=NARROW)
    for mine, theirs in zip(wide, narrow, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("name", ["rnet", "onet"])
def test_a_batch_equals_its_crops_to_the_bit(device, name):
    """More crops than a block of the dense layer has (of R-Net), of several images, some of them not valid."""
    pictures = [upload_image(device, picture(48 + 3 * i, 64 - 5 * i, i)) for i in range(3)]
    boxes, singles = (BOXES, (2, 6, 7)) if name == "rnet" else (BOXES[[0, 10, 1, 6]], (2, 3))
    index = np.sort(np.arange(len(boxes)) % 3).astype(np.int32)
    together, valid = run(device, name, pictures, boxes, index)
    for i in singles:
        assert valid[i]
        alone, _ = run(device, name, pictures, boxes[i : i + 1], index[i : i + 1])
        for mine, theirs in zip(together, alone, strict=True):
            np.testing.assert_array_equal(mine[i : i + 1], theirs)


@pytest.mark.skipif(VARIANT == "gpu", reason="counts the launches of the emulated device")
def test_more_boxes_than_the_workspace_holds(device):
    """They go through in parts; all but the last fill whole blocks of the dense layer."""
    image = upload_image(device, picture(48, 64))
    boxes = np.repeat(BOXES[:2], 10, axis=0) + np.arange(20, dtype=np.float32)[:, None]
    (at_once, valid), map_bytes = run(device, "rnet", [image], boxes, count=18), 48 * 16 * 4
    device.launches()
    in_parts, _ = run(device, "rnet", [image], boxes, count=18, workspace_size=9 * map_bytes)
    assert device.launches() == [8, 1, 8, 1, 4, 1]
    assert valid.tolist() == [True] * 18 + [False] * 2
    for mine, theirs in zip(in_parts, at_once, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("name", ["rnet", "onet"])
def test_boxes_beyond_the_count_and_of_no_image_give_zeros(device, name):
    boxes = np.repeat(BOXES[:1], 10, axis=0)
    index = np.array([0, 5, -1, 0, 0, 0, 0, 0, 0, 0], np.int32)
    outputs, valid = run(device, name, [upload_image(device, picture(48, 64))], boxes, index, count=4)
    assert valid.tolist() == [True, False, False, True] + [False] * 6
    for output in outputs:
        assert output[0].any()
        np.testing.assert_array_equal(output[3], output[0])
        assert not output[~valid].any()


@pytest.mark.parametrize("name", ["rnet", "onet"])
def test_channels_are_those_of_the_weights(device, name):
    """None a multiple of four, other slopes, so that PReLU may not change places with the pooling."""
    rng = np.random.default_rng(3)
    channels = {"rnet": (7, 9, 5, 11), "onet": (5, 9, 7, 3, 13)}[name]
    inputs = 3
    tensors = {}
    for i, outputs in enumerate(channels[:-1], start=1):
        kernel = 2 if i == len(channels) - 1 else 3
        tensors[f"conv{i}.weight"] = rng.normal(0, 0.3, (outputs, inputs, kernel, kernel))
        inputs = outputs
        tensors[f"conv{i}.bias"] = rng.normal(0, 0.1, outputs)
        tensors[f"prelu{i}.weight"] = rng.uniform(-2, 2, outputs)
    dense = len(channels)
    for layer, outputs, width in [(f"dense{dense}", channels[-1], 9 * inputs)] + [
        (f"dense{dense + 1}_{k}", outputs, channels[-1])
        for k, outputs in enumerate([2, 4, 10][: 2 if name == "rnet" else 3], start=1)
    ]:
        tensors[f"{layer}.weight"] = rng.normal(0, 0.1, (outputs, width))
        tensors[f"{layer}.bias"] = rng.normal(0, 0.1, outputs)
    tensors[f"prelu{dense}.weight"] = rng.uniform(-2, 2, channels[-1])
    tensors = {key: value.astype(np.float32) for key, value in tensors.items()}
    image = picture(48, 64)
    outputs, _ = run(device, name, [upload_image(device, image)], BOXES[:3], tensors=tensors)
    assert_close(outputs, expected(name, image, BOXES[:3], tensors=tensors)[0])


@pytest.mark.skipif(VARIANT != "race", reason="only the race build counts bytes")
def test_two_launches_with_blocks_for_the_list_and_bytes_for_the_crops(device):
    image = upload_image(device, picture(48, 64))
    device.traffic(image.memory)
    device.launches()
    run(device, "onet", [image], np.repeat(BOXES[:1], 20, axis=0), count=2)
    assert device.launches() == [20, 3]
    read, written = device.traffic(image.memory)
    assert written == 0
    # A crop of 31 x 31 pixels is enlarged: its pixels are read for every bin of one or two of them a side, and bands
    # read the rows that they share twice.
    assert read <= 2 * 3 * (48 * 2) ** 2 * 1.4


def test_the_report_knows_the_bands(device):
    """`scripts/cuda_report.py` adds to ptxas's shared memory what the launch asks for."""
    report = runpy.run_path(str(ROOT / "scripts" / "cuda_report.py"))
    for name, side, shared_memory in (("rnet", 24, WIDE), ("onet", 48, WIDE), ("onet", 48, NARROW)):
        network = device.module.CropNetwork(name, dict(TENSORS[name]), shared_memory=shared_memory)
        kernel = f"crop_features<{side}x{network.band}>"
        assert report["DYNAMIC_SHARED"][kernel] == network.shared_memory
        assert kernel in report["THREADS"]


def test_no_boxes(device):
    outputs, valid = run(device, "rnet", [upload_image(device, picture(20, 20))], BOXES[:0])
    assert [len(output) for output in outputs] == [0, 0]
    assert len(valid) == 0


def test_arguments_are_checked(device):
    module = device.module
    rnet = dict(TENSORS["rnet"])
    with pytest.raises(ValueError, match="name must be 'rnet' or 'onet', got 'pnet'"):
        module.CropNetwork("pnet", rnet, shared_memory=WIDE)
    with pytest.raises(ValueError, match=r"shared_memory must be at least \d+ bytes for rnet, got 1024"):
        module.CropNetwork("rnet", rnet, shared_memory=1024)
    missing = {name: tensor for name, tensor in rnet.items() if name != "conv2.bias"}
    with pytest.raises(ValueError, match=r"weights must have a tensor 'conv2\.bias'"):
        module.CropNetwork("rnet", missing, shared_memory=WIDE)
    wrong = {**rnet, "conv2.weight": np.zeros((48, 3, 3, 3), np.float32)}
    with pytest.raises(ValueError, match=r"'conv2\.weight' must be \(48, 28, 3, 3\), got \(48, 3, 3, 3\)"):
        module.CropNetwork("rnet", wrong, shared_memory=WIDE)
    image = upload_image(device, picture(20, 20))
    with pytest.raises(ValueError, match=r"workspace must have at least \d+ bytes, got 10"):
        run(device, "rnet", [image], BOXES[:1], workspace_size=10)
    with pytest.raises(ValueError, match="points must be given for O-Net and None for R-Net"):
        run(device, "rnet", [image], BOXES[:1], landmarks=True)
