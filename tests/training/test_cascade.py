"""`mtcnn-fast train` from drawn pictures to weights that detect, through the command as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mtcnn_fast import Detector
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.weights import load_weights

torch = pytest.importorskip("torch", reason="training needs torch")

from mtcnn_fast.datasets.drawn import draw_faces  # noqa: E402
from mtcnn_fast.training import load_config, train  # noqa: E402
from support.cli import run as run_command  # noqa: E402
from support.data import ROOT  # noqa: E402

SMOKE = ROOT / "configs" / "smoke.toml"


def invoke(*arguments, ending=0):
    return run_command("train", *arguments, ending=ending)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """The folder of a training by configs/smoke.toml."""
    out = tmp_path_factory.mktemp("smoke")
    found = json.loads(invoke("--config", SMOKE, "--out", out, "--json", "--quiet").stdout)
    assert list(found) == ["p", "r", "o"]
    return out, found


def small_config(folder, **changes):
    """A configuration of P-Net alone, small enough for seconds."""
    settings = {"steps": 300, "checkpoint_every": 25, "validate_every": 50, "learning_rate": 0.003} | changes
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    path = folder / "config.toml"
    path.write_text(
        "seed = 3\nworkers = 1\n[data]\nheld_out = 0.2\n[[data.sets]]\nformat = 'drawn'\ncount = 20\n"
        "[samples]\ntotal = 700\nmin_face = 16\n[train]\nbatch_size = 56\nthreads = 1\n" + "\n".join(lines) + "\n"
    )
    return path


def overlap(box, other):
    low, high = np.maximum(box[:2], other[:2]), np.minimum(box[2:], other[2:])
    area = np.prod(np.maximum(high - low, 0))
    return area / (np.prod(box[2:] - box[:2]) + np.prod(other[2:] - other[:2]) - area)


def test_every_network_has_learned(smoke):
    for name, least in (("p", 0.97), ("r", 0.95), ("o", 0.95)):
        result = smoke[1][name]
        assert result["validation"]["accuracy"] > least
        assert result["validation"]["loss"] < 0.2 * result["before"]["loss"]
        assert min(result["samples"]["training"].values()) > 100
        written = json.loads((smoke[0] / name / "result.json").read_text())
        assert written == result


def test_what_was_trained_finds_faces_that_it_never_saw(smoke, tmp_path):
    records = draw_faces(tmp_path, 30, seed=12345)
    with Detector(weights=smoke[0] / "weights") as detector:
        found = [detector.detect(record.path) for record in records]
    faces = matched = wrong = 0
    errors = []
    for record, result in zip(records, found, strict=True):
        faces += len(record)
        taken = set()
        for face in result:
            overlaps = [overlap(face.box, box) for box in record.boxes]
            best = int(np.argmax(overlaps))
            if overlaps[best] < 0.5:
                wrong += 1
                continue
            taken.add(best)
            side = record.boxes[best, 2] - record.boxes[best, 0]
            errors.append(np.linalg.norm(face.landmarks - record.points[best], axis=1).mean() / side)
        matched += len(taken)
    assert matched > 0.8 * faces
    assert wrong < 0.2 * faces
    assert np.mean(errors) < 0.15


def test_the_weights_are_the_same_on_every_backend(smoke, make_backend, tmp_path):
    """Run once for each backend that works here."""
    from mtcnn_fast.images import load_image

    weights = load_weights(smoke[0] / "weights")
    assert weights.box_coding == "corner"
    image = load_image(draw_faces(tmp_path, 1, seed=12345)[0].path)
    (found,) = make_backend(weights=weights).detect([image])
    with Detector(device="numpy", weights=smoke[0] / "weights") as detector:
        expected = detector.detect(image)
    assert len(expected) >= 1
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.01)
    np.testing.assert_allclose(found.landmarks, expected.landmarks, atol=0.01)


def test_logs_and_checkpoints_lie_beside_the_weights(smoke):
    for name in ("p", "r", "o"):
        files = {path.name for path in (smoke[0] / name).iterdir()}
        assert {"training.csv", "validation.csv", "checkpoint.json", "result.json"} <= files
        assert len([file for file in files if file.endswith(".safetensors")]) == 1
    assert not list(smoke[0].rglob("*.partial"))


def test_what_is_finished_is_left_as_it_is(smoke):
    files = {path: path.stat().st_mtime_ns for path in smoke[0].rglob("*.safetensors")}
    result = invoke("--config", SMOKE, "--out", smoke[0], "--stage", "o")
    assert result.stdout.startswith("O-Net: 160 steps in")
    assert {path: path.stat().st_mtime_ns for path in smoke[0].rglob("*.safetensors")} == files


#: The command, which does not go beyond its checkpoint of step 200: it has not ended when it is killed, however
#: late that is.
HELD = """
import time
from mtcnn_fast.training import checkpoints
save = checkpoints.save_checkpoint
def held(folder, checkpoint, run):
    save(folder, checkpoint, run)
    while checkpoint.step >= 200:
        time.sleep(1)
