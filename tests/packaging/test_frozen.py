"""An application frozen by PyInstaller finds the weights, the native module and the readers of image formats."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import mtcnn_fast
from mtcnn_fast._native import find_native
from mtcnn_fast._pyinstaller import get_hook_dirs
from support.data import PHOTO, ROOT

PROGRAM = """
import json, sys
import mtcnn_fast
faces = [len(mtcnn_fast.Detector("numpy", min_face_size=60).detect(path)) for path in sys.argv[1:]]
print(json.dumps([faces, mtcnn_fast.Detector().backend, mtcnn_fast.__file__]))
"""


def test_the_entry_point_names_the_folder_of_the_hook():
    (folder,) = get_hook_dirs()
    assert (Path(folder) / "hook-mtcnn_fast.py").is_file()
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '[project.entry-points.pyinstaller40]\nhook-dirs = "mtcnn_fast._pyinstaller:get_hook_dirs"' in text


@pytest.mark.long
def test_a_frozen_application(tmp_path):
    pytest.importorskip("PyInstaller", reason="pyinstaller is not installed")
    (tmp_path / "app.py").write_text(PROGRAM)
    options = ["--onedir", "--noconfirm", "--log-level=ERROR", "--additional-hooks-dir", *get_hook_dirs()]
    # Found in the environment, but no part of what is tested.
    options += [f"--exclude-module={name}" for name in ("torch", "scipy", "matplotlib", "pandas", "cv2", "onnxruntime")]
    source = str(Path(mtcnn_fast.__file__).parents[1])
    command = [sys.executable, "-m", "PyInstaller", *options, "--paths", source, "app.py"]
    subprocess.run(command, cwd=tmp_path, check=True, env={**os.environ, "PYTHONPATH": source})
    picture = Image.open(PHOTO).convert("RGB").resize((256, 256))
    kinds = ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM"]
    paths = [str(tmp_path / f"face.{kind.lower()}") for kind in kinds]
    for path, kind in zip(paths, kinds, strict=True):
        picture.save(path, kind)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    program = tmp_path / "dist" / "app" / ("app.exe" if os.name == "nt" else "app")
    done = subprocess.run([program, *paths], cwd=tmp_path, env=clean, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    faces, backend, file = json.loads(done.stdout)
    assert faces == [1] * len(paths)
    assert str(tmp_path) in file
    if find_native()[0] is not None:
        assert backend == "cpu"
