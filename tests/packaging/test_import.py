"""The names of the package, and that none of them costs more than it must."""

from __future__ import annotations

import importlib.util
import json
import os
import pkgutil
import subprocess
import sys

import pytest

import mtcnn_fast
from mtcnn_fast import config, detector, errors, faces

#: Packages that neither `import mtcnn_fast` nor a detection in an array may bring.
HEAVY = {"torch", "click", "tqdm", "safetensors", "PIL", "scipy", "cv2"}


def modules_after(statement: str) -> set[str]:
    """Return the modules that a fresh interpreter holds after a statement."""
    listing = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_every_public_name_is_there() -> None:
    assert mtcnn_fast.Detector is detector.Detector
    assert mtcnn_fast.DetectorConfig is config.DetectorConfig
    assert mtcnn_fast.Faces is faces.Faces
    assert mtcnn_fast.Face is faces.Face
    for name in mtcnn_fast.__all__:
        assert getattr(mtcnn_fast, name) is not None
    assert set(mtcnn_fast.__all__) <= set(dir(mtcnn_fast))


def test_every_exception_is_public() -> None:
    found = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    classes = {name for name in found if not name.startswith("_")}
    assert classes <= set(mtcnn_fast.__all__)
    for name in classes:
        assert issubclass(getattr(mtcnn_fast, name), mtcnn_fast.MtcnnFastError)


def test_ops_is_a_module_of_functions() -> None:
    statement = "import mtcnn_fast; assert callable(mtcnn_fast.ops.batched_nms)"
    assert "mtcnn_fast.ops" in modules_after(statement)


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="'mtcnn_fast' has no attribute 'Dettector'"):
        mtcnn_fast.Dettector  # noqa: B018


def test_import_brings_numpy_and_the_standard_library_alone() -> None:
    loaded = modules_after("import mtcnn_fast")
    assert not loaded & HEAVY
    assert "mtcnn_fast.detector" not in loaded
    brought = {name.partition(".")[0] for name in loaded - modules_after("import numpy")}
    assert brought - set(sys.stdlib_module_names) == {"mtcnn_fast"}


def test_detecting_in_an_array_needs_neither_torch_nor_the_command_line() -> None:
    loaded = modules_after(
        "import numpy, mtcnn_fast\n"
        "mtcnn_fast.Detector('numpy').detect(numpy.zeros((40, 40, 3), numpy.uint8))\n"
        "mtcnn_fast.available_backends()"
    )
    assert "mtcnn_fast.backends.numpy.backend" in loaded
    assert not loaded & (HEAVY - {"safetensors"})


def test_the_command_line_needs_no_torch() -> None:
    loaded = modules_after("import mtcnn_fast.cli")
    assert "click" in loaded
    assert "torch" not in loaded


def test_every_module_can_be_imported_first() -> None:
    """No module relies on another having been imported before it."""
    folder = os.path.dirname(mtcnn_fast.__file__)  # noqa: PTH120
    found = [name for _, name, _ in pkgutil.iter_modules([folder]) if not name.startswith("_")]
    if importlib.util.find_spec("torch") is None:
        found.remove("nets")  # the networks as torch modules
    assert "detector" in found
    program = f"""
import importlib, sys
for name in {found!r}:
    importlib.import_module("mtcnn_fast." + name)
    for held in [held for held in sys.modules if held.startswith("mtcnn_fast")]:
        del sys.modules[held]
print("fine")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "fine", done.stderr
