"""`make_samples`: contents, determinism, and going on after an interruption."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mtcnn_fast import BackendError, ConfigError, DataError, ImageError, WeightsError
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.datasets import FaceRecord, read_landmark_list, read_widerface_records
from mtcnn_fast.images import load_image
from mtcnn_fast.ops import crop_pad_resize
from mtcnn_fast.training.samples import SampleKind, SampleOptions, SampleSet, make_samples, proposals, stage_recall
from mtcnn_fast.training.samples.cutting import to_bytes
from mtcnn_fast.training.samples.workers import run
from mtcnn_fast.weights import load_weights
from mtcnn_fast.weights.loader import SHIPPED
from support.annotated import pictures
from support.data import ROOT, shared
from support.processes import is_running

#: Five shards, the last of which is smaller.
OPTIONS = SampleOptions(total=9_000, min_face_size=30)
COUNT = 22


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[FaceRecord]:
    return pictures(tmp_path_factory.mktemp("pictures"), COUNT)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, records: list[FaceRecord]) -> dict[str, Path]:
    """The sets of P-Net and O-Net, each made in one go by this process."""
    folder = tmp_path_factory.mktemp("sets")
    for stage in ("p", "o"):
        make_samples(stage, records, folder / stage, options=OPTIONS, workers=1)  # type: ignore[arg-type]
    return {stage: folder / stage for stage in ("p", "o")}


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_kinds_have_their_ratio(uninterrupted: dict[str, Path]) -> None:
    counts = SampleSet.open(uninterrupted["p"]).counts
    wanted = OPTIONS.targets()
    for kind in (SampleKind.NEGATIVE, SampleKind.PART, SampleKind.LANDMARK):
        assert counts[kind] == wanted[kind]
    assert 0.95 * wanted[SampleKind.POSITIVE] <= counts[SampleKind.POSITIVE] <= wanted[SampleKind.POSITIVE]


def test_samples_are_what_the_detector_would_crop(records: list[FaceRecord], uninterrupted: dict[str, Path]) -> None:
    # Undo the targets: the window of a positive follows from its face, and must give the stored pixels.
    samples = SampleSet.open(uninterrupted["o"])
    from PIL import Image

    pixels = np.array(Image.open(records[0].path))
    (x1, y1, x2, y2) = records[0].boxes[0].astype(np.float64)
    checked = 0
    for i in samples.indices_of(SampleKind.POSITIVE)[:40]:
        sample = samples.take([i])
        d = sample.boxes[0].astype(np.float64)
        # x1 = p1 + d1 w, x2 = p1 + w - 1 + d2 w.
        width = (x2 - x1 + 1) / (1 + d[2] - d[0])
        height = (y2 - y1 + 1) / (1 + d[3] - d[1])
        left, top = x1 - d[0] * width, y1 - d[1] * height
        window = np.array([[left, top, left + width - 1, top + height - 1]], np.float32)
        # Rounding may move a corner that is nearly a whole number by a pixel.
        if np.abs(window - np.rint(window)).min() < 1e-2:
            continue
        crop = to_bytes(crop_pad_resize(pixels, window, 48)[0])
        assert np.array_equal(crop, sample.images)
        checked += 1
    assert checked > 10


def test_bytes_are_rounded_and_exact() -> None:
    every = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    crops, _ = crop_pad_resize(every, np.array([[1, 1, 16, 16]]), 16)
    assert np.array_equal(to_bytes(crops)[0], every)


def test_making_it_again_opens_it(records: list[FaceRecord], uninterrupted: dict[str, Path]) -> None:
    before = {path: path.stat().st_mtime_ns for path in uninterrupted["o"].iterdir()}
    again = make_samples("o", records, uninterrupted["o"], options=OPTIONS, workers=1)
    assert len(again) == len(SampleSet.open(uninterrupted["o"]))
    assert {path: path.stat().st_mtime_ns for path in uninterrupted["o"].iterdir()} == before


def test_processes_make_the_same_files(
    records: list[FaceRecord], uninterrupted: dict[str, Path], tmp_path: Path
) -> None:
    make_samples("o", records, tmp_path, options=OPTIONS, workers=2, progress=True)
    assert files(tmp_path) == files(uninterrupted["o"])


def test_another_seed_makes_others(records: list[FaceRecord], uninterrupted: dict[str, Path], tmp_path: Path) -> None:
    make_samples("p", records, tmp_path, options=OPTIONS, seed=1, workers=1)
    first, other = (SampleSet.open(folder).take(np.arange(50)) for folder in (uninterrupted["p"], tmp_path))
    assert not np.array_equal(first.images, other.images)


# Makes a set, and kills itself with a part of a shard written, as a power cut would.
KILLED = """
    import os, pickle, signal, sys
    from pathlib import Path
    from mtcnn_fast import files
    from mtcnn_fast.training.samples import make_samples, shards
    stage, records, out, name = sys.argv[1:]
    write = files.written_whole
    def partly(path, data):
        if Path(path).name != name:
            return write(path, data)
        partial = Path(path).with_name(f".{Path(path).name}.{os.getpid()}.partial")
        partial.write_bytes(data[: len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    files.written_whole = shards.written_whole = partly
    with open(records, "rb") as file:
        faces, options = pickle.load(file)
    make_samples(stage, faces, out, options=options, workers=1)
"""


def start(code: str, *arguments: object, **kwargs: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(ROOT / "tests")])}
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, env=environment, text=True, **kwargs)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize(
    ("stage", "shard"),
    [("p", "samples-00002"), ("o", "proposals-00001"), ("o", "samples-00003"), ("p", "manifest")],
)
def test_killed_in_the_middle_of_a_shard_it_goes_on(
    records: list[FaceRecord], uninterrupted: dict[str, Path], tmp_path: Path, stage: str, shard: str
) -> None:
    import pickle

    given = tmp_path / "records.pickle"
    given.write_bytes(pickle.dumps((records, OPTIONS)))
    out = tmp_path / "set"
    name = f"{shard}.json" if shard == "manifest" else f"{shard}.safetensors"
    process = start(KILLED, stage, given, out, name)
    assert process.wait(120) == -signal.SIGKILL
    assert len(list(out.glob(".*.partial"))) == 1
    left = {path.name: path.stat().st_mtime_ns for path in out.glob("[!.]*")}
    assert name not in left
    with pytest.raises(DataError, match="no complete set"):
        SampleSet.open(out)

    make_samples(stage, records, out, options=OPTIONS, workers=1)  # type: ignore[arg-type]
    assert files(out) == files(uninterrupted[stage])
    # What was there has not been made again.
    assert all((out / name).stat().st_mtime_ns == made for name, made in left.items())


def test_a_damaged_shard_of_an_unfinished_set_is_made_again(
    records: list[FaceRecord], uninterrupted: dict[str, Path], tmp_path: Path
) -> None:
    for path in uninterrupted["p"].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "manifest.json").unlink()
    damaged = tmp_path / "samples-00001.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-7])
    make_samples("p", records, tmp_path, options=OPTIONS, workers=1)
    assert files(tmp_path) == files(uninterrupted["p"])


def test_a_directory_belongs_to_one_plan(records: list[FaceRecord], uninterrupted: dict[str, Path]) -> None:
    other = dataclasses.replace(OPTIONS, near=0.5)
    for changes, what in (
        ({"seed": 4}, "seed"),
        ({"options": other}, "options"),
        ({"records": [*records[:-1], records[0]]}, "records"),
        ({"stage": "r"}, "size, stage, weights"),
    ):
        arguments = {"stage": "p", "records": records, "options": OPTIONS, **changes}
        with pytest.raises(DataError, match=rf"{what} differ"):
            make_samples(out=uninterrupted["p"], workers=1, **arguments)  # type: ignore[arg-type]


def test_proposals_depend_on_the_networks_before(records: list[FaceRecord], tmp_path: Path) -> None:
    few, options = records[:4], dataclasses.replace(OPTIONS, total=300)
    only_p = tmp_path / "weights"
    only_p.mkdir()
    (only_p / "p.safetensors").write_bytes((SHIPPED / "p.safetensors").read_bytes())
    make_samples("r", few, tmp_path / "shipped", options=options, workers=1)
    make_samples("r", few, tmp_path / "folder", weights=only_p, options=options, workers=1)
    assert files(tmp_path / "shipped") == files(tmp_path / "folder")
    with pytest.raises(WeightsError, match=r"r\.safetensors.*missing"):
        make_samples("o", few, tmp_path / "o", weights=only_p, options=options, workers=1)

    weights = load_weights(None)
    blind = {name: np.zeros_like(tensor) for name, tensor in weights.pnet.items()}
    blind["conv4_1.bias"] = np.array([9, -9], np.float32)
    unseeing = dataclasses.replace(weights, pnet=blind)
    with pytest.raises(DataError, match="weights differ"):
        make_samples("r", few, tmp_path / "shipped", weights=unseeing, options=options, workers=1)
    # Without proposals there are no negatives, and jitter alone gives the rest.
    samples = make_samples("r", few, tmp_path / "blind", weights=unseeing, options=options, workers=1)
    assert samples.counts[SampleKind.NEGATIVE] == 0
    assert samples.counts[SampleKind.POSITIVE] == options.targets()[SampleKind.POSITIVE]
    bare = dataclasses.replace(options, top_up=False)
    with pytest.raises(DataError, match="give no samples"):
        make_samples("r", few, tmp_path / "bare", weights=unseeing, options=bare, workers=1)


def test_the_best_of_too_many_proposals_are_kept(records: list[FaceRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    detector = proposals.make_detector("r", load_weights(None), OPTIONS)
    pixels = load_image(records[0].path)
    whole = proposals.propose(detector, "r", pixels)
    monkeypatch.setattr(proposals, "MOST", 5)
    assert len(whole) > 5
    assert np.array_equal(proposals.propose(detector, "r", pixels), whole[:5])
    trace = {step.step: step.scores for step in detector.detect(pixels, trace=True).trace}  # type: ignore[attr-defined]
    assert (np.diff(trace["proposals"]) <= 0).all()


@pytest.mark.parametrize("stage", ["p", "r", "o"])
def test_on_photographs(tmp_path: Path, stage: str) -> None:
    annotation = shared("wider/wider_face_split/wider_face_train_subset768_bbx_gt.txt")
    groups = read_widerface_records(annotation, shared("wider/WIDER_train_768/images"))
    portraits = read_landmark_list(shared("landmarks/net_7876.txt"))
    few = [*itertools.islice(groups, 6), *itertools.islice(portraits, 6)]
    samples = make_samples(stage, few, tmp_path, options=SampleOptions(total=700), workers=1)  # type: ignore[arg-type]
    counts = samples.counts
    assert counts[SampleKind.NEGATIVE] == 300
    assert counts[SampleKind.LANDMARK] == 200
    assert min(counts.values()) > 80
    # Faces are not alike: pixels vary, and the offsets of positives are small.
    positives = samples.take(samples.indices_of(SampleKind.POSITIVE))
    assert positives.images.std(axis=(1, 2, 3)).min() > 5
    # At most 1 / 0.65 - 1, and a pixel of a small window besides, as annotations count from 0.
    assert np.abs(positives.boxes).max() < 0.7
    landmarks = samples.take(samples.indices_of(SampleKind.LANDMARK)).landmarks
    assert (landmarks.min() > -0.5) & (landmarks.max() < 1.5)
    assert np.mean(landmarks[:, 0, 0] < landmarks[:, 1, 0]) > 0.9


def test_arguments_are_checked(records: list[FaceRecord], tmp_path: Path) -> None:
    for arguments, message in (
        ({"stage": "q"}, "stage must be one of p, r, o"),
        ({"seed": -1}, "seed must be"),
        ({"seed": True}, "seed must be"),
        ({"workers": 0}, "workers must be"),
    ):
        with pytest.raises(ConfigError, match=message):
            make_samples(**{"stage": "p", "records": records, "out": tmp_path, **arguments})  # type: ignore[arg-type]
    with pytest.raises(DataError, match="no records"):
        make_samples("p", [], tmp_path)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_image_that_cannot_be_read_is_named(records: list[FaceRecord], tmp_path: Path, workers: int) -> None:
    gone = dataclasses.replace(records[0], path=tmp_path / "gone.png")
    with pytest.raises(ImageError, match=r"gone\.png"):
        make_samples("p", [*records, gone], tmp_path / "set", options=OPTIONS, workers=workers)


def _die() -> Callable[[int], int]:
    return lambda task: os._exit(3) if task else 0


def test_a_process_that_dies_is_told() -> None:
    with pytest.raises(BackendError, match="run it again to go on"):
        list(run(_die, [0, 1, 2, 3], 2))


# Has no guard, so that each process that it starts ends before it reads what it is given: more than a pipe holds.
UNGUARDED = """
    import functools
    from mtcnn_fast import BackendError
    from mtcnn_fast.training.samples.workers import run
    def make(weights):
        return abs
    try:
        list(run(functools.partial(make, bytes(2_000_000)), [bytes(200_000), 1, 2, 3], 2))
    except BackendError as error:
        print(error)
"""


def test_processes_that_die_at_their_start_are_told(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(textwrap.dedent(UNGUARDED))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, script], env=environment, text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "__main__" in done.stdout
    assert "freeze_support" in done.stderr


# Starts two processes that tell their numbers and sleep, and tells that they have begun.
ORPHANS = """
    import os, sys, time
    from pathlib import Path
    from mtcnn_fast.training.samples.workers import run
    from support.sleeper import sleeper
    if __name__ == "__main__":
        list(run(sleeper, [(sys.argv[1], 0), (sys.argv[1], 1)], 2))
"""


def test_processes_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    parent = start(ORPHANS, tmp_path)
    try:
        numbers = _wait(lambda: [int(path.name) for path in tmp_path.iterdir()], lambda found: len(found) == 2)
    finally:
        parent.kill()
        parent.wait()
    _wait(lambda: [number for number in numbers if is_running(number)], lambda running: not running)


def _wait(look: Callable[[], list[int]], done: Callable[[list[int]], bool]) -> list[int]:
    end = time.monotonic() + 60
    while not done(found := look()):
        assert time.monotonic() < end, found
        time.sleep(0.05)
    return found


def test_recall_of_each_stage(records: list[FaceRecord]) -> None:
    config = DetectorConfig(min_face_size=25)
    found = stage_recall(records, config=config, workers=1)
    assert (found["images"], found["faces"], found["min_face"]) == (COUNT, COUNT, 25)
    assert list(found["stages"]) == ["p", "r", "o"]
    boxes = [stage["boxes"] for stage in found["stages"].values()]
    assert boxes[0] > boxes[1] > boxes[2] > 0.5
    for stage in found["stages"].values():
        recall = list(stage["recall"].values())
        assert list(stage["recall"]) == ["0.4", "0.5", "0.65"]
        assert recall == sorted(recall, reverse=True)
        assert recall[0] > 0.8
    assert stage_recall(records, config=config, workers=2) == found
    json.dumps(found)


def test_recall_counts_faces_that_are_large_enough(records: list[FaceRecord]) -> None:
    heights = np.array([record.boxes[0, 3] - record.boxes[0, 1] for record in records])
    least = float(np.median(heights))
    found = stage_recall(records, min_face=least, workers=1)
    assert found["faces"] == np.sum(heights >= least)
    none = stage_recall(records[:2], min_face=1000, workers=1)
    assert none["faces"] == 0
    assert none["stages"]["o"]["recall"]["0.5"] is None
    with pytest.raises(DataError, match="no records"):
        stage_recall([])
