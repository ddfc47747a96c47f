"""Two processes that train together, started by torchrun, against one that trains alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from mtcnn_fast.training.distributed import ProcessGroup  # noqa: E402
from support import two_processes  # noqa: E402
from support.data import ROOT  # noqa: E402

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def torchrun(*command):
    """Run a command in two processes with one thread each."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([*TORCHRUN, *map(str, command)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    out = tmp_path_factory.mktemp("two")
    torchrun(Path(two_processes.__file__), out)
    return [dict(np.load(out / f"rank-{rank}.npz")) for rank in (0, 1)], out


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    out = tmp_path_factory.mktemp("one")
    return {**two_processes.steps_by_hand(ProcessGroup()), **two_processes.whole_training(out)}, out


def test_loss_and_gradient_equal_those_of_one_process(ranks, alone):
    for found in ranks[0]:
        np.testing.assert_allclose(found["loss"], alone[0]["loss"], rtol=0, atol=1e-6)
        np.testing.assert_allclose(found["gradient"], alone[0]["gradient"], rtol=0, atol=1e-6)
    assert np.abs(alone[0]["gradient"]).max() > 0.01


def test_samples_are_neither_lost_nor_doubled(ranks, alone):
    parts = [found["indices"] for found in ranks[0]]
    assert sorted(map(len, parts)) == [3 * 18, 3 * 19]
    together = np.sort(np.concatenate(parts))
    np.testing.assert_array_equal(together, np.sort(alone[0]["indices"]))
    assert len(together) == 3 * 37


def test_a_whole_training_equals_that_of_one_process(ranks, alone):
    for found in ranks[0]:
        np.testing.assert_allclose(found["weights"], alone[0]["weights"], rtol=0, atol=1e-6)
        np.testing.assert_allclose(found["history"], alone[0]["history"], rtol=0, atol=1e-5)
    np.testing.assert_array_equal(ranks[0][0]["weights"], ranks[0][1]["weights"])


def test_one_process_writes_the_files(ranks, alone):
    for name in ("training.csv", "validation.csv"):
        one, two = ((out / name).read_text().splitlines() for out in (alone[1], ranks[1]))
        assert [line.partition(",")[0] for line in one] == [line.partition(",")[0] for line in two]
    assert sorted(path.name for path in ranks[1].glob("*.safetensors")) == ["step-00000020.safetensors"]


def test_the_command_under_torchrun(tmp_path):
    """Samples are made once, weights are written once, and both processes come to an end."""
    config = tmp_path / "config.toml"
    text = (ROOT / "configs" / "smoke.toml").read_text()
    config.write_text(text.replace("count = 120", "count = 12").replace("total = 6000", "total = 400"))
    text = config.read_text().replace("steps = 600", "steps = 10")
    config.write_text(text)
    done = torchrun("-m", "mtcnn_fast", "train", "--config", config, "--out", tmp_path / "out", "--stage", "p")
    assert done.stdout.count("weights: ") == 1
    assert [path.name for path in (tmp_path / "out" / "weights").iterdir()] == ["p.safetensors"]
