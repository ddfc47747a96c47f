"""Weights that are not the shipped ones: the other box coding, and networks whose numbers overflow."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytestmark = pytest.mark.contract

HEADS = {"pnet": "conv4_2", "rnet": "dense5_2", "onet": "dense6_2"}


def scaled(weights, factors):
    """Return weights with tensors multiplied: ``{"pnet": {"conv1.weight": 2.0}}``."""
    changed = {}
    for network, tensors in factors.items():
        copy = dict(getattr(weights, network))
        for name, factor in tensors.items():
            copy[name] = copy[name] * np.float32(factor)
        changed[network] = copy
    return dataclasses.replace(weights, **changed)


def with_offsets(weights, coding, onet_offsets=(0, 0, 0, 0)):
    """Return weights that regress nothing, but for O-Net, whose offsets are the same whatever it sees."""
    still = scaled(weights, {net: {f"{head}.weight": 0, f"{head}.bias": 0} for net, head in HEADS.items()})
    onet = {**still.onet, f"{HEADS['onet']}.bias": np.array(onet_offsets, np.float32)}
    return dataclasses.replace(still, onet=onet, box_coding=coding)


@pytest.fixture
def best_box(make_backend, photo):
    """A function that returns the box of the best face in the photo, found with given weights."""

    def find(weights):
        backend = make_backend(weights=weights, min_face_size=40, thresholds=(0.6, 0.5, 0.1), max_faces=1)
        (faces,) = backend.detect([photo])
        assert len(faces) == 1
        return faces.boxes[0].astype(np.float64)

    return find


@pytest.mark.parametrize("coding", ["corner", "rcnn"])
def test_offsets_are_decoded_as_the_weights_say(best_box, weights, coding):
    x1, y1, x2, y2 = best_box(with_offsets(weights, coding))
    width, height = x2 - x1 + 1, y2 - y1 + 1
    if coding == "corner":
        expected = [x1 + 0.1 * width, y1 + 0.2 * height, x2 + 0.3 * width, y2 + 0.4 * height]
        offsets = (0.1, 0.2, 0.3, 0.4)
    else:
        x, y = x1 + width / 2 + 0.1 * width, y1 + height / 2 + 0.2 * height
        expected = [x - width, y - 1.5 * height, x + width - 1, y + 1.5 * height - 1]
        offsets = (0.1, 0.2, np.log(2), np.log(3))
    np.testing.assert_allclose(best_box(with_offsets(weights, coding, offsets)), expected, atol=0.01)


def test_without_offsets_both_codings_agree(best_box, weights):
    corner, rcnn = (best_box(with_offsets(weights, coding)) for coding in ("corner", "rcnn"))
    np.testing.assert_allclose(rcnn, corner, atol=0.01)


@pytest.mark.parametrize("coding", ["corner", "rcnn"])
@pytest.mark.parametrize(
    "factors",
    [
        {"pnet": {"conv1.weight": 1e38, "conv2.weight": 1e38}},
        {"pnet": {"conv4_2.weight": 1e38}},
        {"rnet": {"conv1.weight": 1e38, "dense4.weight": 1e38}},
        {"rnet": {"dense5_2.weight": 1e38}},
        {"onet": {"conv1.weight": 1e38, "dense5.weight": 1e38}},
        {"onet": {"dense6_2.weight": 1e38}},
        {"onet": {"dense6_3.weight": 3e38}},
    ],
    ids=["pnet", "pnet-offsets", "rnet", "rnet-offsets", "onet", "onet-offsets", "landmarks"],
)
def test_overflow_drops_candidates(make_backend, weights, crowd, factors, coding):
    """Scores that are not a number and boxes or landmarks that are not finite never leave a backend."""
    changed = dataclasses.replace(scaled(weights, factors), box_coding=coding)
    (faces,) = make_backend(weights=changed).detect([crowd])
    assert np.isfinite(faces.boxes).all()
    assert np.isfinite(faces.landmarks).all()
    assert np.isfinite(faces.scores).all()
