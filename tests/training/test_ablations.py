"""The ablations on made samples: what is trained, what is compared, and the tables and pictures that come of it."""

from __future__ import annotations

import csv
import dataclasses

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

import torch
from PIL import Image

from mtcnn_fast.errors import ConfigError, DataError
from mtcnn_fast.evaluation.cascade_cnn.calibration import PATTERNS, move
from mtcnn_fast.evaluation.cascade_cnn.networks import Calibration, seeded
from mtcnn_fast.evaluation.cascade_cnn.system import make_system
from mtcnn_fast.evaluation.cascade_cnn.weights import load_networks
from mtcnn_fast.evaluation.systems import SystemOptions
from mtcnn_fast.training.ablations import alignment, cascade_table, ohem
from mtcnn_fast.training.ablations.ablation_options import load_ablations
from mtcnn_fast.training.ablations.cascade_cnn import (
    CLASSIFICATION,
    StageSamples,
    measure_calibration,
    train_calibration,
    train_cascade,
    window_offsets,
)
from mtcnn_fast.training.ablations.curves import gather, write_csv
from mtcnn_fast.training.ablations.runs import measured_on
from mtcnn_fast.training.ablations.two_onets import candidates, finish, look
from mtcnn_fast.training.losses import Outputs
from mtcnn_fast.training.metrics import evaluate_network
from mtcnn_fast.training.samples import SampleBatch, SampleKind, SampleSet, shards
from mtcnn_fast.training.samples.geometry import box_targets, extents, mirrors
from mtcnn_fast.training.stage_networks import StageNetwork
from mtcnn_fast.training.train_options import TrainOptions
from support.cli import run as run_command

OPTIONS = TrainOptions(
    steps=4, batch_size=14, validate_every=2, log_every=4, augment=False, learning_rate=0.001, schedule="constant"
)


def made_samples(size, count, seed=0):
    """Faces are bright discs, negatives are noise; where the disc is tells the box and the points."""
    rng = np.random.default_rng(seed)
    kinds = np.arange(count) % 4
    images = rng.integers(0, 80, (count, size, size, 3), np.uint8)
    boxes = np.zeros((count, 4), np.float32)
    landmarks = np.zeros((count, 5, 2), np.float32)
    rows, columns = np.mgrid[:size, :size] / size
    for i, kind in enumerate(kinds):
        if kind == SampleKind.NEGATIVE:
            continue
        x, y = rng.uniform(0.4, 0.6, 2)
        images[i][np.hypot(columns - x, rows - y) < 0.35] = 200
        if kind == SampleKind.LANDMARK:
            landmarks[i] = [x, y]
        else:
            boxes[i] = np.repeat([[x - 0.5, y - 0.5]], 2, axis=0).ravel()
    return SampleSet.from_arrays(images, kinds, boxes, landmarks)


def stage_samples(size):
    return StageSamples(made_samples(size, 48), made_samples(size, 24, seed=1))


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def is_picture(path):
    with Image.open(path) as picture:
        return picture.size[0] > 300


class TestOhem:
    def test_variants_differ_in_mining_alone(self, tmp_path):
        rows = ohem.ablate_ohem(stage_samples(48), OPTIONS, (0, 1), tmp_path)
        table = read(tmp_path / "ohem.csv")
        assert is_picture(tmp_path / "ohem.png")
        assert [(row["variant"], row["seed"], row["step"]) for row in rows] == [
            (variant, seed, step)
            for seed in (0, 1)
            for variant in ("with mining", "without mining")
            for step in (0, 2, 4)
        ]
        assert len(table) == len(rows)
        assert float(table[0]["detection"]) == pytest.approx(rows[0]["detection"], rel=1e-5)
        # Before the first step the variants of a seed are one network; after it no two runs are alike.
        assert len({row["detection"] for row in rows if row["step"] == 0}) == 2
        assert len({row["detection"] for row in rows if row["step"] > 0}) == 8

    def test_all_samples_kept_is_no_mining(self, tmp_path):
        rows = ohem.ablate_ohem(stage_samples(48), OPTIONS.replace(keep=1.0), (0,), tmp_path)
        losses = gather(rows, "detection")
        np.testing.assert_array_equal(losses["with mining"].values, losses["without mining"].values)

    def test_what_is_done_is_not_done_again(self, tmp_path, monkeypatch):
        first = ohem.ablate_ohem(stage_samples(48), OPTIONS, (0,), tmp_path)
        monkeypatch.setattr("mtcnn_fast.training.steps.Stepper.step", None)
        assert ohem.ablate_ohem(stage_samples(48), OPTIONS, (0,), tmp_path) == first


