"""Networks made wider by splitting channels: their outputs, their training, and the weights that come out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtcnn_fast import ConfigError
from mtcnn_fast.backends.numpy.nets import ONet, RNet
from mtcnn_fast.training.widening import scaled_widths, widened
from mtcnn_fast.weights import WIDTHS, load_weights, network_shapes, widths_of
from mtcnn_fast.weights.spec import LAYERS

NETWORKS = {"r": RNet, "o": ONet}


def tensors(network):
    return getattr(load_weights(None), f"{network}net")


def crops(network, count=3):
    side = NETWORKS[network].size
    return np.random.default_rng(4).uniform(-1, 1, (count, 3, side, side)).astype(np.float32)


def outputs(network, weights):
    return NETWORKS[network](weights)(crops(network))


def widths_at_least(network):
    return st.tuples(
        *(
            st.integers(old, 2 * old + 40).map(lambda n, layer=layer: n // layer.step * layer.step)
            for layer, old in zip(LAYERS[network], WIDTHS[network], strict=True)
        )
    )


@pytest.mark.parametrize("network", NETWORKS)
@settings(max_examples=5, deadline=None)
@given(data=st.data(), seed=st.integers(0, 1000))
def test_a_wider_network_has_the_outputs_of_the_narrower_one(network, data, seed):
    widths = data.draw(widths_at_least(network))
    wide = widened(network, tensors(network), widths, seed=seed, noise=0)
    assert {name: tensor.shape for name, tensor in wide.items()} == dict(network_shapes(network, widths))
    assert all(tensor.dtype == np.float32 for tensor in wide.values())
    for found, expected in zip(outputs(network, wide), outputs(network, tensors(network)), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("network", NETWORKS)
def test_noise_changes_the_outputs_a_little_and_copies_differ(network):
    widths = scaled_widths(network, WIDTHS[network], 2)
    wide = widened(network, tensors(network), widths)
    differences = [
        np.abs(found - expected).max()
        for found, expected in zip(outputs(network, wide), outputs(network, tensors(network)), strict=True)
    ]
    assert 1e-6 < max(differences) < 0.2
    for layer in LAYERS[network]:
        rows = wide[f"{layer.name}.weight"].reshape(len(wide[f"{layer.name}.weight"]), -1)
        assert len(np.unique(rows, axis=0)) == len(rows)


def test_widening_is_repeatable():
    widths = scaled_widths("o", WIDTHS["o"], 1.5)
    one, two, other = (widened("o", tensors("o"), widths, seed=seed)["conv3.weight"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()


def test_factors_are_rounded_to_multiples_of_16():
    assert scaled_widths("o", WIDTHS["o"], 1.5) == (48, 96, 96, 192, 384)
    assert scaled_widths("o", WIDTHS["o"], 2) == (64, 128, 128, 256, 512)
    assert scaled_widths("r", WIDTHS["r"], 1.5) == (48, 80, 96, 192)
    assert scaled_widths("r", WIDTHS["r"], 1) == WIDTHS["r"]
    assert scaled_widths("r", WIDTHS["r"], 1.01) == (32, 48, 64, 128)


def test_what_is_refused():
    with pytest.raises(ConfigError, match=r"widths must be at least those of the network, .* got \(16, 64"):
        widened("o", tensors("o"), (16, 64, 64, 128, 256))
    with pytest.raises(ConfigError, match=r"widths of O-Net must be 5 numbers"):
        scaled_widths("o", WIDTHS["o"], 8)
    with pytest.raises(ConfigError, match=r"conv3 a multiple of 16 up to 512"):
        widened("o", tensors("o"), (32, 64, 72, 128, 256))
    assert widths_of("o", tensors("o")) == WIDTHS["o"]
