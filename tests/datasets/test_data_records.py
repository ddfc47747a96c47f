"""`FaceRecord`, and parting records into those to train on and those held out."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtcnn_fast import ConfigError, DataError
from mtcnn_fast.datasets import FaceRecord, present, split


def boxes(count: int) -> np.ndarray:
    return np.tile(np.array([[1, 2, 11, 22]], np.float32), (count, 1))


def test_what_is_not_told_is_unknown() -> None:
    record = FaceRecord(Path("a/b.jpg"), boxes(2))
    assert len(record) == 2
    assert record.points.shape == (2, 5, 2)
    assert np.isnan(record.points).all()
    assert record.usable.tolist() == [True, True]
    assert record.has_landmarks.tolist() == [False, False]
    assert record.complete


def test_a_box_without_area_is_ignored() -> None:
    given_boxes = np.array([[1, 2, 11, 22], [5, 5, 5, 9], [5, 5, 9, 5], [9, 9, 2, 12]], np.float32)
    record = FaceRecord(Path("a.jpg"), given_boxes, ignored=np.array([True, False, False, False]))
    assert record.usable.tolist() == [False, False, False, False]
    assert FaceRecord(Path("a.jpg"), given_boxes).usable.tolist() == [True, False, False, False]


def test_landmarks_count_only_if_all_five_are_known() -> None:
    points = np.ones((2, 5, 2), np.float32)
    points[1, 3] = np.nan
    assert FaceRecord(Path("a.jpg"), boxes(2), points).has_landmarks.tolist() == [True, False]


def test_an_image_without_faces_is_a_record() -> None:
    record = FaceRecord(Path("a.jpg"), np.empty((0, 4), np.float32))
    assert len(record) == 0
    assert record.points.shape == (0, 5, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"landmarks": np.zeros((1, 5, 2), np.float32)}, "2 boxes, 1 landmarks"),
        ({"ignored": np.zeros(3, np.bool_)}, "2 boxes, 3 ignored"),
        ({"attributes": {"blur": np.zeros(1, np.int64)}}, "2 boxes, 1 blur"),
        ({"landmarks": np.full((2, 5, 2), np.inf, np.float32)}, "finite"),
    ],
)
def test_rows_that_disagree_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        FaceRecord(Path("a.jpg"), boxes(2), **changes)


def test_a_box_must_be_finite() -> None:
    with pytest.raises(DataError, match=r"a\.jpg: boxes must be finite"):
        FaceRecord(Path("a.jpg"), np.array([[0, 0, np.nan, 1]], np.float32))


def test_survives_pickling() -> None:
    record = FaceRecord(Path("a.jpg"), boxes(1), attributes={"blur": np.array([2])}, complete=False)
    copy = pickle.loads(pickle.dumps(record))
    assert copy.path == record.path
    assert np.array_equal(copy.boxes, record.boxes)
    assert copy.attributes["blur"].tolist() == [2]
    assert not copy.complete


def test_present_leaves_out_missing_files(tmp_path: Path) -> None:
    (tmp_path / "here.jpg").touch()
    records = [FaceRecord(tmp_path / name, boxes(1)) for name in ("here.jpg", "gone.jpg")]
    assert [record.path.name for record in present(records)] == ["here.jpg"]


def records_named(names: list[str], folder: str = "x/event") -> list[FaceRecord]:
    return [FaceRecord(Path(folder) / name, boxes(0)) for name in names]


@given(st.sets(st.integers(0, 10_000), max_size=60), st.floats(0, 1), st.integers(0, 5))
def test_split_depends_on_each_path_alone(numbers: set[int], share: float, seed: int) -> None:
    names = [f"{number}.jpg" for number in sorted(numbers)]
    training, held_out = split(records_named(names), share, seed=seed)
    assert [record.path.name for record in training] == [n for n in names if n in {r.path.name for r in training}]
    assert len(training) + len(held_out) == len(names)
    for record in held_out:
        assert split(records_named([record.path.name], "elsewhere/event"), share, seed=seed)[1]


def test_split_meets_its_share_and_changes_with_the_seed() -> None:
    records = records_named([f"{i}.jpg" for i in range(4000)])
    held_out = {record.path for record in split(records, 0.1)[1]}
    # Within five standard deviations.
    assert abs(len(held_out) - 400) < 95
    other = {record.path for record in split(records, 0.1, seed=1)[1]}
    assert len(held_out & other) < 100
    assert split(records, 0)[1] == []
    assert split(records, 1)[0] == []


@pytest.mark.parametrize("share", [-0.1, 1.5, "half", True, float("nan")])
def test_split_refuses_other_shares(share: object) -> None:
    with pytest.raises(ConfigError, match="held_out"):
        split([], share)  # type: ignore[arg-type]


def test_readers_do_not_import_torch() -> None:
    code = "import sys, mtcnn_fast.datasets, mtcnn_fast.training.samples; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
