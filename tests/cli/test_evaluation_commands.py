"""``mtcnn-fast evaluate``, ``compare`` and ``explain`` as one would type them."""

from __future__ import annotations

import concurrent.futures
import json
import re

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast.backends import available_backends
from mtcnn_fast.evaluation import Detections, other_detectors
from mtcnn_fast.evaluation.comparison import Benchmark, evaluate_system, plot_comparison, table
from mtcnn_fast.evaluation.other_detectors import SYSTEMS
from mtcnn_fast.evaluation.plots import plot_frontier
from mtcnn_fast.evaluation.systems import SystemOptions
from support.cli import QUICKLY, problem, run
from support.data import PHOTO
from support.files import write
from support.portrait import QUICK, portrait

pytest.importorskip("scipy")
pytest.importorskip("matplotlib")


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


@pytest.fixture
def predictions(tmp_path, wider_folder):
    """Perfect detections for the small WIDER FACE set."""
    for event, name in (("0--Parade", "a"), ("0--Parade", "b"), ("1--Couple", "c")):
        write(tmp_path / "predictions" / event / f"{name}.txt", name, "1", "40 30 60 70 0.9")
    return tmp_path / "predictions"


class TestWiderFace:
    def test_stored_detections(self, wider_folder, predictions, tmp_path):
        common = ["evaluate", "widerface", "--detections", predictions, "--annotations"]
        figures = json.loads(run(*common, wider_folder / "ground_truth", "--json").stdout)
        assert figures["average_precision"] == {"easy": 1, "medium": 1, "hard": 1}
        assert (figures["subset"], figures["images"]) == (True, 3)
        figures = json.loads(run(*common, wider_folder / "gt.txt", "--event", "1--Couple", "--json").stdout)
        assert figures["average_precision"] == {"all": 1}
        assert (figures["images"], figures["of_images"]) == (1, 3)
        out = tmp_path / "out"
        text = run(*common, wider_folder / "ground_truth", "--out", out).stdout
        assert "subset of WIDER FACE val: 3 images of 2 events" in text
        assert pixels(out / "precision_recall.png").shape[1] > 1000
        assert json.loads((out / "result.json").read_text())["images"] == 3

    def test_a_detector_runs_and_continues(self, wider_folder, tmp_path):
        common = ["evaluate", "widerface", "--images", wider_folder / "images", *QUICKLY]
        common += ["--annotations", wider_folder / "ground_truth", "--out", tmp_path / "out", "--json"]
        figures = json.loads(run(*common).stdout)
        assert figures["speed"]["images"] == 3
        assert figures["speed"]["stages_ms"]["pnet"] > 0
        assert figures["settings"]["min_face_size"] == 40
        record = tmp_path / "out" / "run" / "images.jsonl"
        lines = record.read_text().splitlines()
        assert len(lines) == 3
        record.write_text(lines[0] + "\n")
        again = json.loads(run(*common).stdout)
        assert again["average_precision"] == figures["average_precision"]
        assert record.read_text().splitlines()[0] == lines[0]
        stored = ["--detections", tmp_path / "out" / "predictions", "--annotations", wider_folder / "ground_truth"]
        scored = json.loads(run("evaluate", "widerface", *stored, "--json").stdout)
        assert scored["average_precision"] == figures["average_precision"]
        assert "the folder holds a run with settings" in problem(*common, "--border", "clip")

    def test_images_without_detections(self, wider_folder, predictions):
        (predictions / "0--Parade" / "b.txt").unlink()
        common = ["evaluate", "widerface", "--detections", predictions, "--annotations", wider_folder / "ground_truth"]
        message = problem(*common)
        assert "1 of 3 images have no detections, the first is '0--Parade/b'; --allow-partial scores" in message
        figures = json.loads(run(*common, "--allow-partial", "--json").stdout)
        assert (figures["images"], figures["of_images"]) == (2, 3)

    def test_missing_images(self, wider_folder, tmp_path):
        common = ["evaluate", "widerface", "--annotations", wider_folder / "ground_truth", "--out", tmp_path / "out"]
        assert "3 of 3 images are missing" in problem(*common, "--images", tmp_path, "--allow-partial")

    def test_bad_detections_are_told_with_file_and_line(self, wider_folder, predictions):
        path = write(predictions / "0--Parade" / "a.txt", "a", "1", "1 2 nan 4 0.5")
        message = problem(
            "evaluate", "widerface", "--detections", predictions, "--annotations", wider_folder / "ground_truth"
        )
        assert f"mtcnn-fast: {path}:3: the numbers of a row must be finite" in message

    def test_published_curves_are_drawn_beside_the_whole_set_alone(self, wider_folder, predictions, tmp_path):
        common = ["evaluate", "widerface", "--detections", predictions, "--annotations", wider_folder / "ground_truth"]
        message = run(*common, "--out", tmp_path / "out", "--published", tmp_path / "none").stderr
        assert "published curves are of the whole set" in message

    def test_published_curves_are_drawn_beside_the_whole_set(self, wider_folder, predictions, tmp_path, monkeypatch):
        # What is made up for tests is taken for the whole set.
        monkeypatch.setattr("mtcnn_fast.evaluation.widerface.FULL_IMAGES", 3)
        curve = {"pr_cruve": np.array([[0.9, 0.1], [0.5, 0.6]]), "legend_name": "Someone"}
        for subset in ("easy", "medium", "hard"):
            path = write(tmp_path / "published" / "someone" / f"wider_pr_info_someone_{subset}_val.mat")
            pytest.importorskip("scipy.io").savemat(path, curve)
        common = ["evaluate", "widerface", "--detections", predictions, "--annotations", wider_folder / "ground_truth"]
        assert not run(*common, "--out", tmp_path / "alone").stderr
        assert not run(*common, "--out", tmp_path / "both", "--published", tmp_path / "published").stderr
        alone, both = (pixels(tmp_path / name / "precision_recall.png") for name in ("alone", "both"))
        assert alone.shape == both.shape
        assert np.any(alone != both)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ([], "give one of --detections and --images"),
            (["--detections", "a", "--images", "b"], "give one of --detections and --images"),
            (["--images", "b"], "Invalid value for '--out': a run needs a folder"),
            (["--detections", "a", "--out", __file__], "is not a folder"),
        ],
    )
    def test_options_that_do_not_go_together(self, options, message):
        assert message in problem("evaluate", "widerface", "--annotations", "x", *options, ending=2)

    def test_an_interrupted_run_says_how_it_is_continued(self, wider_folder, tmp_path, monkeypatch):
        def interrupt(*arguments):
            raise KeyboardInterrupt

        monkeypatch.setattr("mtcnn_fast.cli.evaluation_source.run_system", interrupt)
        common = ["evaluate", "widerface", "--images", wider_folder / "images", *QUICKLY]
        common += ["--annotations", wider_folder / "ground_truth", "--out", tmp_path / "out"]
        folder = str(tmp_path / "out")
        expected = f"mtcnn-fast: interrupted: the same command continues the run in {folder!r}\n"
        assert run(*common, ending=130).stderr == expected


