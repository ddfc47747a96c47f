"""The soft-label recipe as a whole: configuration, pipeline, calibration."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

pytest.importorskip("torch", reason="training needs torch")

from mtcnn_fast import Detector
from mtcnn_fast.config import DEFAULTS
from mtcnn_fast.datasets import FaceRecord
from mtcnn_fast.datasets.drawn import draw_faces
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.training import load_config, train
from mtcnn_fast.training.config import TrainingConfig, parse_config
from mtcnn_fast.training.soft.calibration import calibrate, shifted, stage_scores
from mtcnn_fast.training.soft.options import CalibrationOptions
from mtcnn_fast.training.soft.pipeline import _Pipeline
from mtcnn_fast.training.stage_networks import save_weights
from mtcnn_fast.weights import load_weights
from support.data import ROOT

SMOKE = ROOT / "configs" / "soft-smoke.toml"


def small() -> TrainingConfig:
    """The smoke configuration with fewer pictures and steps."""
    config = load_config(SMOKE)
    assert config.soft is not None
    (source,) = config.data.sets
    data = dataclasses.replace(config.data, sets=(dataclasses.replace(source, count=24),), held_out=0.25)
    changes = {"warmup": 5, "batch_size": 16, "validate_every": 50}
    soft = dataclasses.replace(
        config.soft,
        proposers=("own", "shipped"),
        p=dataclasses.replace(config.soft.p, steps=60, **{**changes, "batch_size": 8}),
        r=dataclasses.replace(config.soft.r, steps=50, **changes),
        o=dataclasses.replace(config.soft.o, steps=50, **changes),
    )
    return dataclasses.replace(config, data=data, soft=soft, workers=1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, Any]]]:
    """The folder of a training, and what it returned."""
    out = tmp_path_factory.mktemp("soft")
    return out, train(small(), out, shown=False)


def test_two_rounds_give_weights_that_detect(trained: tuple[Path, dict[str, dict[str, Any]]]) -> None:
    out, results = trained
    assert {name: result["steps"] for name, result in results.items()} == {"p": 60, "r": 50, "o": 50}
    assert sorted(path.name for path in (out / "windows").iterdir()) == ["o-0", "o-1", "r-0", "r-1"]
    for name in "ro":
        assert (out / name / "1" / "result.json").is_file()
        before = [(out / name / number / f"{name}.safetensors").read_bytes() for number in "01"]
        assert before[0] != before[1]
    assert not (out / "p" / "1").exists()
    Detector("cpu", weights=out / "weights").detect(np.zeros((60, 60, 3), np.uint8))
    report = json.loads((out / "calibration.json").read_text())
    assert list(report) == ["p", "r", "o"]
    plain, final = load_weights(out / "trained"), load_weights(out / "weights")
    head = final.rnet["dense5_1.bias"] - plain.rnet["dense5_1.bias"]
    assert head[1] - head[0] == pytest.approx(report["r"]["shift"], rel=1e-4)


def test_what_is_done_is_not_done_again(trained: tuple[Path, dict[str, dict[str, Any]]]) -> None:
    out, results = trained
    files = {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")}
    assert train(small(), out, shown=False) == results
    assert files == {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")}


def test_a_network_needs_those_before_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the weights of P-Net are needed"):
        train(small(), tmp_path, stage="r", shown=False)


def test_other_codings_of_boxes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="box_coding must be 'corner'"):
        train(dataclasses.replace(small(), box_coding="rcnn"), tmp_path, shown=False)


def table(**soft: Any) -> dict[str, Any]:
    return {"recipe": "soft", "seed": 5, "data": {"sets": [{"format": "drawn", "count": 3}]}, "soft": soft}


def test_settings_of_all_parts_are_read() -> None:
    given = table(
        proposers=["shipped", "own"],
        mining={"most_background": [9, 8]},
        r={"steps": 3, "balance": {"size": 0.1}},
        o={"objective": {"ramp": [0.1, 0.2]}, "warp": {"rotation": 30}},
    )
    soft = parse_config(given, Path()).soft
    assert soft is not None
    assert soft.proposers == ("shipped", "own")
    assert soft.mining.most_background == (9, 8)
    # What is not said of R-Net stays as it is best for R-Net.
    assert (soft.r.steps, soft.r.seed, soft.r.objective.label_of) == (3, 5, "window")
    assert (soft.r.balance.size, soft.r.balance.face) == (0.1, 0.5)
    assert (soft.o.objective.ramp, soft.o.warp.rotation) == ((0.1, 0.2), 30)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (table(proposers=[]), "proposers must name"),
        (table(proposers=["other"]), "proposers"),
        (table(q={}), "unknown setting 'q' in soft"),
        (table(r={"seed": 3}), "seed belongs at the top"),
        (table(r={"step": 3}), "unknown setting 'step' in soft.r"),
        (table(r={"objective": 3}), "soft.r.objective must be a table"),
        (table(o={"objective": {"ramp": [0.5, 0.2]}}), "soft.o.objective.ramp must rise"),
        (table(tiles={"side": 47}), "soft.tiles.side must be even"),
        ({**table(), "recipe": "paper"}, "soft is for recipe = 'soft'"),
        ({**table(), "validation": {"images": "x"}}, "validation must have"),
    ],
)
def test_what_is_not_accepted_is_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config(given, Path())


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[FaceRecord]:
    return draw_faces(tmp_path_factory.mktemp("drawn"), 10, seed=2)


def test_calibration_gives_weights_back_what_a_shift_took(records: list[FaceRecord], tmp_path: Path) -> None:
    shipped = load_weights(None)
    moved = shifted(shifted(shipped, "p", -1.0), "r", 0.5)
    found, report = calibrate(moved, shipped, records)
    wanted = report["p"]["wanted"] * len(records)
    assert wanted > 20
    proposals = len(stage_scores(found, records, "p", 0.6))
    assert abs(proposals - wanted) <= 1
    assert report["p"]["shift"] == pytest.approx(1.0, abs=0.3)
    candidates = len(stage_scores(found, records, "r", 0.7))
    assert abs(candidates - report["r"]["wanted"] * len(records)) <= 1
    # Written and read again they are the same.
    save_weights(found, tmp_path)
    assert (load_weights(tmp_path).pnet["conv4_1.bias"] == found.pnet["conv4_1.bias"]).all()


def test_calibration_of_the_first_networks_leaves_the_others(records: list[FaceRecord]) -> None:
    shipped = load_weights()
    moved = shifted(shifted(shipped, "p", -2.0), "o", -2.0)
    found, report = calibrate(moved, shipped, records, last="p")
    assert list(report) == ["p"]
    assert report["p"]["shift"] == pytest.approx(2.0, abs=0.05)
    assert found.onet is moved.onet


def test_own_networks_propose_as_many_windows_as_the_shipped_ones(
    trained: tuple[Path, dict[str, dict[str, Any]]],
) -> None:
    """P-Net scores far lower than the shipped one here, as it does where it learns from soft labels."""
    run = _Pipeline(small(), trained[0], False)
    plain = run._trained("p")
    low = shifted(plain, "p", -5.0)
    run._trained = lambda last: low  # type: ignore[method-assign]
    found, report = run._calibrated("p")
    held_out = [record for record in run._read()[1] if record.complete]
    threshold = DEFAULTS.thresholds[0]
    numbers = [len(stage_scores(weights, held_out, "p", threshold)) for weights in (load_weights(None), found)]
    assert numbers[0] > 0
    assert numbers[1] == pytest.approx(numbers[0], rel=0.05)
    assert report["p"]["wanted"] == pytest.approx(numbers[0] / len(held_out))


def test_windows_are_proposed_by_calibrated_networks(trained: tuple[Path, dict[str, dict[str, Any]]]) -> None:
    """Round 0 is proposed by the networks trained here, round 1 by the shipped ones."""
    folder, run = trained[0] / "windows", _Pipeline(small(), trained[0], False)
    assert not (folder / "r-1" / "proposers").exists()
    assert run._proposers("r", 1).sha256 == load_weights(None).sha256
    biases = {"pnet": "conv4_1.bias", "rnet": "dense5_1.bias"}
    for name, networks in (("r", ["pnet"]), ("o", ["pnet", "rnet"])):
        found = run._proposers(name, 0)  # type: ignore[arg-type]
        assert found.source == str(folder / f"{name}-0" / "proposers")
        for network in networks:
            first = load_weights_of_round(trained[0], network)
            tensors = getattr(found, network)
            shift = tensors[biases[network]] - first[biases[network]]
            assert shift[1] == pytest.approx(-shift[0])
            assert abs(shift[1]) > 0.01
            np.testing.assert_array_equal(tensors["conv1.weight"], first["conv1.weight"])


def load_weights_of_round(out: Path, network: str) -> dict[str, Any]:
    name = network[0]
    return dict(load_file(out / name / "0" / f"{name}.safetensors"))


def test_calibration_takes_numbers_that_are_asked_for(records: list[FaceRecord]) -> None:
    shipped = load_weights(None)
    found, report = calibrate(shipped, shipped, records, CalibrationOptions(proposals=3.0), workers=2)
    assert report["p"]["wanted"] == 3
    assert abs(len(stage_scores(found, records, "p", 0.6)) - 3 * len(records)) <= 1
