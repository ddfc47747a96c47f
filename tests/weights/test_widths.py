"""Weights of other widths: which are accepted, and how each wrong neighbour is named."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from mtcnn_fast import ConfigError, Detector
from mtcnn_fast.errors import WeightsError
from mtcnn_fast.weights import NETWORKS, SHAPES, WIDTHS, load_weights, network_shapes, widths_of
from mtcnn_fast.weights.spec import LAYERS, check_widths
from support.portrait import portrait
from support.widths import NARROW, TWICE, WIDE, random_weights, save_folder

WIDTH_SETS = [NARROW, WIDE, TWICE]


def layer_widths(network):
    return st.tuples(
        *(st.integers(1, 160).map(lambda n, s=layer.step: max(s, n // s * s)) for layer in LAYERS[network])
    )


def change_file(folder, network, change):
    path = folder / f"{network}.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(
        {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()},
        path,
        metadata={"format_version": "1", "network": network, "box_coding": "corner"},
    )


@pytest.mark.parametrize("widths", WIDTH_SETS)
def test_folders_and_single_files_of_other_widths_are_read(widths, tmp_path):
    weights = random_weights(widths)
    save_folder(weights, tmp_path)
    joined = {
        f"{network}.{name}": np.ascontiguousarray(tensor)
        for network in NETWORKS
        for name, tensor in getattr(weights, f"{network}net").items()
    }
    metadata = {"format_version": "1", "network": "pro", "box_coding": "corner"}
    save_file(joined, tmp_path / "all.safetensors", metadata=metadata)
    for source in (tmp_path, tmp_path / "all.safetensors"):
        loaded = pickle.loads(pickle.dumps(load_weights(source)))
        for network in ("r", "o"):
            found = getattr(loaded, f"{network}net")
            assert widths_of(network, found) == widths[network]
            for name, tensor in getattr(weights, f"{network}net").items():
                np.testing.assert_array_equal(found[name], tensor)


def test_a_detector_takes_the_folder(tmp_path):
    save_folder(random_weights(WIDE), tmp_path)
    for device in ("numpy", "auto"):
        with Detector(device, weights=str(tmp_path)) as detector:
            assert detector.detect(portrait()).boxes.shape[1:] == (4,)


@settings(max_examples=50, deadline=None)
@given(data=st.data(), network=st.sampled_from(sorted(LAYERS)))
def test_shapes_follow_the_widths(data, network):
    widths = data.draw(layer_widths(network))
    shapes = network_shapes(network, widths)
    assert list(shapes) == list(SHAPES[network])
    tensors = {name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes.items()}
    assert widths_of(network, tensors) == check_widths(network, widths) == widths
    inputs = 3
    for number, (layer, width) in enumerate(zip(LAYERS[network], widths, strict=True), start=1):
        assert shapes[f"{layer.name}.weight"][:2] == (width, inputs if layer.kernel else 9 * inputs)
        assert shapes[f"{layer.name}.bias"] == shapes[f"prelu{number}.weight"] == (width,)
        inputs = width
    assert all(shape[-1] == inputs for name, shape in shapes.items() if "_" in name and name.endswith("weight"))


def test_the_standard_widths_are_the_usual_shapes():
    for network, widths in WIDTHS.items():
        assert dict(network_shapes(network, widths)) == dict(SHAPES[network]) == dict(network_shapes(network))
    assert network_shapes("p") == SHAPES["p"]


ONET = {
    "conv1.weight": r"\(n, 3, 3, 3\) with n from 1 to 512",
    "conv1.bias": r"\(48,\)",
    "prelu1.weight": r"\(48,\)",
    "conv2.weight": r"\(n, 48, 3, 3\) with n from 1 to 512",
    "conv2.bias": r"\(96,\)",
    "prelu2.weight": r"\(96,\)",
    "conv3.weight": r"\(n, 96, 3, 3\) with n a multiple of 16 up to 512",
    "conv3.bias": r"\(96,\)",
    "prelu3.weight": r"\(96,\)",
    "conv4.weight": r"\(n, 96, 2, 2\) with n a multiple of 16 up to 512",
    "conv4.bias": r"\(192,\)",
    "prelu4.weight": r"\(192,\)",
    "dense5.weight": r"\(n, 1728\) with n a multiple of 16 up to 1024",
    "dense5.bias": r"\(384,\)",
    "prelu5.weight": r"\(384,\)",
    "dense6_1.weight": r"\(2, 384\)",
    "dense6_1.bias": r"\(2,\)",
    "dense6_2.weight": r"\(4, 384\)",
    "dense6_2.bias": r"\(4,\)",
    "dense6_3.weight": r"\(10, 384\)",
    "dense6_3.bias": r"\(10,\)",
}


@pytest.mark.parametrize("name", ONET)
def test_each_tensor_is_checked_against_the_one_before(name, tmp_path):
    assert set(ONET) == set(SHAPES["o"])
    save_folder(random_weights(WIDE), tmp_path)

    def grow(tensors):
        tensor = tensors[name]
        tensors[name] = np.concatenate([tensor, tensor[..., :1]], axis=-1)

    change_file(tmp_path, "o", grow)
    with pytest.raises(
        WeightsError, match=rf"o\.safetensors': tensor '{name}' must have shape {ONET[name]}, it has \("
    ):
        load_weights(tmp_path)


@pytest.mark.parametrize(
    ("name", "outputs", "message"),
    [
        ("conv1", 513, r"with n from 1 to 512, it has \(513, 3, 3, 3\)"),
        ("conv2", 0, r"with n from 1 to 512, it has \(0, 48, 3, 3\)"),
        ("conv3", 97, r"with n a multiple of 16 up to 512, it has \(97, 96, 3, 3\)"),
        ("conv4", 528, r"with n a multiple of 16 up to 512, it has \(528, 96, 2, 2\)"),
        ("dense5", 1040, r"with n a multiple of 16 up to 1024, it has \(1040, 1728\)"),
    ],
)
def test_numbers_of_outputs_have_limits(name, outputs, message, tmp_path):
    save_folder(random_weights(WIDE), tmp_path)
    shape = (outputs, *network_shapes("o", WIDE["o"])[f"{name}.weight"][1:])
    change_file(tmp_path, "o", lambda tensors: tensors.update({f"{name}.weight": np.zeros(shape, np.float32)}))
    with pytest.raises(WeightsError, match=message):
        load_weights(tmp_path)


def test_pnets_widths_are_fixed(tmp_path):
    save_folder(random_weights(WIDE), tmp_path)
    change_file(tmp_path, "p", lambda tensors: tensors.update({"conv1.weight": np.zeros((12, 3, 3, 3), np.float32)}))
    with pytest.raises(WeightsError, match=r"'conv1\.weight' must have shape \(10, 3, 3, 3\), it has \(12, 3, 3, 3\)"):
        load_weights(tmp_path)


def test_a_missing_weight_is_named_with_what_it_should_be(tmp_path):
    save_folder(random_weights(WIDE), tmp_path)
    change_file(tmp_path, "o", lambda tensors: tensors.pop("conv2.weight"))
    with pytest.raises(
        WeightsError, match=r"'conv2\.weight' is missing, it should be float32 of shape \(n, 48, 3, 3\) with"
    ):
        load_weights(tmp_path)


@pytest.mark.parametrize("widths", [(32, 64, 64, 128), (32, 64, 65, 128, 256), (0, 64, 64, 128, 256), (32.0,) * 5])
def test_widths_are_checked(widths):
    with pytest.raises(ConfigError, match=r"widths of O-Net must be 5 numbers \(conv1 from 1 to 512, .*\), got \("):
        check_widths("o", widths)


@pytest.mark.parametrize("filter_", ["int8", "amx"])
def test_filters_refuse_other_widths(filter_, tmp_path):
    save_folder(random_weights(WIDE), tmp_path)
    with pytest.raises(ConfigError, match=rf"filter '{filter_}' needs a margin|filter must be 'int8' or None"):
        Detector("cpu", weights=tmp_path, filter=filter_).detect(portrait())