class TestFddb:
    def test_stored_detections(self, fddb_folder, tmp_path):
        found = write(
            tmp_path / "found.txt",
            *("2002/01/img_1", "2", "50 30 40 60 0.9", "100 5 9 9 0.2", "2002/02/img_2", "1", "50 30 40 60 0.8"),
        )
        common = ["evaluate", "fddb", "--annotations", fddb_folder / "FDDB-folds", "--detections", found]
        out = tmp_path / "out"
        text = run(*common, "--out", out, "--sizes-from", found, "--published", tmp_path).stdout
        assert "subset of FDDB: 2 images, 3 faces" in text
        assert (out / "DiscROC.txt").read_text() == "0.666667 1 0.2\n0.666667 0 0.8\n0.333333 0 0.9\n0 0 1.79769e+308\n"
        assert len((out / "ContROC.txt").read_text().splitlines()) == 4
        assert pixels(out / "roc.png").shape[1] > 500

    def test_a_detector_runs(self, fddb_folder, tmp_path):
        common = ["evaluate", "fddb", "--annotations", fddb_folder / "FDDB-folds", "--images", fddb_folder / "images"]
        figures = json.loads(run(*common, *QUICKLY, "--out", tmp_path, "--json").stdout)
        assert figures["images"] == 2
        assert (tmp_path / "detections.txt").read_text().startswith("2002/01/img_1\n1\n")