class TestAlignment:
    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, tmp_path_factory):
        folder = tmp_path_factory.mktemp("alignment")
        cls.rows = alignment.ablate_alignment(stage_samples(48), OPTIONS, (0,), folder)
        return folder

    def test_third_variant_is_made_of_the_other_two(self, folder):
        assert is_picture(folder / "alignment.png")
        rows = read(folder / "alignment.csv")
        last = {row["variant"]: row for row in rows if row["step"] == "4"}
        assert list(last) == ["JA", "No JA", "No JA in BBR"]
        assert last["No JA in BBR"]["detection"] == last["JA"]["detection"] != last["No JA"]["detection"]
        assert last["No JA in BBR"]["box"] == last["No JA"]["box"] != last["JA"]["box"]
        for row in rows:
            assert float(row["both"]) == pytest.approx(float(row["detection"]) + 0.5 * float(row["box"]), rel=1e-5)

    def test_without_landmarks_their_head_is_left_alone(self):
        network = StageNetwork("o", seed=0)
        before = network.net.dense6_3.weight.detach().clone()
        from mtcnn_fast.training.loop import train_network

        samples = stage_samples(48)
        train_network(network, samples.training, None, OPTIONS.replace(alpha=(1, 0.5, 0)), None, shown=False)
        torch.testing.assert_close(network.net.dense6_3.weight, before, rtol=0, atol=0)

    def test_on_fddb(self, tmp_path):
        pytest.importorskip("scipy")
        folder = fddb_folder(tmp_path)
        alignment.ablate_alignment(stage_samples(48), OPTIONS, (0,), tmp_path, folder)
        assert is_picture(tmp_path / "alignment-fddb.png")
        rows = read(tmp_path / "alignment-fddb.csv")
        assert len(rows) == 3 * len(alignment.FALSE_POSITIVES)
        assert all(0 <= float(row["discrete"]) <= 1 for row in rows)


def fddb_folder(tmp_path):
    """One image, with its annotation."""
    from support.portrait import portrait

    (tmp_path / "folds").mkdir()
    (tmp_path / "folds" / "FDDB-fold-01-ellipseList.txt").write_text("img_1\n1\n30 20 1.5708 70 60  1\n")
    Image.fromarray(portrait()).save(tmp_path / "img_1.jpg")
    return tmp_path, tmp_path / "folds"


class TestTwoONets:
    def test_one_network_does_as_the_detector(self, weights):
        from mtcnn_fast import Detector
        from support.portrait import portrait

        image = portrait()
        detector = Detector("numpy")
        network = StageNetwork("o")
        network.load(weights)
        network.eval()
        boxes = candidates(detector, image)
        said = look(network, image, boxes)
        found = finish(boxes, said, said, "corner")
        expected = detector.detect(image)
        assert len(expected) > 0
        kept = found.scores > 0.7
        np.testing.assert_allclose(found.boxes[kept], expected.boxes, atol=1e-2)
        np.testing.assert_allclose(found.scores[kept], expected.scores, atol=1e-4)

    def test_without_candidates(self):
        boxes = np.empty((0, 4), np.float32)
        said = look(StageNetwork("o"), np.zeros((20, 20, 3), np.uint8), boxes)
        assert [tuple(part.shape) for part in said] == [(0, 2), (0, 4), (0, 10)]
        assert len(finish(boxes, said, said, "corner")) == 0

    def test_scores_of_one_boxes_of_the_other(self):
        boxes = np.float32([[10, 10, 19, 19], [50, 50, 69, 69]])
        judge = Outputs(torch.tensor([[0.0, 0.0], [0.0, 3.0]]), torch.ones(2, 4), None)
        regressor = Outputs(torch.tensor([[9.0, 0.0], [9.0, 0.0]]), torch.full((2, 4), 0.1), None)
        found = finish(boxes, judge, regressor, "corner")
        np.testing.assert_allclose(found.scores, [1 / (1 + np.exp(-3)), 0.5], rtol=1e-6)
        np.testing.assert_allclose(found.boxes, [[52, 52, 71, 71], [11, 11, 20, 20]], rtol=1e-6)

    def test_a_regressor_needs_boxes(self):
        said = Outputs(torch.zeros(1, 2), None, None)
        with pytest.raises(ValueError, match="head"):
            finish(np.zeros((1, 4), np.float32), said, said, "corner")


