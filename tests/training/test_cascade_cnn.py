"""The Cascade CNN: the shapes of the paper's networks, the calibration's geometry, the detector and its weights."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import safetensors.torch
import torch
from torch import nn

from mtcnn_fast.errors import MissingExtraError, WeightsError
from mtcnn_fast.evaluation.cascade_cnn.calibration import PATTERNS, mean_patterns, move, nearest_patterns
from mtcnn_fast.evaluation.cascade_cnn.detector import SPACING, CascadeCNN, CascadeConfig
from mtcnn_fast.evaluation.cascade_cnn.networks import SIZES, Calibration, Classifier, ResponseNorm
from mtcnn_fast.evaluation.cascade_cnn.system import make_system
from mtcnn_fast.evaluation.cascade_cnn.weights import CascadeNetworks, load_networks, save_networks
from mtcnn_fast.evaluation.other_detectors import SYSTEMS
from mtcnn_fast.evaluation.systems import SystemOptions


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def convolution(inputs, outputs, side):
    return outputs * (inputs * side * side + 1)


class TestNetworks:
    """Numbers of parameters counted by hand from the layers in the paper."""

    def test_plain_classifiers(self):
        assert parameters(Classifier(12)) == convolution(3, 16, 3) + 16 * (16 * 25 + 1) + 2 * 17
        assert parameters(Classifier(24)) == convolution(3, 64, 5) + 128 * (64 * 100 + 1) + 2 * 129
        expected = convolution(3, 64, 5) + convolution(64, 64, 5) + 256 * (64 * 81 + 1) + 2 * 257
        assert parameters(Classifier(48)) == expected

    def test_nested_classifiers_see_the_smaller_networks_features(self):
        for size, width in ((12, 16), (24, 128 + 16), (48, 256 + 128 + 16)):
            network = Classifier(size, nested=True)
            images = torch.randn(2, 3, size, size)
            assert network.describe(images).shape == (2, width)
            logits, boxes, landmarks = network(images)
            assert (logits.shape, boxes, landmarks) == ((2, 2), None, None)

    def test_calibrations(self):
        assert parameters(Calibration(12)) == convolution(3, 16, 3) + 128 * (16 * 25 + 1) + 45 * 129
        assert parameters(Calibration(24)) == convolution(3, 32, 5) + 64 * (32 * 100 + 1) + 45 * 65
        expected = convolution(3, 64, 5) + convolution(64, 64, 5) + 256 * (64 * 18 * 18 + 1) + 45 * 257
        assert parameters(Calibration(48)) == expected

    def test_the_network_inside_sees_half_the_resolution(self):
        torch.manual_seed(0)
        small = Classifier(12)
        large = Classifier(24, nested=True)
        large.nest(small)
        images = torch.randn(3, 3, 12, 12)
        enlarged = images.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        torch.testing.assert_close(large.describe(enlarged)[:, 128:], small.describe(images))

    def test_all_features_get_a_gradient(self):
        network = Classifier(48, nested=True)
        network(torch.randn(4, 3, 48, 48))[0].square().sum().backward()
        without = [name for name, parameter in network.named_parameters() if parameter.grad is None]
        assert without == []

    def test_responses_are_normalised_as_by_torch(self):
        """torch divides alpha by the number of channels, Krizhevsky et al. do not."""
        torch.manual_seed(0)
        values = (100 * torch.randn(2, 8, 3, 4, dtype=torch.float64)).requires_grad_()
        expected = torch.nn.LocalResponseNorm(5, alpha=5 * 1e-4, beta=0.75, k=2.0)(values)
        torch.testing.assert_close(ResponseNorm(8).double()(values), expected, rtol=1e-6, atol=0)
        gradients = [
            torch.autograd.grad(f(values).sin().sum(), values)[0]
            for f in (ResponseNorm(8).double(), torch.nn.LocalResponseNorm(5, alpha=5 * 1e-4, beta=0.75, k=2.0))
        ]
        torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-6)

    def test_a_plain_network_has_none_inside(self):
        with pytest.raises(ValueError, match="plain 24-net"):
            Classifier(24).nest(Classifier(12))


class TestCalibration:
    def test_patterns(self):
        assert PATTERNS.shape == (45, 3)
        assert len(np.unique(PATTERNS, axis=0)) == 45
        assert (np.float32([1, 0, 0]) == PATTERNS).all(axis=1).sum() == 1

    def test_move_by_hand(self):
        # A side of 40 / 1.25 = 32; corners 100 - 0.17 * 32 and 50 + 0.17 * 32.
        moved = move(np.float32([[100, 50, 140, 90]]), np.float32([[1.25, 0.17, -0.17]]))
        np.testing.assert_allclose(moved, [[94.56, 55.44, 126.56, 87.44]], rtol=1e-6)

    def test_every_pattern_is_recognised(self):
        # The window that pattern n moves onto the face has the face at the offsets that n makes of the unit square.
        unit = np.repeat(np.float32([[0, 0, 1, 1]]), 45, axis=0)
        assert nearest_patterns(move(unit, PATTERNS) - unit).tolist() == list(range(45))

    def test_mean_of_the_likely(self):
        probabilities = np.zeros((2, 45), np.float32)
        probabilities[0, [0, 44]] = 0.4
        probabilities[0, 7] = 0.1
        expected = (PATTERNS[0] + PATTERNS[44]) / 2
        np.testing.assert_allclose(mean_patterns(probabilities, 0.1), [expected, [1, 0, 0]], rtol=1e-6)


class Bright(nn.Module):
    """Takes windows for faces whose mean is above a half, the more the brighter."""

    def forward(self, images):
        mean = images.mean(dim=(1, 2, 3))
        return torch.stack([torch.full_like(mean, 0.5), mean], dim=1) * 20, None, None


class Always(nn.Module):
    """Finds one pattern likely."""

    def __init__(self, pattern):
        super().__init__()
        self.pattern = pattern

    def forward(self, images):
        logits = torch.zeros(len(images), 45)
        logits[:, self.pattern] = 20
        return logits


STAY = int(np.flatnonzero((np.float32([1, 0, 0]) == PATTERNS).all(axis=1))[0])


def detector(patterns=(STAY, STAY, STAY), **settings):
    networks = CascadeNetworks(
        dict.fromkeys(SIZES, Bright()), {size: Always(p) for size, p in zip(SIZES, patterns, strict=True)}
    )
    return CascadeCNN(networks, CascadeConfig(**{"min_face_size": 24, **settings}))


@pytest.fixture
def image():
    """A white square of 24 pixels at (32, 48) on black: the first scale is 1/2, the windows 8 pixels apart."""
    pixels = np.zeros((120, 160, 3), np.uint8)
    pixels[48:72, 32:56] = 255
    return pixels


class TestDetector:
    def test_finds_the_square(self, image):
        boxes, scores = detector().detect(image)
        assert SPACING / (12 / 24) == 8
        assert len(boxes) == 1
        # The scaled image has 61 x 81 pixels, not 60 x 80, hence not the very pixels.
        np.testing.assert_allclose(boxes, [[32, 48, 56, 72]], atol=1)
        assert scores[0] > 0.99

    def test_calibrations_move_it(self, image):
        larger = int(np.flatnonzero((np.float32([0.91, 0, 0]) == PATTERNS).all(axis=1))[0])
        boxes, _ = detector((STAY, STAY, larger)).detect(image)
        width = boxes[0, 2] - boxes[0, 0]
        assert width == pytest.approx(24 / 0.91, rel=1e-5)
        assert boxes[0, 0] == pytest.approx(32, abs=1)

    def test_overlapping_windows_are_suppressed(self, image):
        many, _ = detector(nms_threshold=1, thresholds=(0.01, 0.01, 0.01)).detect(image)
        few, scores = detector(nms_threshold=0.3, thresholds=(0.01, 0.01, 0.01)).detect(image)
        assert len(many) > len(few) > 0
        assert (np.diff(scores) <= 0).all()

    def test_thresholds(self, image):
        for stage in range(3):
            thresholds = [0.5, 0.5, 0.5]
            thresholds[stage] = 1.0
            boxes, scores = detector(thresholds=tuple(thresholds)).detect(image)
            assert (boxes.shape, scores.shape) == ((0, 4), (0,))

    def test_images_without_faces_or_scales(self):
        for shape in ((100, 100, 3), (8, 8, 3)):
            boxes, scores = detector().detect(np.zeros(shape, np.uint8))
            assert (boxes.shape, boxes.dtype, scores.shape) == ((0, 4), np.float32, (0,))

    def test_window_at_the_edge(self):
        pixels = np.zeros((100, 100, 3), np.uint8)
        pixels[:24, :24] = 255
        boxes, _ = detector().detect(pixels)
        np.testing.assert_allclose(boxes, [[0, 0, 24, 24]], atol=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with random weights, of seed 1."""
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("cascade")
    save_networks(path / "cascade_cnn.safetensors", CascadeNetworks.create())
    return path