class TestLandmarks:
    @pytest.fixture
    def faces(self, tmp_path):
        Image.fromarray(portrait()).save(tmp_path / "face.png")
        return write(tmp_path / "list.txt", "face.png 30 82 15 80 45 41 70 42 56 57 43 63 68 64")

    @pytest.mark.parametrize("boxes", ["detected", "given"])
    def test_a_detector_runs(self, faces, tmp_path, boxes):
        out = tmp_path / "out"
        common = ["evaluate", "landmarks", "--annotations", faces, *QUICKLY]
        figures = json.loads(run(*common, "--images", tmp_path, "--boxes", boxes, "--out", out, "--json").stdout)
        assert figures["missed"] == 0
        assert figures["inter_ocular"]["mean"] < 0.15
        assert pixels(out / "errors.png").shape[1] > 500
        scored = json.loads(run(*common, "--detections", out / "landmarks.txt", "--json").stdout)
        assert scored["inter_ocular"] == figures["inter_ocular"]

    def test_wrong_kind_of_boxes(self, faces):
        message = problem(
            "evaluate", "landmarks", "--annotations", faces, "--detections", faces, "--boxes", "all", ending=2
        )
        assert "boxes must be one of detected, given, got 'all'" in message


class TestExplain:
    @pytest.fixture
    def photo(self, tmp_path):
        Image.fromarray(portrait()).save(tmp_path / "photo.png")
        return tmp_path / "photo.png"

    def test_steps_and_pictures(self, photo, tmp_path):
        out = tmp_path / "steps"
        text = run("explain", photo, *QUICKLY, "--out", out).stdout
        assert "1 face" in text
        assert re.search(r"rnet +\d+ kept +dropped: \d+ threshold", text)
        assert "pnet" in text
        assert sorted(path.name for path in out.iterdir()) == ["storyboard.html", "storyboard.png"]
        assert min(pixels(out / "storyboard.png").shape[:2]) > 1000
        page = (out / "storyboard.html").read_text(encoding="utf-8")
        assert page.count("<figure>") == page.count("data:image/png") == 6
        assert "http" not in page

    def test_the_fate_of_a_point(self, photo):
        found = json.loads(run("explain", photo, *QUICKLY, "--at", 56, 50, "--json").stdout)
        assert found["at"]["verdict"] == "a face is found there"
        assert found["at"]["remedy"] == ""
        assert {step["step"] for step in found["at"]["steps"]} == {step["step"] for step in found["steps"]}
        dropped = [entry for step in found["at"]["steps"] for entry in step["dropped"]]
        assert {entry[0] for entry in dropped} <= {"threshold", "overlap", "degenerate", "limit"}
        assert all((entry[3] is None) == (entry[0] != "overlap") for entry in dropped)

    def test_why_there_is_no_face(self, photo):
        text = run("explain", photo, *QUICKLY, "--at", 56, 50, "--thresholds", 0.6, 0.7, 1).stdout
        assert "the last candidates there are dropped in step 'onet': threshold, best score" in text
        assert re.search(r"remedy: Set thresholds=\(0\.6, 0\.7, 0\.99\d*\)", text)
        text = run("explain", photo, *QUICKLY, "--at", 56, 50, "--min-face-size", 112).stdout
        assert "P-Net proposes nothing there" in text
        assert "min_face_size (now 112)" in text

    def test_a_point_outside_the_image_is_refused(self, photo):
        message = problem("explain", photo, *QUICKLY, "--at", -50, 20, ending=2)
        assert "inside the image of 112x112 pixels, got (-50, 20)" in message

    def test_every_backend_records_what_it_drops(self, photo):
        steps = json.loads(run("explain", photo, "--json").stdout)["steps"]
        assert sum(step["dropped"].get("threshold", 0) for step in steps) > 0

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--factor", "2"], "Invalid value for '--factor'"),
            (["--device", "cuda:99"], "Invalid value for '--device'"),
            (["--weights", "nowhere"], "Invalid value for '--weights'"),
        ],
    )
    def test_settings_that_are_not_accepted(self, photo, options, message):
        assert message in problem("explain", photo, *options, ending=2)

    def test_unreadable_image(self, tmp_path):
        assert "photo" in problem("explain", write(tmp_path / "photo.png", "nothing"))


