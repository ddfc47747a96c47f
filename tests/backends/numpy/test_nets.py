"""The numpy networks' parts against their definitions, written as loops."""

from __future__ import annotations

import numpy as np
import pytest

from mtcnn_fast.backends.numpy import nets as numpy_nets
from mtcnn_fast.backends.numpy.nets import ONet, PNet, RNet, face_probability, max_pool


@pytest.fixture
def random():
    return np.random.default_rng(11)


def layer(random, outputs, inputs, kernel, slopes=None):
    tensors = {
        "conv.weight": random.standard_normal((outputs, inputs, kernel, kernel), np.float32),
        "conv.bias": random.standard_normal(outputs, np.float32),
    }
    if slopes is not None:
        tensors["prelu.weight"] = np.array(slopes, np.float32)
    return tensors, numpy_nets._Layer(tensors, "conv", None if slopes is None else "prelu")


@pytest.mark.parametrize("block", [1, 500, 10**6])
def test_convolution_is_its_definition(random, monkeypatch, block):
    """Whatever number of rows is computed at a time; slopes below 0 and above 1 included."""
    monkeypatch.setattr(numpy_nets, "_BLOCK", block)
    slopes = [-0.5, 0.0, 0.25, 1.5]
    tensors, conv = layer(random, 4, 3, 3, slopes)
    x = random.standard_normal((3, 9, 7, 2), np.float32)
    found = conv.convolve(x)
    assert found.shape == (4, 7, 5, 2)
    weight, bias = tensors["conv.weight"].astype(np.float64), tensors["conv.bias"]
    for o, i, j, n in np.ndindex(found.shape):
        value = (weight[o] * x[:, i : i + 3, j : j + 3, n]).sum() + bias[o]
        expected = value if value > 0 else slopes[o] * value
        assert found[o, i, j, n] == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("shape", [(11, 8), (8, 11), (4, 4), (9, 9), (3, 5), (22, 22)])
def test_pooling_keeps_windows_that_leave_the_map(random, size, shape):
    x = random.standard_normal((2, *shape, 3), np.float32)
    found = max_pool(x, size)
    rows, columns = (-(-(length - size) // 2) + 1 for length in shape)
    assert found.shape == (2, rows, columns, 3)
    for i, j in np.ndindex(rows, columns):
        window = x[:, 2 * i : 2 * i + size, 2 * j : 2 * j + size]
        np.testing.assert_array_equal(found[:, i, j], window.max(axis=(1, 2)))


def test_face_probability_is_the_second_softmax_value():
    logits = np.array([[0.0, 100.0, -100.0, 3.0], [0.0, -100.0, 100.0, 2.0]], np.float32)
    expected = [0.5, 0.0, 1.0, 1 / (1 + np.e)]
    np.testing.assert_allclose(face_probability(logits), expected, rtol=1e-6, atol=1e-30)
    assert np.isnan(face_probability(np.array([[np.nan, 0], [0, np.nan]], np.float32))).all()


@pytest.mark.parametrize(("height", "width"), [(12, 12), (13, 12), (14, 15), (47, 60), (48, 61)])
def test_pnet_has_a_cell_for_every_second_position(weights, random, height, width):
    scores, offsets = PNet(weights.pnet)(random.standard_normal((3, height, width), np.float32))
    assert scores.shape == (-(-(height - 2) // 2) - 4, -(-(width - 2) // 2) - 4)
    assert offsets.shape == (4, *scores.shape)


@pytest.mark.parametrize("band", [1, 3, 8])
def test_pnet_bands_join_without_a_seam(weights, random, monkeypatch, band):
    image = random.standard_normal((3, 53, 40), np.float32)
    scores, offsets = PNet(weights.pnet)(image)
    monkeypatch.setattr(numpy_nets, "_BAND", band)
    in_bands = PNet(weights.pnet)(image)
    np.testing.assert_allclose(in_bands[0], scores, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(in_bands[1], offsets, rtol=1e-4, atol=1e-6)


def test_pnet_looks_at_the_cell_that_it_reports_on(weights, random):
    """A change inside a cell's 12 x 12 pixels changes the cell; one outside does not."""
    pnet = PNet(weights.pnet)
    image = random.standard_normal((3, 40, 50), np.float32)
    before, _ = pnet(image)
    for row, column in ((0, 0), (5, 7), (13, 18)):
        outside = image + 1
        outside[:, 2 * row : 2 * row + 12, 2 * column : 2 * column + 12] -= 1
        outside_scores, _ = pnet(outside)
        inside = image.copy()
        inside[:, 2 * row : 2 * row + 12, 2 * column : 2 * column + 12] += 1
        inside_scores, _ = pnet(inside)
        assert outside_scores[row, column] == pytest.approx(before[row, column], rel=1e-4, abs=1e-6)
        assert inside_scores[row, column] != pytest.approx(before[row, column], rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(("network", "name"), [(RNet, "rnet"), (ONet, "onet")])
def test_crops_do_not_influence_each_other(weights, random, network, name):
    net = network(getattr(weights, name))
    crops = random.standard_normal((5, 3, net.size, net.size), np.float32)
    together = net(crops)
    backwards = net(np.ascontiguousarray(crops[::-1]))
    for forward, reverse in zip(together, backwards, strict=True):
        assert len(forward) == 5
        np.testing.assert_allclose(reverse[::-1], forward, rtol=1e-4, atol=1e-6)