class TestNetworks:
    def test_table(self, tmp_path, monkeypatch):
        monkeypatch.setattr(cascade_table, "PASSES", 2)
        samples = {stage: stage_samples(size) for stage, size in (("p", 12), ("r", 24))}
        rows = cascade_table.ablate_networks(samples, dict.fromkeys(samples, OPTIONS), (0, 1), tmp_path)
        assert [row["network"] for row in rows] == ["12-Net", "P-Net"] * 2 + ["24-Net", "R-Net"] * 2
        assert all(row["seconds"] > 0 and 0 <= row["accuracy"] <= 1 for row in rows)
        # P- and R-Net as the detector runs them have 6,632 and 100,178 parameters.
        assert {row["network"]: row["parameters"] for row in rows}["P-Net"] == 6632
        assert {row["network"]: row["parameters"] for row in rows}["R-Net"] == 100178
        assert is_picture(tmp_path / "networks.png")
        assert (tmp_path / "networks.md").read_text().count("\n") == 6
        assert len(read(tmp_path / "networks.csv")) == 8

    def test_all_six_can_be_made(self):
        for stage, names in cascade_table.PAIRS.items():
            size = {"p": 12, "r": 24, "o": 48}[stage]
            for name in names:
                images = torch.zeros(1, 3, size, size)
                network = cascade_table.make_network(name, 3)
                assert network(images)[0].shape == (1, 2)
                for one, other in zip(
                    network.parameters(), cascade_table.make_network(name, 3).parameters(), strict=True
                ):
                    torch.testing.assert_close(one, other, rtol=0, atol=0)

    def test_threads_are_given_back(self):
        before = torch.get_num_threads()
        cascade_table.time_passes({"12-Net": cascade_table.make_network("12-Net", 0)}, 12, repeats=1)
        assert torch.get_num_threads() == before


