"""Training wider networks: what they begin with, and the weights that come out."""

from __future__ import annotations

import types

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from mtcnn_fast import ConfigError, Detector  # noqa: E402
from mtcnn_fast.training.soft.config import parse_soft  # noqa: E402
from mtcnn_fast.training.soft.pipeline import _Pipeline  # noqa: E402
from mtcnn_fast.training.stage_networks import (  # noqa: E402
    StageNetwork,
    initial_network,
    network_of,
    save_network,
    wider,
)
from mtcnn_fast.weights import WIDTHS, load_weights  # noqa: E402
from support.portrait import portrait  # noqa: E402
from support.widths import WIDE, random_weights, save_folder  # noqa: E402

pytestmark = pytest.mark.torch

TWICE = (64, 128, 128, 256, 512)


def windows(stage):
    side = {"r": 24, "o": 48}[stage]
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("stage", ["r", "o"])
@pytest.mark.parametrize("landmarks", [True, False])
def test_a_network_is_as_wide_as_its_initial_weights(stage, landmarks, tmp_path):
    weights = random_weights(WIDE)
    network = initial_network(stage, str(save_folder(weights, tmp_path)), "corner", landmarks=landmarks)
    assert network.widths == WIDE[stage]
    assert network(windows(stage)).logits.shape == (2, 2)
    save_network(network, tmp_path / "again" / f"{stage}.safetensors", "corner")
    for other in "pro".replace(stage, ""):
        (tmp_path / "again" / f"{other}.safetensors").write_bytes((tmp_path / f"{other}.safetensors").read_bytes())
    again = load_weights(tmp_path / "again")
    for name, tensor in getattr(weights, f"{stage}net").items():
        np.testing.assert_array_equal(getattr(again, f"{stage}net")[name], tensor)


def test_a_wider_network_begins_with_the_outputs_of_the_narrower_and_detects(tmp_path):
    standard = initial_network("o", "shipped", "corner", landmarks=False)
    wide = wider(standard, 2)
    assert (standard.widths, wide.widths) == (WIDTHS["o"], TWICE)
    with torch.no_grad():
        for found, expected in zip(wide(windows("o")), standard(windows("o")), strict=True):
            np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=0.5)
    save_folder(load_weights(None), tmp_path)
    save_network(wide, tmp_path / "o.safetensors", "corner")
    with Detector("cpu", weights=tmp_path) as detector, Detector("cpu") as plain:
        found, expected = detector.detect(portrait()), plain.detect(portrait())
    assert len(found) == len(expected) == 1
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=5)


def test_gradients_reach_every_weight():
    network = wider(initial_network("r", "shipped", "corner", landmarks=False), 1.5)
    outputs = network(windows("r"))
    (outputs.logits.square().sum() + outputs.boxes.square().sum()).backward()
    assert all(bool((value.grad != 0).any()) for value in network.net.parameters())


def test_weights_of_another_width_are_refused_in_words():
    with pytest.raises(ConfigError, match=r"must have the widths \(64, .*\) of the network, got \(32, 64"):
        StageNetwork("o", landmarks=False, widths=TWICE).load(load_weights(None))
    assert network_of(load_weights(None), "p", landmarks=False).widths == ()


@pytest.mark.parametrize("value", [0.5, 9, "wide"])
def test_the_setting_is_checked(value):
    assert parse_soft({"o": {"width": 2.0}}, 0).o.width == 2.0
    assert parse_soft({}, 0).o.width == 1.0
    with pytest.raises(ConfigError, match=r"soft\.o\.width must be"):
        parse_soft({"o": {"width": value}}, 0)


@pytest.mark.parametrize("init", ["shipped", "random"])
def test_the_recipe_begins_with_networks_of_the_wanted_width(init, tmp_path):
    soft = parse_soft({"o": {"width": 2.0}, "r": {"width": 1.5}}, 0)
    config = types.SimpleNamespace(soft=soft, box_coding="corner", init=init, seed=0, workers=1)
    recipe = _Pipeline(config, tmp_path, False)
    assert recipe._network("r", 0).widths == (48, 80, 96, 192)
    assert recipe._network("o", 0).widths == TWICE
