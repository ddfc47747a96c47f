"""The measurement of memory that CI makes over many detections, on numbers whose slope is known, and a short run."""

from __future__ import annotations

import runpy
import subprocess
import sys

import numpy as np
import pytest

from support.data import ROOT

SOAK = ROOT / "scripts" / "soak.py"


@pytest.fixture(scope="module")
def fit():
    return runpy.run_path(str(SOAK))["fit"]


def test_a_line_has_its_slope_and_no_error(fit):
    slope, error = fit(5e7 + 123.0 * np.arange(2007))
    assert slope == pytest.approx(123)
    assert error == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("leak", [0.0, 300.0])
def test_the_error_covers_steps_and_noise(fit, leak):
    """Memory that steps up and down by megabytes hides no leak beyond three standard errors, and feigns none."""
    generator = np.random.default_rng(1)
    inside = 0
    for _ in range(50):
        steps = np.repeat(generator.choice([0.0, 2e6], 200), 50)
        slope, error = fit(5e7 + leak * np.arange(10_000) + steps + generator.normal(0, 1e4, 10_000))
        inside += abs(slope - leak) <= 3 * error
    assert inside >= 47


def test_a_short_run_reports_its_slope(isa):
    command = [sys.executable, str(SOAK), "--detections", "100", "--largest", "60", "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.startswith("100 detections, ")
    assert " bytes a detection" in done.stdout


def test_a_leak_fails_the_run(tmp_path, isa):
    """A detector that keeps an image of every call, put in the place of the real one."""
    (tmp_path / "mtcnn_fast.py").write_text(
        "class Detector:\n"
        "    kept = []\n"
        "    def __init__(self, **settings): pass\n"
        "    def detect(self, image):\n"
        "        self.kept.append(bytearray(b'x' * 50_000))\n"
        "        return []\n"
    )
    command = [sys.executable, str(SOAK), "--detections", "600", "--most", "1000"]
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path)}, timeout=300)
    assert done.returncode == 1, done.stdout + done.stderr
