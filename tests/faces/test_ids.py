"""Ids of tracks go wherever the faces go."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from mtcnn_fast import ConfigError, Face, Faces, load_faces, save_faces

SIZE = (100, 80)


@pytest.fixture
def faces() -> Faces:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 40, (3, 2))
    boxes = np.concatenate([corners, corners + 20], axis=1)
    return Faces(boxes, [0.9, 0.5, 0.7], rng.uniform(0, 60, (3, 5, 2)), SIZE, ids=[7, 2**40, 3])


def test_ids_are_chosen_and_ordered_with_their_faces(faces: Faces) -> None:
    assert faces[1:].ids.tolist() == [2**40, 3]
    assert faces[[2, 0]].ids.tolist() == [3, 7]
    assert faces.sort_by("score").ids.tolist() == [7, 3, 2**40]
    assert [face.id for face in faces] == [7, 2**40, 3]
    assert faces.largest().id in (7, 2**40, 3)
    assert faces.clip().ids.tolist() == faces.scale(2).ids.tolist() == faces.ids.tolist()
    assert not faces.ids.flags.writeable
    assert "id 7" in repr(faces[0])


def test_equality_and_pickles(faces: Faces) -> None:
    assert pickle.loads(pickle.dumps(faces)) == faces
    assert pickle.loads(pickle.dumps(faces[0])) == faces[0]
    plain = Faces(faces.boxes, faces.scores, faces.landmarks, SIZE)
    assert plain != faces
    assert plain.ids is None
    assert plain[0].id is None
    assert faces[0] != plain[0]
    assert Faces(faces.boxes, faces.scores, faces.landmarks, SIZE, ids=[7, 1, 3]) != faces
    # As versions without ids wrote it.
    assert Faces(faces.boxes, faces.scores, faces.landmarks, SIZE, None, None, None) == plain
    assert Face(faces.boxes[0], 0.9, faces.landmarks[0]).id is None


def test_joining(faces: Faces) -> None:
    assert (faces[:1] + faces[1:]).ids.tolist() == faces.ids.tolist()
    assert (faces + Faces.empty(SIZE)).ids.tolist() == faces.ids.tolist()
    with pytest.raises(ConfigError, match="all have ids or none"):
        faces + Faces(faces.boxes, faces.scores, faces.landmarks, SIZE)


@pytest.mark.parametrize("form", ["json", "parquet", "coco"])
def test_files(faces: Faces, tmp_path: Path, form: str) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    plain = Faces(faces.boxes, faces.scores, faces.landmarks, SIZE)
    save_faces(tmp_path / "faces", {"a": faces, "b": plain, "c": Faces.empty(SIZE)}, form=form)
    read = load_faces(tmp_path / "faces", form=form)
    assert read["a"].ids.tolist() == faces.ids.tolist()
    assert read["b"].ids is None
    assert read["c"] == Faces.empty(SIZE)


def test_records_and_tables(faces: Faces) -> None:
    assert Faces.from_dict(faces.to_dict()) == faces
    assert list(faces.to_dict()["faces"][0]) == ["id", "box", "score", "landmarks"]
    pandas = pytest.importorskip("pandas", reason="the table needs pandas")
    table = faces.to_pandas("a.jpg")
    assert list(table.columns[:3]) == ["image", "id", "score"]
    assert table["id"].tolist() == faces.ids.tolist()
    assert isinstance(table, pandas.DataFrame)


def test_ids_are_drawn(faces: Faces) -> None:
    image = np.zeros((80, 100, 3), np.uint8)
    plain = Faces(faces.boxes, faces.scores, faces.landmarks, SIZE)
    assert faces.draw(image).tobytes() != plain.draw(image).tobytes()


def test_wrong_ids(faces: Faces) -> None:
    for ids, message in (([1, 2], "ids must have a row for each of the 3 faces, got 2"), ([0.5] * 3, "whole numbers")):
        with pytest.raises(ConfigError, match=message):
            Faces(faces.boxes, faces.scores, faces.landmarks, SIZE, ids=ids)