class TestCompare:
    def test_one_table_of_what_is_there_and_names_of_what_is_not(self, wider_folder, fddb_folder, tmp_path):
        common = ["compare", "--widerface", wider_folder / "images", wider_folder / "ground_truth"]
        common += ["--fddb", fddb_folder / "images", fddb_folder / "FDDB-folds", "--out", tmp_path, "--limit", 2]
        text = run(*common, "--system", "numpy", "--system", "cascadecnn").stdout
        assert re.search(r"\| mtcnn-fast, numpy \| \d", text)
        assert "subset of WIDER FACE val: 2 images" in text
        assert "- not compared: cascadecnn: " in text
        assert (tmp_path / "comparison.md").read_text() == text.removesuffix("\n")
        assert pixels(tmp_path / "comparison.png").shape[1] > 500
        again = json.loads(run(*common, "--system", "numpy", "--json").stdout)
        assert list(again["systems"]) == ["mtcnn-fast, numpy"]

    def test_settings_and_part_of_the_images(self, wider_folder, fddb_folder, tmp_path, monkeypatch):
        given = []

        def compare(names, benchmark, options, out):
            given.append((benchmark.every, options.settings))
            return {name: evaluate_system(name, benchmark, options, str(out))[1] for name in names}, {}

        monkeypatch.setattr("mtcnn_fast.evaluation.comparison.compare", compare)
        common = ["compare", "--widerface", wider_folder / "images", wider_folder / "ground_truth", "--every", 2]
        common += ["--fddb", fddb_folder / "images", fddb_folder / "FDDB-folds", "--false-positives", 7]
        text = run(*common, "--system", "numpy", *QUICKLY[2:], "--out", tmp_path).stdout
        assert given == [(2, {"min_face_size": 40, "factor": 0.6})]
        assert "| FDDB at 7 FP |" in text
        assert "subset of WIDER FACE val: 2 images of 2 events" in text
        assert "subset of FDDB: 1 images" in text

    def test_a_detector_that_raises_is_named_and_the_others_are_compared(self, wider_folder, tmp_path, monkeypatch):
        def broken(options):
            raise RuntimeError("no engine\nhere")

        class InThisProcess(concurrent.futures.ThreadPoolExecutor):
            def __init__(self, workers, mp_context):
                super().__init__(workers)

        monkeypatch.setattr("concurrent.futures.ProcessPoolExecutor", InThisProcess)
        monkeypatch.setitem(SYSTEMS, "dlib", broken)
        common = ["compare", "--widerface", wider_folder / "images", wider_folder / "ground_truth", "--out", tmp_path]
        result = run(*common, "--system", "dlib", "--system", "numpy", "--json", ending=1)
        report = json.loads(result.stdout)
        assert list(report["systems"]) == ["mtcnn-fast, numpy"]
        assert report["missing"] == {"dlib": "failed: RuntimeError: no engine here"}
        assert result.stderr == "mtcnn-fast: dlib failed: RuntimeError: no engine here\n"

    def test_a_detector_whose_process_dies_is_named(self, wider_folder, tmp_path, monkeypatch):
        class Dying(concurrent.futures.ThreadPoolExecutor):
            def __init__(self, workers, mp_context):
                super().__init__(workers)

            def submit(self, *arguments):
                raise concurrent.futures.BrokenExecutor

        monkeypatch.setattr("concurrent.futures.ProcessPoolExecutor", Dying)
        common = ["compare", "--widerface", wider_folder / "images", wider_folder / "ground_truth", "--out", tmp_path]
        assert "mtcnn-fast: numpy failed: its process died" in problem(*common, "--system", "numpy")

    def test_a_setting_given_with_its_default_value_is_given(self, wider_folder, tmp_path, monkeypatch):
        given = []

        def compare(names, benchmark, options, out):
            given.append(options.settings)
            return {}, {}

        monkeypatch.setattr("mtcnn_fast.evaluation.comparison.compare", compare)
        common = ["compare", "--widerface", wider_folder / "images", wider_folder / "ground_truth", "--out", tmp_path]
        run(*common, "--min-face-size", 20)
        run(*common)
        assert given == [{"min_face_size": 20}, {}]

    def test_a_backend_as_facenet_pytorch_does_at_the_edge(self):
        if available_backends()["cpu"] is not None:
            pytest.skip("needs the cpu backend")
        systems = [SYSTEMS[name](SystemOptions(settings={"min_face_size": 30})) for name in ("cpu", "cpu-clip")]
        assert [system.settings["border"] for system in systems] == ["zero", "clip"]
        assert [system.settings["min_face_size"] for system in systems] == [30, 30]
        assert len({system.name for system in systems}) == 2

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--system", "gpu"], "must be one of cpu, cpu-clip, numpy"),
            (["--system", "numpy"], "give at least one of"),
            (["--widerface", "a", "b", "--factor", "2"], "Invalid value for '--factor'"),
        ],
    )
    def test_wrong_options(self, tmp_path, options, message):
        assert message in problem("compare", "--out", tmp_path, *options, ending=2)

    def test_landmarks(self, tmp_path):
        Image.fromarray(portrait()).save(tmp_path / "face.png")
        faces = write(tmp_path / "list.txt", "face.png 30 82 15 80 45 41 70 42 56 57 43 63 68 64")
        benchmark = Benchmark(landmarks=(tmp_path, faces))
        title, row = evaluate_system("numpy", benchmark, SystemOptions(settings=QUICK), str(tmp_path / "run"))
        assert row["landmarks"] < 0.15
        assert row["not_found"] == 0
        assert row["ms"] > 0
        assert "landmarks: 1 of 1 faces of list" in table({title: row}, {})

    def test_figures_of_detection(self, tmp_path, wider_folder, fddb_folder):
        benchmark = Benchmark(
            (wider_folder / "images", wider_folder / "ground_truth"),
            (fddb_folder / "images", fddb_folder / "FDDB-folds"),
        )
        for _ in range(2):
            _, row = evaluate_system("numpy", benchmark, SystemOptions(settings=QUICK), str(tmp_path / "run"))
            assert 0 <= row["easy"] <= 1
            assert 0 <= row["fddb"] <= 1
            assert len(row["label"]) == 2

    def test_the_plot_of_the_frontier(self, tmp_path):
        points = [
            {"label": name, "named": name == "b", "milliseconds": cost, "average_precision": {"easy": value}}
            for name, cost, value in (("a", 10.0, 0.5), ("b", 20.0, 0.7), ("c", 30.0, 0.6))
        ]
        plot_frontier(tmp_path / "frontier.png", points, "easy", "three settings")
        assert pixels(tmp_path / "frontier.png").shape[1] > 500

    def test_a_system_without_landmarks(self, tmp_path, monkeypatch):
        monkeypatch.setitem(
            SYSTEMS, "none", lambda options: other_detectors.OtherDetector("none", {}, lambda image: Detections.none())
        )
        Image.fromarray(portrait()).save(tmp_path / "face.png")
        faces = write(tmp_path / "list.txt", "face.png 30 82 15 80 45 41 70 42 56 57 43 63 68 64")
        benchmark = Benchmark(landmarks=(tmp_path, faces))
        title, row = evaluate_system("none", benchmark, SystemOptions(), str(tmp_path / "run"))
        assert (row["landmarks"], row["not_found"]) == (None, None)
        plot_comparison(tmp_path / "plot.png", {title: row})
        assert (tmp_path / "plot.png").exists()

    def test_no_images(self, tmp_path, wider_folder):
        pair = tmp_path, wider_folder / "gt.txt"
        message = problem("compare", "--widerface", *pair, "--system", "numpy", "--out", tmp_path / "out")
        assert "none of 3 annotated images is there" in message