class TestCascadeTraining:
    @pytest.mark.parametrize("stage", ["p", "r", "o"])
    def test_offsets_are_those_from_what_the_window_shows(self, stage):
        corners = np.float32([[11, 21, 58, 68], [5, 7, 100, 102]])
        shown = extents(corners)
        # A face each pattern would move the window onto.
        for pattern in PATTERNS[::7]:
            faces = move(shown.astype(np.float32), np.repeat(pattern[None], 2, axis=0)).astype(np.float64)
            size = {"p": 12, "r": 24, "o": 48}[stage]
            batch = SampleBatch(
                np.zeros((2, size, size, 3), np.uint8),
                np.ones(2, np.int8),
                box_targets(stage, corners, faces),
                np.zeros((2, 5, 2), np.float32),
                mirrors(stage, corners),
            )
            side = (shown[:, 2] - shown[:, 0])[:, None]
            np.testing.assert_allclose(window_offsets(batch), (faces - shown) / side, atol=1e-5)

    def test_a_calibration_learns(self):
        samples = made_samples(12, 256)
        network = seeded(lambda: Calibration(12), 0)
        before = measure_calibration(network, samples)
        train_calibration(network, samples, OPTIONS.replace(steps=150, batch_size=64, learning_rate=0.003))
        after = measure_calibration(network, samples)
        assert before["loss"] == pytest.approx(np.log(45), rel=0.2)
        assert after["loss"] < 0.6 * before["loss"]
        assert after["accuracy"] > 0.3

    def test_a_calibration_that_learns_by_heart_keeps_its_best(self):
        samples = made_samples(12, 64)
        batch = samples.take(np.arange(64))
        # Faces lie the other way than the images show: the surer it is, the worse.
        others = SampleSet.from_arrays(batch.images, batch.kinds, -batch.boxes, batch.landmarks)
        options, losses = OPTIONS.replace(steps=60, validate_every=10, learning_rate=0.01), {}
        for name, validation in (("last", None), ("best", others)):
            network = seeded(lambda: Calibration(12), 0)
            train_calibration(network, samples, options, validation)
            assert not network.training
            losses[name] = measure_calibration(network, others)["loss"]
        assert losses["best"] < losses["last"] - 0.3

    def test_a_calibration_needs_parts(self):
        samples = made_samples(12, 16)
        without = samples.subset(np.flatnonzero(samples.kinds != SampleKind.PART))
        with pytest.raises(ConfigError, match="PART"):
            train_calibration(Calibration(12), without, OPTIONS)

    def test_all_six(self, tmp_path):
        samples = {size: stage_samples(size) for size in (12, 24, 48)}
        quick = OPTIONS.replace(steps=2, batch_size=8)
        figures = train_cascade(samples, dict.fromkeys(samples, quick), tmp_path)
        assert list(figures) == [f"{size}{kind}" for size in samples for kind in ("-net", "-calibration-net")]
        assert all(np.isfinite(list(found.values())).all() for found in figures.values())
        system = make_system(SystemOptions(cascadecnn=str(tmp_path)))
        found, _ = system.find(np.zeros((40, 40, 3), np.uint8), "x")
        assert found.boxes.shape[1] == 4

    @pytest.mark.parametrize("select", ["best", "last"])
    def test_the_figures_are_those_of_the_weights_that_are_kept(self, tmp_path, select):
        samples = {size: stage_samples(size) for size in (12, 24, 48)}
        # So fast that it only gets worse.
        wild = OPTIONS.replace(steps=2, batch_size=8, validate_every=1, learning_rate=3.0, select=select)
        figures = train_cascade(samples, dict.fromkeys(samples, wild), tmp_path)
        kept = load_networks(tmp_path).classifiers[12]
        found = evaluate_network(kept, samples[12].validation, wild.replace(**CLASSIFICATION))
        assert figures["12-net"] == pytest.approx({"loss": found["detection"], "accuracy": found["accuracy"]}, rel=1e-4)
        history = list(csv.DictReader((tmp_path / "12-net" / "validation.csv").read_text().splitlines()))
        assert (float(history[-1]["loss"]) > 2 * found["loss"]) == (select == "best")

    def test_samples_of_another_size(self, tmp_path):
        samples = dict.fromkeys((12, 24, 48), stage_samples(12))
        with pytest.raises(ConfigError, match="24-net must be of 24 pixels, got 12"):
            train_cascade(samples, dict.fromkeys(samples, OPTIONS.replace(steps=1)), tmp_path)


class TestCurves:
    def test_gather(self):
        rows = [{"variant": v, "seed": s, "step": k, "loss": 10 * s + k} for v in "ab" for s in (0, 1) for k in (5, 9)]
        curves = gather(rows, "loss")
        assert list(curves) == ["a", "b"]
        assert curves["a"].steps.tolist() == [5, 9]
        assert curves["b"].values.tolist() == [[5, 9], [15, 19]]
        with pytest.raises(DataError, match="'b' must have values after the same steps"):
            gather(rows[:-1], "loss")

    def test_csv(self, tmp_path):
        write_csv(tmp_path / "x.csv", [{"name": "a", "value": 1 / 3}, {"name": "b", "value": 2}])
        assert (tmp_path / "x.csv").read_text() == "name,value\na,0.333333\nb,2\n"


