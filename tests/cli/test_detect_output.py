"""What ``mtcnn-fast detect`` prints."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast import Faces
from mtcnn_fast.cli.output import POINTS, JsonList
from support.cli import detect, detect_json, usage_error
from support.portrait import portrait


def test_table(album: str, faces: Faces) -> None:
    lines = detect(album, "-r", ending=1).stdout.splitlines()
    assert lines[0].split() == ["image", "face", "score", "x1", "y1", "x2", "y2"]
    assert lines[1].split() == ["album/blank.png", "none"]
    score, box = faces.scores[0], faces.boxes[0]
    assert lines[2].split() == ["album/face.PNG", "1", f"{score:.4f}", *(f"{x:.1f}" for x in box)]
    assert lines[3].split() == ["album/torn.jpg", "failed"]
    assert len({len(line) for line in (lines[0], lines[2], lines[4], lines[5])}) == 1


def test_table_of_several_faces_names_the_image_once(photo: str) -> None:
    Image.fromarray(np.hstack([portrait(), portrait()])).save("two.png")
    _, first, second = detect("two.png").stdout.splitlines()
    assert first.split()[:2] == ["two.png", "1"]
    assert second.split()[:1] == ["2"]


def test_table_shows_no_control_characters(photo: str) -> None:
    Path(photo).rename("a\x1b[31m\n\udcff.png")
    assert "a\\x1b[31m\\n\\xff.png" in detect("a\x1b[31m\n\udcff.png").stdout


def test_json_is_a_list_with_an_object_a_line(album: str) -> None:
    text = detect("--json", album, ending=1).stdout
    assert text.splitlines()[0] == "["
    assert text.splitlines()[-1] == "]"
    assert len(text.splitlines()) == 2 + len(json.loads(text))
    assert text.isascii()


def test_json_schema(album: str) -> None:
    for record in detect_json(album, "-r", ending=1):
        assert list(record) == ["path", "width", "height", "faces", "error"]
        assert type(record["path"]) is str
        if record["error"] is not None:
            assert (record["width"], record["height"], record["faces"]) == (None, None, [])
            continue
        assert type(record["width"]) is type(record["height"]) is int
        for face in record["faces"]:
            assert list(face) == ["box", "score", "landmarks"]
            assert [type(x) for x in face["box"]] == [float] * 4
            assert 0 <= face["score"] <= 1
            assert [[type(x) for x in point] for point in face["landmarks"]] == [[float, float]] * 5


def test_json_of_no_face_and_reading_it_back(album: str, faces: Faces) -> None:
    blank, face, _ = detect_json(album, ending=1)
    assert Faces.from_dict(blank) == Faces.empty((30, 20))
    assert Faces.from_dict(face) == faces


def test_json_list_of_a_run_that_ended_before_its_first_record() -> None:
    lines: list[str] = []
    output = JsonList()
    output.start(lines.append)
    output.finish(lines.append)
    assert json.loads("\n".join(lines)) == []


def test_json_lines(album: str) -> None:
    lines = detect("--jsonl", album, ending=1).stdout.splitlines()
    assert [json.loads(line) for line in lines] == detect_json(album, ending=1)


def test_csv(album: str, faces: Faces) -> None:
    Path("album/face.PNG").rename('album/a "b", c.png')
    rows = list(csv.DictReader(io.StringIO(detect("--csv", album, "photo.png", ending=1).stdout)))
    assert [row["path"] for row in rows] == ['album/a "b", c.png', "album/blank.png", "album/torn.jpg", "photo.png"]
    assert [row["face"] for row in rows] == ["1", "", "", "1"]
    assert [row["width"] for row in rows] == ["112", "30", "", "112"]
    row = rows[3]
    assert [row[name] for name in ("width", "height", "face")] == ["112", "112", "1"]
    assert np.float32(row["score"]) == faces.scores[0]
    assert [np.float32(row[name]) for name in ("x1", "y1", "x2", "y2")] == faces.boxes[0].tolist()
    points = [[np.float32(row[f"{point}_{axis}"]) for axis in "xy"] for point in POINTS]
    assert points == faces.landmarks[0].tolist()


def test_csv_of_nothing_has_its_header(album: str) -> None:
    assert detect("--csv", "album/blank.png").stdout.startswith("path,width,height,face,score,x1,y1,x2,y2,left_eye_x,")


@pytest.mark.parametrize("options", [["--json", "--csv"], ["--json", "--jsonl", "--csv"], ["--csv", "--jsonl"]])
def test_one_form_only(options: list[str], photo: str) -> None:
    assert "exclude each other" in usage_error(photo, *options)


def test_failures_are_named_at_the_end_and_nothing_else_is(album: str) -> None:
    result = detect(album, "nowhere.png", "--jsonl", ending=1)
    lines = result.stderr.splitlines()
    assert lines[0] == "mtcnn-fast: 2 inputs failed:"
    assert [line.split(":")[0] for line in lines[1:]] == ["  album/torn.jpg", "  nowhere.png"]
    assert detect("album/blank.png").stderr == ""
