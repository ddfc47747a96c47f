"""Windows of the soft-label recipe: labels, mining, sets, balance."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch")

from mtcnn_fast.datasets import FaceRecord
from mtcnn_fast.datasets.drawn import draw_faces
from mtcnn_fast.errors import ConfigError, DataError
from mtcnn_fast.training.soft.balance import Balance
from mtcnn_fast.training.soft.labels import label_windows
from mtcnn_fast.training.soft.mining import mine
from mtcnn_fast.training.soft.options import BalanceOptions, MiningOptions
from mtcnn_fast.training.soft.window_set import Windows, WindowSet
from mtcnn_fast.weights import load_weights

OPTIONS = MiningOptions(most_background=(20, 10))


def corners(*boxes: tuple[float, float, float, float]) -> np.ndarray:
    """Windows that show these boxes, xyxy counted from 0."""
    return np.array(boxes, np.float32).reshape(-1, 4) + np.array([1, 1, 0, 0], np.float32)


def windows(count: int, size: int = 24, *, seed: int = 0, known: bool = True) -> WindowSet:
    rng = np.random.default_rng(seed)
    side = rng.choice([20.0, 40.0, 200.0], count, p=[0.8, 0.1, 0.1])
    corner = rng.uniform(0, 100, (count, 2))
    overlap = rng.uniform(0, 1, count) if known else np.full(count, -1.0)
    columns = (
        np.concatenate([corner, corner + side[:, None]], axis=1).astype(np.float32),
        np.full((count, 4), 20, np.float32),
        np.full((count, 5, 2), np.nan, np.float32),
        overlap.astype(np.float32),
        np.zeros(count, np.float32),
        np.arange(count, dtype=np.int64) % 7,
        np.zeros(count, np.int64),
    )
    images = rng.integers(0, 256, (count, size, size, 3)).astype(np.uint8)
    return WindowSet([images[: count // 2], images[count // 2 :]], Windows(images[:0], *columns))


def test_labels_are_the_overlap_with_the_nearest_usable_face() -> None:
    record = FaceRecord(Path("x.jpg"), np.array([[10, 10, 30, 30], [100, 100, 140, 140]]))
    labels = label_windows(record, corners((10, 10, 30, 30), (20, 10, 40, 30), (200, 200, 220, 220)), 9)
    assert labels.overlap == pytest.approx([1, 1 / 3, 0], abs=1e-6)
    assert labels.face.tolist() == [0, 0, -1]
    assert labels.certain.all()


@pytest.mark.parametrize("ignored", [True, False])
def test_windows_on_faces_that_do_not_count_say_nothing(ignored: bool) -> None:
    boxes = np.array([[10, 10, 30, 30], [50, 50, 56, 56]])
    record = FaceRecord(Path("x.jpg"), boxes, ignored=np.array([ignored, False]))
    labels = label_windows(record, corners((10, 10, 30, 30), (50, 50, 56, 56), (70, 70, 90, 90)), 9)
    # The second face is too small in any case, the first one is ignored or not.
    assert labels.certain.tolist() == [not ignored, False, True]
    assert labels.overlap[1] == 0


def test_a_window_without_area_says_nothing() -> None:
    record = FaceRecord(Path("x.jpg"), np.empty((0, 4)))
    assert label_windows(record, corners((5, 5, 5, 5), (5, 5, 9, 9)), 9).certain.tolist() == [False, True]


def test_mining_writes_the_same_windows_by_one_process_and_by_two(tmp_path: Path) -> None:
    records = draw_faces(tmp_path / "drawn", 20, seed=3)
    mine(records, load_weights(None), tmp_path / "one", OPTIONS)
    mine(records, load_weights(None), tmp_path / "two", OPTIONS, workers=2)
    for path in sorted((tmp_path / "one").glob("*.safetensors")):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_mined_windows_have_their_faces(tmp_path: Path) -> None:
    records = draw_faces(tmp_path / "drawn", 8, seed=3)
    records[0] = dataclasses.replace(records[0], complete=False)
    mine(records, load_weights(None), tmp_path / "mined", OPTIONS)
    rows = WindowSet.open(tmp_path / "mined", "o").rows
    face = rows.face >= 0
    for image, place, box in zip(rows.image[face], rows.face[face], rows.faces[face], strict=True):
        assert records[image].boxes[place].tolist() == box.tolist()
    assert np.isnan(rows.faces[~face]).all()
    # Of an image that is not annotated completely, nothing is known but the landmarks.
    assert ((rows.overlap == -1) == (rows.image == 0)).all()
    assert (WindowSet.open(tmp_path / "mined", "r").rows.image != 0).all()


def test_mining_goes_on_where_it_was_and_refuses_other_settings(tmp_path: Path) -> None:
    records = draw_faces(tmp_path / "drawn", 20, seed=3)
    mine(records, load_weights(None), tmp_path / "mined", OPTIONS)
    first = tmp_path / "mined" / "o-00000.safetensors"
    content = first.read_bytes()
    first.unlink()
    (tmp_path / "mined" / "mined.json").unlink()
    mine(records, load_weights(None), tmp_path / "mined", OPTIONS)
    assert first.read_bytes() == content
    with pytest.raises(DataError, match="options differ"):
        mine(records, load_weights(None), tmp_path / "mined", MiningOptions(min_face=20))


def test_a_set_takes_windows_from_its_parts() -> None:
    one, two = windows(10), windows(6, seed=1)
    both = WindowSet.concatenate([one, two])
    assert len(both) == 16
    taken = both.take(np.array([12, 3, 3]))
    assert (taken.images[0] == two.take(np.array([2])).images[0]).all()
    assert (taken.images[1] == taken.images[2]).all()
    assert taken.corners[1].tolist() == one.rows.corners[3].tolist()
    part = both.subset(np.array([12, 3]))
    assert (part.take(np.array([1])).images == taken.images[1:2]).all()
    with pytest.raises(ConfigError, match="one size"):
        WindowSet.concatenate([one, windows(4, size=48)])
    with pytest.raises(DataError, match="no windows"):
        WindowSet([one.take(np.arange(0)).images], Windows(*(column[:0] for column in one.rows)))


def test_balance_holds_back_sizes_that_are_common() -> None:
    data = windows(2000)
    side = data.rows.corners[:, 2] - data.rows.corners[:, 0]
    drawn = {}
    for size in (0.0, 1.0):
        balance = Balance(data, BalanceOptions(size=size, image=0), 0)
        balance.refresh()
        drawn[size] = (side[balance.indices(0, 4000)] > 100).mean()
    assert drawn[0.0] == pytest.approx(0.1, abs=0.03)
    assert drawn[1.0] == pytest.approx(1 / 3, abs=0.05)


def test_balance_prefers_large_faces_and_leaves_windows_without_one() -> None:
    data = windows(2000)
    side, face = data.rows.corners[:, 2] - data.rows.corners[:, 0], data.rows.overlap > 0.3
    drawn = {}
    for large in (0.0, 1.0):
        balance = Balance(data, BalanceOptions(size=0, image=0, large=large), 0)
        balance.refresh()
        chosen = balance.indices(0, 20_000)
        classes = [(side > 100) & face, (side <= 100) & face, (side > 100) & ~face, (side <= 100) & ~face]
        drawn[large] = np.array([each[chosen].mean() for each in classes])
    ratios = drawn[1.0] / drawn[0.0]
    sides = [np.maximum(side[chosen] / 24, 1).mean() for chosen in ((side > 100) & face, (side <= 100) & face)]
    assert ratios[0] / ratios[1] == pytest.approx(sides[0] / sides[1], rel=0.15)
    assert ratios[2] == pytest.approx(ratios[3], rel=0.15)


def test_balance_draws_what_is_wrong_and_the_share_of_landmark_lists() -> None:
    data = WindowSet.concatenate([windows(1000), windows(50, known=False)])
    balance = Balance(data, BalanceOptions(size=0, image=0, least_error=0, landmark_share=0.25), 0)
    balance.errors[:] = 0
    balance.errors[7] = 1
    balance.refresh()
    indices = balance.indices(0, 40)
    assert set(indices[:30].tolist()) == {7}
    assert (indices[30:] >= 1000).all()
    assert balance.indices(3, 40).tolist() == balance.indices(3, 40).tolist()
    assert balance.indices(3, 40).tolist() != balance.indices(4, 40).tolist()


def test_balance_leaves_out_windows_of_lists_whose_eyes_are_too_near() -> None:
    points = np.full((4, 5, 2), np.nan, np.float32)
    # Eyes that are a tenth and three tenths of a window apart, and further ones that are unknown.
    points[0, :2, 0], points[1, :2, 0] = (0, 10), (0, 30)
    points[:2, :, 1] = 0
    rows = windows(4, known=False).rows
    corners = np.tile(np.array([0, 0, 100, 100], np.float32), (4, 1))
    rows = rows._replace(points=points, corners=corners)
    lists = WindowSet([np.zeros((4, 24, 24, 3), np.uint8)], rows)
    balance = Balance(lists, BalanceOptions(eyes=(0.2, 0.5)), 0)
    assert set(balance.indices(0, 100).tolist()) == {1, 2, 3}
    near = lists.subset(np.array([0]))
    with pytest.raises(ConfigError, match=r"eyes must leave a window to train on, got \(0.2, 0.5\)"):
        Balance(near, BalanceOptions(eyes=(0.2, 0.5)), 0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"thresholds": (0.5,)}, "thresholds"),
        ({"min_face_sizes": ()}, "min_face_sizes"),
        ({"most_background": (1, 2, 3)}, "most_background"),
        ({"scale_jitter": (2.0, 1.0)}, "scale_jitter"),
        ({"most_near": 0}, "most_near"),
    ],
)
def test_settings_of_mining_are_checked(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MiningOptions(**settings)  # type: ignore[arg-type]
