"""The device ``cuda`` with its filter of half precision: the results of float32 to the bit, whatever is asked of it."""

from __future__ import annotations

import numpy as np
import pytest

from mtcnn_fast.backends.cascade.capacities import usual_capacities
from mtcnn_fast.backends.cascade.steps import Capacities
from mtcnn_fast.backends.cuda import backend as cuda_backend
from mtcnn_fast.backends.cuda.fused import least_logit
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.weights import load_weights
from mtcnn_fast.weights.loader import Weights
from support.cascade_cases import ROOM
from support.cuda_device import VARIANT

pytestmark = pytest.mark.skipif(VARIANT == "gpu", reason="runs on the emulated device")

FILTER = "float16-filter"


def own_weights() -> Weights:
    """The package's weights but for one number of P-Net."""
    weights = load_weights(None)
    bias = weights.pnet["conv3.bias"].copy()
    bias[0] += 1e-3
    return Weights({**weights.pnet, "conv3.bias": bias}, weights.rnet, weights.onet, weights.box_coding, {}, "ours")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"border": "clip", "thresholds": (0.8, 0.7, 0.7)},
        {"thresholds": (0.01, 0.9, 0.9), "min_face_size": 50},
        {"thresholds": (0.0, 0.9, 0.9), "min_face_size": 70},
        {"thresholds": (1.0, 0.0, 0.0)},
    ],
    ids=["usual", "high threshold", "low threshold", "all cells", "only certain cells"],
)
def test_faces_and_proposals_are_those_of_float32_to_the_bit(make, images, settings):
    room = Capacities(proposals=4096, rnet=2048, onet=128, faces=32)
    exact, filtered = make(room, **settings), make(room, precision=FILTER, **settings)
    faces = exact.detect(images)
    assert filtered.detect(images) == faces
    assert any(map(len, faces)) or settings.get("thresholds", (0,))[0] == 1
    for ours, theirs in zip(filtered.propose(images), exact.propose(images), strict=True):
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(mine, other)


def test_a_detection_has_one_more_launch(make, images, plain_device):
    counts = []
    for precision in ("float32", FILTER):
        backend = make(precision=precision)
        backend.detect(images)
        plain_device.launches()
        backend.detect(images)
        counts.append(len(plain_device.launches()))
    assert counts[1] == counts[0] + 1


def test_most_parts_are_dropped(make, images, monkeypatch):
    """Else the filter would cost time and save none."""
    backend = make(precision=FILTER)
    module, shares = backend._module, []

    class Counting:
        def __getattr__(self, name):
            return getattr(module, name)

        def pnet_filtered(self, *arguments, stream):
            module.pnet_filtered(*arguments, stream=stream)
            shares.append(backend._memory.download([arguments[7]])[0].mean())

    monkeypatch.setattr(backend._cascade._networks, "_module", Counting())
    backend.detect(images[:1])
    assert len(shares) == 1
    assert 0 < shares[0] < 0.5


def test_images_on_the_device(make, images, plain_device):
    held = [plain_device.array(image) for image in images[:2]]
    ours, exact = (make(precision=precision).detect_tensor(held) for precision in (FILTER, "float32"))
    counts = exact.counts.numpy()
    np.testing.assert_array_equal(ours.counts.numpy(), counts)
    for image, count in enumerate(counts):
        for name in ("boxes", "scores", "landmarks"):
            mine, theirs = (getattr(faces, name).numpy()[image, :count] for faces in (ours, exact))
            np.testing.assert_array_equal(mine, theirs)


def test_a_batch_equals_its_images_and_halves_change_nothing(make, images, monkeypatch):
    backend = make(precision=FILTER)
    expected = [backend.detect([image])[0] for image in images]
    assert backend.detect(images) == expected
    monkeypatch.setattr(cuda_backend, "_LEAST_HALVED", 4)
    assert backend.detect(images) == expected


def test_lists_that_are_too_short_are_made_longer(make, images, caplog):
    caplog.set_level("INFO", logger="mtcnn_fast")
    expected = make().detect(images[:2])
    assert make(Capacities(1, 1, 1, 1), precision=FILTER).detect(images[:2]) == expected
    assert len(caplog.messages) == 1


def test_a_batch_that_does_not_fit_is_halved(make, images, caplog):
    caplog.set_level("INFO", logger="mtcnn_fast")
    backend = make(usual_capacities, precision=FILTER)
    with backend.memory_for_one(images[0]) as expected:
        assert backend.detect(images[:1] * 4) == [expected] * 4
    assert any("trying halves" in message for message in caplog.messages)


def test_images_without_a_level(make):
    nothing = np.zeros((5, 5, 3), np.uint8)
    assert list(map(len, make(precision=FILTER).detect([nothing, nothing]))) == [0, 0]


def test_profile_and_trace(make, images):
    ours, exact = (
        make(precision=precision).detect(images[:1], profile=True, trace=True)[0] for precision in (FILTER, "float32")
    )
    assert ours.timings["pnet"] > 0
    for mine, theirs in zip(ours.trace, exact.trace, strict=True):
        np.testing.assert_array_equal(mine.boxes, theirs.boxes)
        np.testing.assert_array_equal(mine.scores, theirs.scores)


def test_weights_without_a_margin_are_refused(make):
    with pytest.raises(ConfigError, match=r"^precision must be 'float32' .*margin of error was measured .* of 'ours'$"):
        make(ROOM, weights=own_weights(), precision=FILTER)


@pytest.mark.parametrize("threshold", [0, 1e-6, 1e-4, 0.3, 0.6, 0.9999, 0.9999999, 1])
def test_no_score_of_float32_reaches_a_threshold_below_its_logit(threshold):
    """The softmax as the kernel computes it, around the limit."""
    limit = least_logit(threshold)
    differences = np.linspace(-18, 18, 200_001, dtype=np.float32)
    for other in (0, 3.7, -11):
        no_face = np.full_like(differences, other)
        face = no_face + differences
        most = np.maximum(no_face, face)
        mine = np.exp(face - most)
        scores = mine / (np.exp(no_face - most) + mine)
        reached = (face - no_face)[scores >= np.float32(threshold)]
        assert reached.size == 0 or reached.min() >= limit