checkpoints.save_checkpoint = held
from mtcnn_fast.cli import main
main()
"""


def test_killed_in_mid_epoch_it_ends_bit_for_bit_alike(tmp_path):
    config = small_config(tmp_path)
    one, two = tmp_path / "one", tmp_path / "two"
    arguments = ["train", "--config", config, "--stage", "p", "--quiet", "--out"]
    command, held = [sys.executable, "-m", "mtcnn_fast", *arguments], [sys.executable, "-c", HELD, *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([*command, one], env=environment, check=True, capture_output=True)

    process = subprocess.Popen([*held, two], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    # 20 records of some 700 samples: an epoch has 12 minibatches, so that step 100 lies within one.
    wait_for_step(two / "p" / "checkpoint.json", 100, process)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (two / "weights" / "p.safetensors").exists()
    step = json.loads((two / "p" / "checkpoint.json").read_text())["step"]
    assert 100 <= step < 300

    subprocess.run([*command, two], env=environment, check=True, capture_output=True)
    names = ("weights/p.safetensors", "p/validation.csv", "p/step-00000300.safetensors")
    for name in names:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


def wait_for_step(path: Path, step: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if path.exists() and json.loads(path.read_text())["step"] >= step:
            return
        time.sleep(0.005)
    raise AssertionError(f"step {step} was not seen: {process.communicate()}")


def test_from_the_shipped_weights(tmp_path):
    """Fine-tuning begins with what the detector ships, and every network can be trained alone."""
    config = load_config(small_config(tmp_path, steps=4, learning_rate=0.0, validate_every=2, checkpoint_every=2))
    import dataclasses

    config = dataclasses.replace(config, init="shipped")
    out = tmp_path / "out"
    result = train(config, out, "p", shown=False)["p"]
    assert result["before"]["accuracy"] > 0.5
    trained, shipped = load_weights(out / "weights"), load_weights(None)
    for network in ("pnet", "rnet", "onet"):
        for name, value in getattr(shipped, network).items():
            np.testing.assert_array_equal(getattr(trained, network)[name], value)
    with pytest.raises(ConfigError, match="init 'shipped', now it is 'random'"):
        train(dataclasses.replace(config, init="random"), out, "p", shown=False)
    with pytest.raises(ConfigError, match="init 'shipped' has box_coding 'corner'"):
        train(dataclasses.replace(config, box_coding="rcnn"), tmp_path / "other", "p", shown=False)


def test_the_coding_of_boxes_is_part_of_the_weights(tmp_path):
    import dataclasses

    from mtcnn_fast.training.stage_networks import StageNetwork, save_network

    config = load_config(small_config(tmp_path, steps=4, validate_every=2, checkpoint_every=2))
    config = dataclasses.replace(config, box_coding="rcnn")
    train(config, tmp_path / "out", "p", shown=False)
    for stage in ("r", "o"):
        save_network(StageNetwork(stage), tmp_path / "out" / "weights" / f"{stage}.safetensors", "rcnn")
    assert load_weights(tmp_path / "out" / "weights").box_coding == "rcnn"


def test_a_stage_needs_those_before_it(tmp_path):
    result = invoke("--config", small_config(tmp_path), "--out", tmp_path / "out", "--stage", "o", ending=1)
    assert "stage 'o' needs the weights of P-Net" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "ending", "message"),
    [
        (("--config", "no.toml", "--out", "x"), 1, "'no.toml' cannot be read"),
        (("--config", SMOKE, "--out", "x", "--stage", "q"), 2, "must be one of p, r, o, all"),
        (("--config", SMOKE, "--out", "x", "--device", "tpu"), 1, "device must be cpu, cuda or cuda:N, got 'tpu'"),
        (("--config", SMOKE, "--out", "x", "--init", "no/such"), 1, "no weights at 'no/such'"),
    ],
)
def test_mistakes_are_named(arguments, ending, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in " ".join(invoke(*arguments, ending=ending).stderr.split())
