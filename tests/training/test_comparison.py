"""New weights beside the shipped ones, on validation images that a configuration names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch")

from mtcnn_fast import Detector
from mtcnn_fast.cli.train import told_of
from mtcnn_fast.errors import DataError
from mtcnn_fast.training.comparison import ValidationSet, compare_weights
from mtcnn_fast.training.soft.calibration import shifted
from mtcnn_fast.training.stage_networks import save_weights
from mtcnn_fast.weights import load_weights
from support.data import ROOT

PHOTO = ROOT / "examples" / "astronaut.jpg"


@pytest.fixture
def validation(tmp_path: Path) -> ValidationSet:
    """One photograph whose face is annotated where it is, and an annotated image that is not there."""
    (face,) = Detector("cpu").detect(PHOTO).boxes
    x1, y1, x2, y2 = np.rint(face).astype(int)
    row = f"{x1} {y1} {x2 - x1} {y2 - y1} 0 0 0 0 0 0"
    text = f"event/astronaut.jpg\n1\n{row}\nevent/other.jpg\n1\n{row}\n"
    (tmp_path / "truth.txt").write_text(text)
    (tmp_path / "images" / "event").mkdir(parents=True)
    shutil.copy(PHOTO, tmp_path / "images" / "event" / "astronaut.jpg")
    return ValidationSet(tmp_path / "truth.txt", tmp_path / "images")


def test_weights_that_find_nothing_score_nothing(validation: ValidationSet, tmp_path: Path) -> None:
    save_weights(shifted(load_weights(None), "o", -30.0), tmp_path / "weights")
    report = compare_weights(validation, tmp_path / "weights")
    assert report["shipped"]["average_precision"]["all"] == pytest.approx(1)
    assert report["shipped"]["false_positives"] == 0
    assert report["trained"]["average_precision"]["all"] == 0
    assert "1 images" in report["label"]


def test_a_face_beside_the_annotated_one_is_a_false_positive(validation: ValidationSet, tmp_path: Path) -> None:
    text = validation.annotation.read_text()
    box = text.splitlines()[2].split()
    moved = " ".join([str(int(box[0]) - 150), *box[1:]])
    validation.annotation.write_text(text.replace(" ".join(box), moved))
    save_weights(load_weights(None), tmp_path / "weights")
    report = compare_weights(validation, tmp_path / "weights")
    assert report["shipped"]["false_positives"] == 1
    assert report["trained"] == report["shipped"]


def test_images_must_be_there(validation: ValidationSet, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of the 2 annotated images is there"):
        ValidationSet(validation.annotation, tmp_path / "elsewhere").present()


def test_the_command_tells_what_was_found(tmp_path: Path) -> None:
    figures = {"average_precision": {"easy": 0.9, "hard": 0.5}, "whole_curve": {"easy": 0.92, "hard": 0.6}}
    report = {
        "label": "subset of WIDER FACE val: 2 images",
        "trained": {**figures, "false_positives": 3},
        "shipped": {**figures, "false_positives": 4},
    }
    (tmp_path / "comparison.json").write_text(json.dumps(report))
    lines = told_of(tmp_path / "comparison.json")
    assert lines[0] == report["label"]
    assert lines[1].startswith("trained: average precision 0.900 / 0.500, 3 false positives; 0.920 / 0.600 with")
    assert lines[2].startswith("shipped:")
    assert told_of(tmp_path / "none.json") == []