class TestWeights:
    def test_there_and_back(self, folder):
        torch.manual_seed(1)
        before, after = CascadeNetworks.create(), load_networks(folder)
        for size in SIZES:
            images = torch.randn(2, 3, size, size)
            torch.testing.assert_close(after.classifiers[size](images)[0], before.classifiers[size](images)[0])
            torch.testing.assert_close(after.calibrations[size](images), before.calibrations[size](images))
        assert len(after.sha256) == 64

    def test_system(self, folder, image):
        options = SystemOptions(cascadecnn=str(folder), settings={"min_face_size": 30, "border": "zero"})
        system = SYSTEMS["cascadecnn"](options)
        detections, timings = system.find(image, "x")
        assert (system.name, system.settings["min_face_size"], dict(timings)) == ("CascadeCNN", 30, {})
        assert detections.boxes.shape == (len(detections), 4)
        assert detections.landmarks is None

    def test_weights_must_be_given(self):
        with pytest.raises(MissingExtraError, match="--cascadecnn"):
            make_system(SystemOptions())

    def test_files_that_are_none(self, folder, tmp_path):
        with pytest.raises(WeightsError, match="absent"):
            load_networks(tmp_path / "absent.safetensors")
        (tmp_path / "bad.safetensors").write_bytes(b"no tensors")
        with pytest.raises(WeightsError, match="bad"):
            load_networks(tmp_path / "bad.safetensors")

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            (lambda tensors: tensors.pop("12.classifier.label.bias"), "'12.classifier.label.bias' is missing"),
            (lambda tensors: tensors.update(more=torch.zeros(1)), "'more' is unexpected"),
            (lambda tensors: tensors.update({"12.classifier.label.bias": torch.zeros(3)}), "must be finite"),
            (lambda tensors: tensors["12.classifier.label.bias"].fill_(torch.nan), "must be finite"),
        ],
    )
    def test_tensors_that_do_not_fit(self, folder, tmp_path, change, problem):
        tensors = safetensors.torch.load_file(folder / "cascade_cnn.safetensors")
        change(tensors)
        metadata = {"format_version": "1", "network": "cascade_cnn"}
        safetensors.torch.save_file(tensors, tmp_path / "x.safetensors", metadata)
        with pytest.raises(WeightsError, match=problem):
            load_networks(tmp_path / "x.safetensors")

    def test_metadata(self, tmp_path):
        safetensors.torch.save_file({"a": torch.zeros(1)}, tmp_path / "x.safetensors", {"format_version": "2"})
        with pytest.raises(WeightsError, match="format_version"):
            load_networks(tmp_path / "x.safetensors")
