"""Wheels to look into, and clean environments to install them in."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.commands import run
from support.data import ROOT


def build_wheel(folder: Path, **environment: str) -> Path:
    # A build folder of its own, since another process may be building too.
    options = ["--quiet", "--no-deps", "--wheel-dir", folder, f"--config-settings=build-dir={folder / 'build'}"]
    run(sys.executable, "-m", "pip", "wheel", *options, ROOT, cwd=folder, **environment)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def native_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel named by ``MTCNN_FAST_WHEEL``, such as one about to be released, or one built here."""
    given = os.environ.get("MTCNN_FAST_WHEEL")
    if given:
        return Path(given).resolve()
    compiler = os.environ.get("CXX", "c++")
    if shutil.which(compiler) is None:
        pytest.skip(f"no C++ compiler: {compiler!r} is not on PATH")
    return build_wheel(tmp_path_factory.mktemp("native"))


@pytest.fixture(scope="session")
def pure_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built without native code."""
    return build_wheel(tmp_path_factory.mktemp("pure"), MTCNN_FAST_NATIVE="off")


@pytest.fixture(scope="session")
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Make an environment that holds a wheel and what it requires; return the folder of its programs."""

    def make(wheel: Path) -> Path:
        folder = tmp_path_factory.mktemp("environment")
        run(sys.executable, "-m", "venv", folder, cwd=folder)
        programs = folder / ("Scripts" if os.name == "nt" else "bin")
        run(programs / "python", "-m", "pip", "install", "--quiet", wheel, cwd=folder)
        return programs

    return make
