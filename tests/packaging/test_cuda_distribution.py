"""The kernels of the distribution mtcnn-fast-cuda: found beside the package, and refused in another version."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

import mtcnn_fast
from support.commands import run
from support.data import ROOT

FINDS = """
import importlib.abc, json, sys

class NoOwnKernels(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "mtcnn_fast._cuda":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NoOwnKernels())
sys.path[:0] = sys.argv[1:]
from mtcnn_fast import Detector
from mtcnn_fast.backends.cuda.devices import cuda_module
from mtcnn_fast.errors import BackendUnavailableError

module, problem = cuda_module()
try:
    Detector("cuda")
    refused = ""
except BackendUnavailableError as error:
    refused = str(error)
print(json.dumps([getattr(module, "__name__", None), problem, refused, module is not None and module.status()]))
"""


def find(folder: Path) -> tuple[str | None, str, str, object]:
    """Look for the kernels in an interpreter of their own, where the package has none itself."""
    package = Path(mtcnn_fast.__file__).parents[1]
    name, problem, refused, status = json.loads(run(sys.executable, "-c", FINDS, folder, package, cwd=folder))
    return name, problem, refused, status


def distribution(folder: Path, version: str, module: Path | None = None) -> Path:
    """Make what an installed mtcnn-fast-cuda is: the real package, a version and perhaps the module."""
    package = folder / "mtcnn_fast_cuda"
    shutil.copytree(
        ROOT / "packages/cuda/mtcnn_fast_cuda", package, ignore=shutil.ignore_patterns("*.so", "__pycache__")
    )
    (package / "_version.py").write_text(f"__version__ = {version!r}\n")
    if module is not None:
        (package / module.name).symlink_to(module)
    return folder


def test_without_it_the_remedy_is_named(tmp_path: Path) -> None:
    name, problem, refused, _ = find(tmp_path)
    assert name is None
    assert "pip install 'mtcnn-fast[cuda]'" in problem
    assert problem in refused


def test_another_version_is_named_and_not_loaded(tmp_path: Path) -> None:
    name, problem, refused, _ = find(distribution(tmp_path, "0.0.7"))
    own = mtcnn_fast.__version__
    assert name is None
    assert f"mtcnn-fast-cuda 0.0.7, which does not fit mtcnn-fast {own}" in problem
    assert f"pip install mtcnn-fast-cuda=={own}" in problem
    assert problem in refused


def test_a_module_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    folder = distribution(tmp_path, mtcnn_fast.__version__)
    (folder / "mtcnn_fast_cuda/_cuda.py").write_text("raise ImportError('undefined symbol: nothing')\n")
    name, problem, refused, _ = find(folder)
    assert (name, problem) == (
        None,
        "the CUDA kernels (mtcnn_fast_cuda._cuda) cannot be loaded (undefined symbol: nothing)",
    )
    assert problem in refused


def test_the_kernels_are_used(tmp_path: Path) -> None:
    built = sorted(Path(mtcnn_fast.__file__).parent.glob("_cuda.*.so"))
    if not built:
        pytest.skip("this installation has no CUDA module to put into a distribution (make dev MTCNN_FAST_CUDA=on)")
    name, problem, _, status = find(distribution(tmp_path, mtcnn_fast.__version__, built[0]))
    assert (name, problem) == ("mtcnn_fast_cuda._cuda", "")
    assert isinstance(status, dict)
    assert set(status) >= {"devices", "problem"}
