"""Runs over images: kept, continued, and refused where they do not fit."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast import Detector
from mtcnn_fast.errors import DataError
from mtcnn_fast.evaluation import Detections
from mtcnn_fast.evaluation.landmarks_in_boxes import BoxAligner
from mtcnn_fast.evaluation.runs import RunRecord, run_system
from mtcnn_fast.evaluation.systems import DetectorSystem
from mtcnn_fast.weights import load_weights
from support.portrait import QUICK, portrait

SETTINGS = {"name": "counter", "thresholds": (0.1, 0.2)}


class Counter:
    """Finds one box in each image, and counts its calls."""

    name = "counter"
    settings = SETTINGS

    def __init__(self, stop_after=None):
        self.calls = []
        self.stop_after = stop_after

    def find(self, image, key):
        if len(self.calls) == self.stop_after:
            raise KeyboardInterrupt
        self.calls.append(key)
        return Detections([[0, 0, 10, 10]], [0.5], np.zeros((1, 5, 2))), {"all": 0.25}


@pytest.fixture
def images(tmp_path):
    paths = []
    for name in "abc":
        path = tmp_path / f"{name}.png"
        Image.new("RGB", (30, 20)).save(path)
        paths.append((name, path))
    return paths


def test_all_images_are_done_once_after_a_warm_up(tmp_path, images):
    system, steps = Counter(), []
    found, speed = run_system(system, images, RunRecord(tmp_path / "run", SETTINGS), lambda: steps.append(1))
    assert system.calls == ["a", "a", "b", "c"]
    assert len(steps) == 3
    assert found["b"].size == (30, 20)
    assert found["b"].timing.stages == {"all": 0.25}
    assert speed.images == 3
    assert 0 <= speed.cpu_ms < 1000
    assert speed.peak_memory_mb > 0


def test_a_run_that_was_interrupted_goes_on(tmp_path, images):
    with pytest.raises(KeyboardInterrupt):
        run_system(Counter(stop_after=3), images, RunRecord(tmp_path / "run", SETTINGS))
    lines = tmp_path / "run" / "images.jsonl"
    assert lines.read_text().count("\n") == 2
    with lines.open("a") as file:
        file.write('{"image": "c", "si')
    record = RunRecord(tmp_path / "run", SETTINGS)
    assert list(record.done) == ["a", "b"]
    system = Counter()
    found, _ = run_system(system, images, record)
    assert system.calls == ["c", "c"]
    assert found["a"].detections.boxes.tolist() == [[0, 0, 10, 10]]
    system = Counter()
    found, speed = run_system(system, images, RunRecord(tmp_path / "run", SETTINGS))
    assert (system.calls, len(found)) == ([], 3)
    assert speed.peak_memory_mb > 0


def test_other_settings_are_refused(tmp_path):
    RunRecord(tmp_path, SETTINGS)
    with pytest.raises(DataError, match=r"a run with thresholds \[0.1, 0.2\], this one has \[0.1, 0.3\]"):
        RunRecord(tmp_path, {**SETTINGS, "thresholds": (0.1, 0.3)})


def test_damaged_records(tmp_path):
    RunRecord(tmp_path, SETTINGS)
    (tmp_path / "images.jsonl").write_text('{"image": "a"}\n')
    with pytest.raises(DataError, match=r"images\.jsonl:1: is no record of an image"):
        RunRecord(tmp_path, SETTINGS)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(DataError, match="is no record of a run"):
        RunRecord(tmp_path, SETTINGS)


def test_unreadable_images_are_named(tmp_path, images):
    images[1][1].write_bytes(b"no image")
    with pytest.raises(DataError, match=r"b\.png"):
        run_system(Counter(), images, RunRecord(tmp_path / "run", SETTINGS))


def test_no_images(tmp_path):
    assert run_system(Counter(), [], RunRecord(tmp_path / "run", SETTINGS)) == ({}, None)


def test_our_detector():
    detector = Detector("numpy", **QUICK)
    system = DetectorSystem(detector, load_weights())
    found, stages = system.find(portrait(), "portrait")
    faces = detector.detect(portrait())
    np.testing.assert_array_equal(found.boxes, faces.boxes)
    np.testing.assert_array_equal(found.landmarks, faces.landmarks)
    assert stages["pnet"] > 0
    assert system.name == "mtcnn-fast, numpy"
    settings = json.loads(json.dumps(system.settings))
    assert settings["min_face_size"] == 40
    assert "num_threads" not in settings


def test_landmarks_in_a_given_box_agree_with_the_cascade():
    faces = Detector("numpy", **QUICK).detect(portrait())
    boxes = {"portrait": faces.boxes[0].astype(float), "outside": np.array([500.0, 500, 560, 560])}
    aligner = BoxAligner(load_weights(), boxes)
    found, _ = aligner.find(portrait(), "portrait")
    np.testing.assert_allclose(found.landmarks[0], faces.landmarks[0], atol=3)
    assert len(aligner.find(portrait(), "outside")[0]) == 0
    assert set(aligner.settings) == {"sha256"}