def test_help_has_examples():
    for command in (
        ["evaluate", "widerface"],
        ["evaluate", "fddb"],
        ["evaluate", "landmarks"],
        ["compare"],
        ["explain"],
    ):
        text = run(*command, "--help").stdout
        assert "Examples" in text
        assert f"mtcnn-fast {' '.join(command)}" in text


@pytest.mark.parametrize(("name", "mark"), [("a.jpg", "\ufeff"), ("b.png", ""), ("a.JPG", "")])
def test_widerface_images_of_any_ending(tmp_path, name, mark):
    """The annotation begins with a byte-order mark, or names another ending than jpg."""
    folder = tmp_path / "images" / "0--E"
    folder.mkdir(parents=True)
    Image.open(PHOTO).resize((128, 128)).save(folder / name, "PNG" if name.endswith("png") else "JPEG")
    (tmp_path / "gt.txt").write_text(f"{mark}0--E/{name}\n1\n45 15 22 28 0 0 0 0 0 0\n", encoding="utf-8")
    arguments = ["--annotations", tmp_path / "gt.txt", "--images", tmp_path / "images", "--out", tmp_path / "out"]
    figures = json.loads(run("evaluate", "widerface", *arguments, "--device", "numpy", "--json").stdout)
    assert figures["average_precision"]["all"] > 0.9
