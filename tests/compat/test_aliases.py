"""Other packages' names for the modules of `mtcnn_fast.compat`, each test in an interpreter of its own."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

HAS_TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not HAS_TORCH, reason="torch is not installed")


def run(program: str, *paths: Path) -> str:
    """Run a program in a fresh interpreter, with folders first on the path, and return what it prints."""
    start = f"import sys; sys.path[:0] = {[str(path) for path in paths]!r}\n"
    done = subprocess.run([sys.executable, "-c", start + program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def module(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mtcnn_fast.compat", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder with packages of the same names that are not this one's."""
    for name in ("mtcnn", "facenet_pytorch"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("real = True\n")
    return tmp_path


def test_modules_of_mtcnn() -> None:
    program = """
import mtcnn_fast.compat as compat
compat.install("mtcnn")
import mtcnn, mtcnn.mtcnn
from mtcnn.exceptions import InvalidImage
from mtcnn.stages import StagePNet
from mtcnn.utils.images import load_image
from mtcnn.utils.plotting import plot
import mtcnn_fast.compat.mtcnn.mtcnn as ours
assert mtcnn.MTCNN is ours.MTCNN
assert mtcnn.mtcnn is ours
assert mtcnn.utils.images.load_image is load_image
assert "facenet_pytorch" not in sys.modules and "torch" not in sys.modules
print("fine")
"""
    assert run(program) == "fine"


@needs_torch
def test_modules_of_facenet_pytorch() -> None:
    program = """
import mtcnn_fast.compat as compat
compat.install("facenet_pytorch")
from facenet_pytorch import (
    MTCNN, InceptionResnetV1, ONet, PNet, RNet, extract_face, fixed_image_standardization, prewhiten, training
)
import facenet_pytorch.models.mtcnn
from facenet_pytorch.models.utils.detect_face import crop_resize, detect_face, get_size, imresample, save_img
from facenet_pytorch.models.utils import training as same
from facenet_pytorch.models.inception_resnet_v1 import get_torch_home
assert facenet_pytorch.models.mtcnn.MTCNN is MTCNN and training is same
assert facenet_pytorch.models.mtcnn.extract_face is extract_face
print("fine")
"""
    assert run(program) == "fine"


def test_an_alias_can_be_looked_for_without_being_imported() -> None:
    program = """
import importlib.util
import mtcnn_fast.compat as compat
compat.install()
assert importlib.util.find_spec("mtcnn") and importlib.util.find_spec("facenet_pytorch")
assert "torch" not in sys.modules
try:
    import mtcnn.nothing
except ModuleNotFoundError as error:
    print(error)
"""
    assert run(program) == "No module named 'mtcnn.nothing'"


def test_an_installed_package_gives_way(elsewhere: Path) -> None:
    program = """
import mtcnn_fast.compat as compat
compat.install("mtcnn"); compat.install("mtcnn")
import mtcnn
compat.install("mtcnn")
import facenet_pytorch
finders = sum(finder is compat.aliases._ALIASES for finder in sys.meta_path)
print(hasattr(mtcnn, "real"), hasattr(facenet_pytorch, "real"), finders)
"""
    assert run(program, elsewhere) == "False True 1"


def test_an_imported_package_is_refused(elsewhere: Path) -> None:
    program = """
import mtcnn
import mtcnn_fast.compat as compat
try:
    compat.install("facenet_pytorch", "mtcnn")
except compat.aliases.ConfigError as error:
    print(error)
import facenet_pytorch
assert facenet_pytorch.real
"""
    message = run(program, elsewhere)
    assert message.startswith("'mtcnn' is imported already, from ")
    assert str(elsewhere) in message
    assert message.endswith("call mtcnn_fast.compat.install('mtcnn') before it is")


def test_an_unknown_package_is_refused() -> None:
    program = """
import mtcnn_fast.compat as compat
try:
    compat.install("dlib")
except ValueError as error:
    print(error)
"""
    assert run(program) == "packages must be among 'facenet_pytorch', 'mtcnn', got 'dlib'"


@pytest.mark.skipif(HAS_TORCH, reason="torch is installed")
def test_facenet_pytorch_without_torch() -> None:
    program = """
import mtcnn_fast.compat as compat
compat.install()
try:
    import facenet_pytorch
except ModuleNotFoundError as error:
    print(error.name, error)
"""
    expected = "torch the stand-in for facenet-pytorch needs torch: pip install 'mtcnn-fast[torch]'"
    assert run(program) == expected


def test_a_script_runs_unchanged(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("value = 7\n")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, beside\nfrom mtcnn import MTCNN\n"
        "if __name__ == '__main__':\n    print(MTCNN.__module__, sys.argv[1:], beside.value)\n    sys.exit(5)\n"
    )
    done = module("script.py", "--option", "x", folder=tmp_path)
    assert (done.returncode, done.stderr) == (5, "")
    assert done.stdout.strip() == "mtcnn_fast.compat.mtcnn.mtcnn ['--option', 'x'] 7"


def test_a_module_runs_unchanged(tmp_path: Path) -> None:
    (tmp_path / "tool.py").write_text("import sys, mtcnn\nprint(mtcnn.__name__, sys.argv[1:], __name__)\n")
    done = module("-m", "tool", "a", folder=tmp_path)
    assert done.stdout.strip() == "mtcnn_fast.compat.mtcnn ['a'] __main__", done.stderr


def test_help_and_mistakes(tmp_path: Path) -> None:
    done = module("--help", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: python -m mtcnn_fast.compat script.py")
    for arguments, message in (((), "usage"), (("-m",), "usage"), (("-x",), "usage"), (("no.py",), "no file 'no.py'")):
        done = module(*arguments, folder=tmp_path)
        assert done.returncode == 1
        assert message in done.stderr