class TestConfig:
    def config(self, tmp_path, text):
        (tmp_path / "ablations.toml").write_text(text)
        return load_ablations(tmp_path / "ablations.toml")

    def test_settings(self, tmp_path):
        config = self.config(
            tmp_path,
            'samples = "made"\nseeds = [3, 4]\nmeasured = 50\n'
            '[fddb]\nimages = "a"\nannotation = "b"\n'
            "[ohem]\nsteps = 7\n[networks]\nsteps = 9\nbatch_size = 5\n[networks.o]\nsteps = 3\n",
        )
        assert (config.samples, config.seeds, config.measured) == (tmp_path / "made", (3, 4), 50)
        assert config.fddb == (tmp_path / "a", tmp_path / "b")
        assert config.budgets["ohem"]["o"].steps == 7
        networks = config.budgets["networks"]
        assert [(networks[stage].steps, networks[stage].batch_size) for stage in "pro"] == [(9, 5), (9, 5), (3, 5)]

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("samples = 1", "samples must be a path, got 1"),
            ("sample = 'x'", "unknown setting 'sample'"),
            ("seeds = [1, 1]", "seeds must be one or more different"),
            ("seeds = []", "seeds must be one or more"),
            ("measured = 0", "measured must be"),
            ("[ohem]\nstep = 1", "unknown setting 'step' in ohem"),
            ("[networks.o]\nsteps = 0", "networks.o.steps must be"),
            ("[fddb]\nimages = 'a'", "fddb.annotation must be a path"),
        ],
    )
    def test_settings_that_are_not_accepted(self, tmp_path, text, problem):
        with pytest.raises(ConfigError, match=problem) as caught:
            self.config(tmp_path, text)
        assert "ablations.toml" in str(caught.value)

    def test_samples_must_be_there(self, tmp_path):
        with pytest.raises(DataError, match="mtcnn-fast train makes them"):
            self.config(tmp_path, "samples = 'made'").stage("o")

    def test_fewer_are_measured_on(self):
        fewer = measured_on(stage_samples(12), 4)
        assert fewer.validation.counts == dict.fromkeys(SampleKind, 4)
        assert len(fewer.training) == 48
        assert dataclasses.asdict(measured_on(fewer, 9))["validation"].counts == fewer.validation.counts


def store(samples, folder):
    """Write a set as `make_samples` does."""
    plan = {"made": "by a test"}
    arrays = dict(zip(shards.ARRAYS, samples.take(np.arange(len(samples))), strict=True))
    shards.begin_set(folder, plan)
    shards.write_shard(shards.shard_path(folder, "samples", 0), arrays, shards.plan_hash(plan))
    shards.finish_set(folder, plan, 1)


class TestCommands:
    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, tmp_path_factory):
        """Samples on disk, as the training leaves them, and settings for one quick step."""
        folder = tmp_path_factory.mktemp("ablate")
        for stage, size in (("p", 12), ("r", 24), ("o", 48)):
            made = stage_samples(size)
            store(made.training, folder / "samples" / stage / "training")
            store(made.validation, folder / "samples" / stage / "validation")
        budget = "steps = 1\nbatch_size = 7\n"
        tables = "".join(f"[{name}]\n{budget}" for name in ("ohem", "alignment", "networks", "cascadecnn"))
        (folder / "ablations.toml").write_text(f"samples = 'samples'\nseeds = [5]\nmeasured = 4\n{tables}")
        return folder

    def ablate(self, folder, name, *arguments, ending=0):
        command = ["ablate", name, "--config", str(folder / "ablations.toml"), "--out", str(folder / name)]
        return run_command(*command, *arguments, ending=ending)

    def test_ohem(self, folder):
        self.ablate(folder, "ohem")
        assert {row["seed"] for row in read(folder / "ohem" / "ohem.csv")} == {"5"}
        assert is_picture(folder / "ohem" / "ohem.png")

    def test_alignment(self, folder):
        self.ablate(folder, "alignment", "--samples", folder / "samples")
        rows = read(folder / "alignment" / "alignment.csv")
        assert [(row["variant"], row["step"]) for row in rows] == [
            (variant, step) for variant in alignment.VARIANTS for step in ("0", "1")
        ]
        assert not (folder / "alignment" / "alignment-fddb.csv").exists()

    def test_networks(self, folder, monkeypatch):
        monkeypatch.setattr(cascade_table, "PASSES", 1)
        said = self.ablate(folder, "networks").stdout
        assert said.splitlines()[0].startswith("| network | parameters |")
        assert [line.split(" ")[1] for line in said.splitlines()[2:]] == list(cascade_table.PUBLISHED)

    def test_cascade_cnn(self, folder):
        said = self.ablate(folder, "cascadecnn").stdout
        assert "48-calibration-net" in said
        assert load_networks(folder / "cascadecnn").sha256 is not None

    def test_missing_samples(self, folder):
        result = self.ablate(folder, "ohem", "--samples", folder / "nowhere", ending=1)
        assert "there are no samples here: mtcnn-fast train makes them" in " ".join(result.output.split())

    @pytest.mark.parametrize("name", ["ohem", "alignment", "networks", "cascadecnn"])
    def test_help_has_examples(self, name):
        text = run_command("ablate", name, "--help").stdout
        assert f"mtcnn-fast ablate {name}" in " ".join(text.split())
