"""The networks in training against those that detect, and their way into files and back."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from mtcnn_fast.errors import ConfigError, DataError
from mtcnn_fast.weights import load_weights

torch = pytest.importorskip("torch", reason="training needs torch")

from mtcnn_fast.nets import load_networks  # noqa: E402
from mtcnn_fast.training import StageNetwork, checkpoints, initial_network, save_network  # noqa: E402
from mtcnn_fast.training.stage_networks import SIZES  # noqa: E402

STAGES = ("p", "r", "o")


def windows(stage):
    rng = torch.Generator().manual_seed(5)
    return torch.rand(9, 3, SIZES[stage], SIZES[stage], generator=rng) * 2 - 1


@pytest.mark.parametrize("stage", STAGES)
def test_outputs_are_those_of_the_detectors_networks(stage):
    network = initial_network(stage, "shipped", "corner")
    with torch.no_grad():
        logits, boxes, landmarks = network(windows(stage))
        expected = load_networks()[f"{stage}net"](windows(stage))
    torch.testing.assert_close(torch.softmax(logits, 1)[:, 1], expected[0].flatten(), rtol=0, atol=1e-6)
    torch.testing.assert_close(boxes, expected[1].reshape(9, 4), rtol=0, atol=1e-6)
    assert landmarks.shape == (9, 10)
    if stage == "o":
        torch.testing.assert_close(landmarks, expected[2], rtol=0, atol=1e-6)


@pytest.mark.parametrize("stage", STAGES)
def test_without_landmarks_only_o_net_has_them(stage):
    outputs = StageNetwork(stage, landmarks=False)(windows(stage))
    assert (outputs.landmarks is None) == (stage != "o")


def test_initial_weights_depend_on_the_seed_alone():
    torch.manual_seed(1)
    one = StageNetwork("r", seed=3).state_dict()
    torch.manual_seed(2)
    before = torch.random.get_rng_state()
    two = StageNetwork("r", seed=3).state_dict()
    assert torch.equal(torch.random.get_rng_state(), before)
    other = StageNetwork("r", seed=4).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["net.conv1.weight"], other["net.conv1.weight"])


@pytest.mark.parametrize("coding", ["corner", "rcnn"])
def test_saved_networks_are_weights_of_a_detector(tmp_path, coding):
    networks = {stage: StageNetwork(stage, seed=7) for stage in STAGES}
    for stage, network in networks.items():
        save_network(network, tmp_path / "weights" / f"{stage}.safetensors", coding)
    weights = load_weights(tmp_path / "weights")
    assert weights.box_coding == coding
    for stage, network in networks.items():
        for name, value in getattr(weights, f"{stage}net").items():
            np.testing.assert_array_equal(value, network.net.state_dict()[name].numpy())
    again = initial_network("r", str(tmp_path / "weights"), coding, seed=8)
    assert torch.equal(again.net.dense4.weight, networks["r"].net.dense4.weight)


def test_equal_weights_make_equal_files(tmp_path):
    hashes = set()
    for number in range(8):
        save_network(StageNetwork("p", seed=7), tmp_path / f"{number}.safetensors", "corner")
        hashes.add(hashlib.sha256((tmp_path / f"{number}.safetensors").read_bytes()).hexdigest())
    assert len(hashes) == 1


def test_mistakes_are_named(tmp_path):
    with pytest.raises(ConfigError, match="stage must be one of p, r, o, got 'q'"):
        StageNetwork("q")
    with pytest.raises(ConfigError, match="init 'shipped' has box_coding 'corner': box_coding must be the same"):
        initial_network("p", "shipped", "rcnn")
    with pytest.raises(ConfigError, match="box_coding must be one of corner, rcnn, got 'yolo'"):
        save_network(StageNetwork("p"), tmp_path / "p.safetensors", "yolo")


def saved(folder, step=3):
    tensors = {"network.a": torch.arange(4.0), "negatives": torch.arange(3)}
    checkpoints.save_checkpoint(
        folder, checkpoints.Checkpoint(step, tensors, {"best": 0.1}), {"steps": 9, "alpha": (1, 2)}
    )


def test_checkpoints_come_back_as_they_were(tmp_path):
    assert checkpoints.load_checkpoint(tmp_path, {}) is None
    saved(tmp_path)
    saved(tmp_path, step=5)
    found = checkpoints.load_checkpoint(tmp_path, {"steps": 9, "alpha": (1, 2)})
    assert found is not None
    assert (found.step, found.state) == (5, {"best": 0.1})
    assert torch.equal(found.tensors["network.a"], torch.arange(4.0))
    assert found.tensors["negatives"].dtype == torch.int64
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.json", "step-00000005.safetensors"]


def test_killed_between_its_two_files_the_old_checkpoint_is_whole(tmp_path, monkeypatch):
    saved(tmp_path)

    def killed(path, value):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "write_json", killed)
        with pytest.raises(KeyboardInterrupt):
            saved(tmp_path, step=5)
    found = checkpoints.load_checkpoint(tmp_path, {"steps": 9, "alpha": [1, 2]})
    assert found is not None
    assert found.step == 3


@pytest.mark.parametrize("file", ["checkpoint.json", "step-00000003.safetensors"])
@pytest.mark.parametrize("damage", ["cut", "gone", "changed"])
def test_damage_is_found(tmp_path, file, damage):
    saved(tmp_path)
    path = tmp_path / file
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
        if file == "checkpoint.json":
            assert checkpoints.load_checkpoint(tmp_path, {"steps": 9, "alpha": [1, 2]}) is None
            return
    elif damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif file == "checkpoint.json":
        path.write_bytes(data.replace(b'"format_version": 1', b'"format_version": 2'))
    else:
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(DataError, match=r"damaged|format_version must be 1, got 2"):
        checkpoints.load_checkpoint(tmp_path, {"steps": 9, "alpha": [1, 2]})
