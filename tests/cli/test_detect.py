"""``mtcnn-fast detect``: inputs, forms of output, pictures, settings and exit codes."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from mtcnn_fast import Detector, Faces
from mtcnn_fast.cli import app
from mtcnn_fast.cli.output import POINTS, JsonList
from mtcnn_fast.images import load_image
from mtcnn_fast.weights.loader import SHIPPED
from support.portrait import QUICK, portrait

ODD_NAMES = ["two words.png", "ümläut 日本.png", "tab\tline\nbreak.png", "-dash.png", os.fsdecode(b"\xff\xe9.png")]

QUICKLY = ["--device", "numpy", "--min-face-size", "40", "--factor", "0.6"]


def detect(*arguments: object, stdin: bytes | None = None, ending: int = 0) -> Result:
    """Run the command in this process, and expect an exit code."""
    result = CliRunner().invoke(app, ["detect", *QUICKLY, *map(str, arguments)], input=stdin)
    assert result.exit_code == ending, result.output
    return result


def detect_json(*arguments: object, stdin: bytes | None = None, ending: int = 0) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads(detect("--json", *arguments, stdin=stdin, ending=ending).stdout)
    return records


def usage_error(*arguments: object) -> str:
    """Run the command, expect it to refuse its arguments, and return the message on one line."""
    result = CliRunner().invoke(app, ["detect", *map(str, arguments)])
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", result.stderr).split())


@pytest.fixture(scope="module")
def faces() -> Faces:
    return Detector("numpy", **QUICK).detect(portrait())


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file with one face, in the current folder."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(portrait()).save("photo.png")
    return "photo.png"


@pytest.fixture
def album(photo: str) -> str:
    """A folder: two images of which one has no face, a file that is no image, a damaged one, and folders within."""
    folder = Path("album")
    for inner in ("sub/deep", ".hidden", "empty"):
        (folder / inner).mkdir(parents=True)
    Image.new("RGB", (30, 20)).save(folder / "blank.png")
    (folder / "notes.txt").write_text("no image")
    (folder / ".thumbnail.png").write_bytes(b"")
    (folder / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    for name in ("face.PNG", "sub/face.png", "sub/deep/face.png", ".hidden/face.png"):
        shutil.copy(photo, folder / name)
    return "album"


class TestInputs:
    def test_file(self, photo: str, faces: Faces) -> None:
        (record,) = detect_json(photo)
        assert record == {"path": "photo.png", **faces.to_dict(), "error": None}
        assert (record["width"], record["height"]) == (112, 112)
        assert len(record["faces"]) == 1

    def test_paths_are_told_as_they_were_given(self, photo: str) -> None:
        given = ["./photo.png", photo, f"{Path.cwd()}//photo.png"]
        assert [record["path"] for record in detect_json(*given)] == given

    def test_folder(self, album: str) -> None:
        records = detect_json(album, ending=1)
        assert [record["path"] for record in records] == ["album/blank.png", "album/face.PNG", "album/torn.jpg"]
        assert [len(record["faces"]) for record in records] == [0, 1, 0]
        assert [record["error"] is None for record in records] == [True, True, False]

    @pytest.mark.parametrize("option", ["-r", "--recursive"])
    def test_folders_within(self, option: str, album: str) -> None:
        records = detect_json(option, album, ending=1)
        assert [record["path"] for record in records] == [
            "album/blank.png",
            "album/face.PNG",
            "album/torn.jpg",
            "album/sub/face.png",
            "album/sub/deep/face.png",
        ]

    def test_folder_without_images(self, album: str) -> None:
        (record,) = detect_json("album/empty", ending=1)
        assert record == {
            "path": "album/empty",
            "width": None,
            "height": None,
            "faces": [],
            "error": "there is no image in the folder",
        }
        Path("outer/inner").mkdir(parents=True)
        (record,) = detect_json("outer", ending=1)
        assert record["error"] == "there is no image in the folder itself; -r searches those within it too"

    def test_unreadable_folder_is_told(self, album: str, monkeypatch: pytest.MonkeyPatch) -> None:
        scandir = os.scandir

        def refuse(path: str) -> Any:
            if path.endswith("deep"):
                raise PermissionError(13, "Permission denied", path)
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refuse)
        told = {record["path"]: record["error"] for record in detect_json("-r", album, ending=1)}
        assert told["album/sub/deep"] == "the folder cannot be read (Permission denied)"
        assert told["album/sub/face.png"] is None

    def test_patterns(self, album: str) -> None:
        assert [record["path"] for record in detect_json("album/*.png")] == ["album/blank.png"]
        assert [record["path"] for record in detect_json("album/**/f*.png")] == [
            "album/sub/deep/face.png",
            "album/sub/face.png",
        ]
        (record,) = detect_json("album/*.webp", ending=1)
        assert record["error"] == "no file matches the pattern"

    def test_name_that_looks_like_a_pattern(self, photo: str) -> None:
        Path(photo).rename("photo[1].png")
        (record,) = detect_json("photo[1].png")
        assert (record["path"], record["error"]) == ("photo[1].png", None)

    def test_standard_input(self, photo: str, faces: Faces) -> None:
        assert detect_json("-", stdin=Path(photo).read_bytes()) == [{"path": "-", **faces.to_dict(), "error": None}]
        (record,) = detect_json("-", stdin=b"no image", ending=1)
        assert record["error"].startswith("encoded image of 8 bytes is not an image that can be read")

    def test_standard_input_is_read_once(self, photo: str) -> None:
        assert "Invalid value for PATH: - can be given once only" in usage_error("-", photo, "-")

    def test_missing_file(self, photo: str) -> None:
        records = detect_json("nowhere.jpg", photo, "", ending=1)
        assert [len(record["faces"]) for record in records] == [0, 1, 0]
        assert [(record["error"] or "").split(";")[0] for record in records] == ["does not exist", "", "does not exist"]

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
    def test_named_pipe(self, photo: str, faces: Faces) -> None:
        os.mkfifo("pipe")
        child = os.fork()
        if child == 0:
            try:
                Path("pipe").write_bytes(Path(photo).read_bytes())
            finally:
                os._exit(0)
        (record,) = detect_json("pipe")
        os.waitpid(child, 0)
        assert record["faces"] == faces.to_dict()["faces"]

    def test_special_file_that_cannot_be_read(self, photo: str, monkeypatch: pytest.MonkeyPatch) -> None:
        read_bytes = Path.read_bytes

        def refuse(path: Path) -> bytes:
            if path == Path("/dev/null"):
                raise OSError(5, "Input/output error")
            return read_bytes(path)

        monkeypatch.setattr(Path, "read_bytes", refuse)
        (record,) = detect_json("/dev/null", ending=1)
        assert record["error"] == "'/dev/null' cannot be read (Input/output error)"

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_odd_names(self, name: str, photo: str) -> None:
        Path(photo).rename(name)
        (record,) = detect_json("--", name)
        assert (record["path"], len(record["faces"])) == (name, 1)

    def test_no_path(self) -> None:
        assert "Missing argument" in usage_error()

    def test_many_files_need_the_memory_of_few(self, photo: str, monkeypatch: pytest.MonkeyPatch) -> None:
        alive, most = 0, 0

        class Watched(np.ndarray[Any, Any]):
            def __del__(self) -> None:
                nonlocal alive
                alive -= 1

        def read(path: str, max_pixels: int) -> Any:
            nonlocal alive, most
            alive, most = alive + 1, max(most, alive + 1)
            return np.zeros((20, 20, 3), np.uint8).view(Watched)

        monkeypatch.setattr("mtcnn_fast.cli.run.read_source", read)
        monkeypatch.setattr("mtcnn_fast.backends.batch_size", lambda backend: 4)
        assert len(detect_json(*[photo] * 60)) == 60
        assert 1 <= most <= 10


class TestOutput:
    def test_table(self, album: str, faces: Faces) -> None:
        lines = detect(album, "-r", ending=1).stdout.splitlines()
        assert lines[0].split() == ["image", "face", "score", "x1", "y1", "x2", "y2"]
        assert lines[1].split() == ["album/blank.png", "none"]
        score, box = faces.scores[0], faces.boxes[0]
        assert lines[2].split() == ["album/face.PNG", "1", f"{score:.4f}", *(f"{x:.1f}" for x in box)]
        assert lines[3].split() == ["album/torn.jpg", "failed"]
        assert len({len(line) for line in (lines[0], lines[2], lines[4], lines[5])}) == 1

    def test_table_of_several_faces_names_the_image_once(self, photo: str) -> None:
        Image.fromarray(np.hstack([portrait(), portrait()])).save("two.png")
        _, first, second = detect("two.png").stdout.splitlines()
        assert first.split()[:2] == ["two.png", "1"]
        assert second.split()[:1] == ["2"]

    def test_table_shows_no_control_characters(self, photo: str) -> None:
        Path(photo).rename("a\x1b[31m\n\udcff.png")
        assert "a\\x1b[31m\\n\\xff.png" in detect("a\x1b[31m\n\udcff.png").stdout

    def test_json_is_a_list_with_an_object_a_line(self, album: str) -> None:
        text = detect("--json", album, ending=1).stdout
        assert text.splitlines()[0] == "["
        assert text.splitlines()[-1] == "]"
        assert len(text.splitlines()) == 2 + len(json.loads(text))
        assert text.isascii()

    def test_json_schema(self, album: str) -> None:
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

    def test_json_of_no_face_and_reading_it_back(self, album: str, faces: Faces) -> None:
        blank, face, _ = detect_json(album, ending=1)
        assert Faces.from_dict(blank) == Faces.empty((30, 20))
        assert Faces.from_dict(face) == faces

    def test_json_list_of_a_run_that_ended_before_its_first_record(self) -> None:
        lines: list[str] = []
        output = JsonList()
        output.start(lines.append)
        output.finish(lines.append)
        assert json.loads("\n".join(lines)) == []

    def test_json_lines(self, album: str) -> None:
        lines = detect("--jsonl", album, ending=1).stdout.splitlines()
        assert [json.loads(line) for line in lines] == detect_json(album, ending=1)

    def test_csv(self, album: str, faces: Faces) -> None:
        Path("album/face.PNG").rename('album/a "b", c.png')
        rows = list(csv.DictReader(io.StringIO(detect("--csv", album, "photo.png", ending=1).stdout)))
        assert [row["path"] for row in rows] == ['album/a "b", c.png', "photo.png"]
        row = rows[1]
        assert [row[name] for name in ("width", "height", "face")] == ["112", "112", "1"]
        assert np.float32(row["score"]) == faces.scores[0]
        assert [np.float32(row[name]) for name in ("x1", "y1", "x2", "y2")] == faces.boxes[0].tolist()
        points = [[np.float32(row[f"{point}_{axis}"]) for axis in "xy"] for point in POINTS]
        assert points == faces.landmarks[0].tolist()

    def test_csv_of_nothing_has_its_header(self, album: str) -> None:
        assert detect("--csv", "album/blank.png").stdout.startswith(
            "path,width,height,face,score,x1,y1,x2,y2,left_eye_x,"
        )

    @pytest.mark.parametrize("options", [["--json", "--csv"], ["--json", "--jsonl", "--csv"], ["--csv", "--jsonl"]])
    def test_one_form_only(self, options: list[str], photo: str) -> None:
        assert "they exclude each other" in usage_error(photo, *options)

    def test_failures_are_told_at_the_end_and_nothing_else_is(self, album: str) -> None:
        result = detect(album, "nowhere.png", "--jsonl", ending=1)
        told = result.stderr.splitlines()
        assert told[0] == "mtcnn-fast: 2 inputs failed:"
        assert [line.split(":")[0] for line in told[1:]] == ["  album/torn.jpg", "  nowhere.png"]
        assert detect("album/blank.png").stderr == ""


class TestPictures:
    def test_drawn(self, photo: str, faces: Faces) -> None:
        detect(photo, "--draw", "--out", "out/new")
        assert [path.name for path in Path("out/new").iterdir()] == ["photo_faces.png"]
        assert np.array_equal(load_image("out/new/photo_faces.png"), np.asarray(faces.draw(photo)))

    def test_crops_and_aligned(self, photo: str, faces: Faces) -> None:
        detect(photo, "--crops", "--align", "--out", "out")
        assert sorted(path.name for path in Path("out").iterdir()) == ["photo_aligned1.png", "photo_face1.png"]
        assert np.array_equal(load_image("out/photo_face1.png"), faces.crops(photo)[0])
        assert np.array_equal(load_image("out/photo_aligned1.png"), faces.align(photo)[0])

    def test_image_without_a_face_is_drawn_as_it_is(self, album: str) -> None:
        detect("album/blank.png", "--draw", "--crops", "--align", "--out", "out")
        assert [path.name for path in Path("out").iterdir()] == ["blank_faces.png"]
        assert not load_image("out/blank_faces.png").any()

    def test_folders_are_mirrored(self, album: str) -> None:
        detect(album, "-r", "--draw", "--out", "out", ending=1)
        assert sorted(map(str, Path("out").rglob("*.*"))) == [
            "out/blank_faces.png",
            "out/face_faces.PNG",
            "out/sub/deep/face_faces.png",
            "out/sub/face_faces.png",
        ]

    def test_namesakes_stay_apart(self, photo: str) -> None:
        for folder in ("one/x", "two/x"):
            Path(folder).mkdir(parents=True)
            shutil.copy(photo, f"{folder}/same.png")
        Image.fromarray(portrait()).convert("L").save("two/x/same.tif")
        detect("one/x/same.png", "../" + Path.cwd().name + "/two/*/same.*", "--draw", "--out", "out")
        assert sorted(map(str, Path("out").rglob("*.*"))) == [
            "out/one/x/same_faces.png",
            "out/two/x/same_faces.png",
            "out/two/x/same_faces.tif",
        ]

    def test_form_of_the_file_is_kept_if_it_can_be(self, photo: str) -> None:
        picture = Image.open(photo)
        for name in ("a.jpg", "a.bmp", "a.webp", "a.gif", "a.ppm"):
            picture.save(name)
        shutil.copy(photo, "bare")
        detect(
            "a.jpg",
            "a.bmp",
            "a.webp",
            "a.gif",
            "a.ppm",
            "bare",
            "-",
            "--draw",
            "--out",
            "out",
            stdin=Path(photo).read_bytes(),
        )
        forms = {}
        for path in Path("out").iterdir():
            with Image.open(path) as picture:
                forms[path.name] = picture.format
        assert forms == {
            "a_faces.jpg": "JPEG",
            "a_faces.bmp": "BMP",
            "a_faces.webp": "WEBP",
            "a.gif.faces.png": "PNG",
            "a.ppm.faces.png": "PNG",
            "bare.faces.png": "PNG",
            "stdin.faces.png": "PNG",
        }

    def test_originals_are_left_alone(self, photo: str) -> None:
        before = Path(photo).read_bytes()
        detect(photo, "--draw", "--out", ".")
        assert Path(photo).read_bytes() == before
        assert Path("photo_faces.png").exists()

    def test_picture_that_cannot_be_written(self, photo: str) -> None:
        Path("out/photo_faces.png").mkdir(parents=True)
        (record,) = detect_json(photo, "--draw", "--out", "out", ending=1)
        assert len(record["faces"]) == 1
        assert record["error"].startswith("its pictures could not be written: ")
        assert "photo_faces.png" in record["error"]

    @pytest.mark.parametrize("option", ["--draw", "--crops", "--align"])
    def test_pictures_need_a_folder(self, option: str, photo: str) -> None:
        assert "Invalid value for --out: --draw, --crops and --align need a folder" in usage_error(photo, option)

    def test_folder_needs_pictures(self, photo: str) -> None:
        assert "say what to write there: --draw, --crops or --align" in usage_error(photo, "--out", "out")
        assert not Path("out").exists()

    def test_folder_that_is_a_file(self, photo: str) -> None:
        assert "'photo.png' is not a folder" in usage_error(photo, "--draw", "--out", photo)


class TestSettings:
    @pytest.mark.parametrize(
        ("options", "settings"),
        [
            (["--min-face-size", "50"], {"min_face_size": 50}),
            (["--max-face-size", "41"], {"max_face_size": 41}),
            (["--thresholds", "0.1", "0.1", "0.05"], {"thresholds": (0.1, 0.1, 0.05)}),
            (["--factor", "0.8"], {"factor": 0.8}),
            (["--nms-thresholds", "1", "1", "1", "1"], {"nms_thresholds": (1, 1, 1, 1)}),
            (["--border", "clip"], {"border": "clip"}),
            (["--max-faces", "1"], {"max_faces": 1}),
            (["--num-threads", "1"], {"num_threads": 1}),
            (["--weights", str(SHIPPED)], {"weights": SHIPPED}),
        ],
    )
    def test_each_reaches_the_detector(self, options: list[str], settings: dict[str, Any], photo: str) -> None:
        double = np.hstack([portrait(), portrait()[:, ::-1]])[:, 30:190]
        Image.fromarray(double).save("double.png")
        result = CliRunner().invoke(app, ["detect", "double.png", "--json", *QUICKLY, *options])
        assert result.exit_code == 0, result.output
        expected = Detector("numpy", **{**QUICK, **settings}).detect(double)
        assert json.loads(result.stdout)[0]["faces"] == expected.to_dict()["faces"]

    def test_max_pixels(self, photo: str) -> None:
        (record,) = detect_json(photo, "--max-pixels", "12543", ending=1)
        assert "max_pixels=12543" in record["error"]

    @pytest.mark.parametrize(
        ("options", "option", "reason"),
        [
            (["--min-face-size", "0"], "--min-face-size", "min_face_size must be a finite number of at least 1"),
            (["--max-face-size", "3"], "--max-face-size", "max_face_size must be a finite number of at least 20"),
            (["--thresholds", "0.1", "2", "0"], "--thresholds", "thresholds[1] must be from 0 to 1"),
            (["--nms-thresholds", "0", "0", "0", "-1"], "--nms-thresholds", "nms_thresholds[3] must be from 0 to 1"),
            (["--factor", "1"], "--factor", "factor must be above 0"),
            (["--border", "wrap"], "--border", "border must be 'zero' or 'clip'"),
            (["--max-faces", "0"], "--max-faces", "max_faces must be a whole number"),
            (["--max-pixels", "-5"], "--max-pixels", "max_pixels must be a whole number"),
            (["--num-threads", "0"], "--num-threads", "num_threads must be a whole number"),
            (["--device", "gpu"], "--device", "device must be one of auto, numpy, cpu"),
            (["--device", "cuda:999"], "--device", "device 'cuda:999' is not available"),
            (["--weights", "nowhere"], "--weights", "no weights at 'nowhere'"),
        ],
    )
    def test_wrong_values_are_told_by_option(self, options: list[str], option: str, reason: str, photo: str) -> None:
        message = usage_error(photo, *options)
        assert f"Invalid value for {option}: {reason}" in message

    @pytest.mark.parametrize("options", [["--min-face-size", "x"], ["--thresholds", "0.5"], ["--nonsense"]])
    def test_what_the_parser_refuses(self, options: list[str], photo: str) -> None:
        assert options[0] in usage_error(photo, *options)
