"""Other projects' programs, unchanged, on the stand-ins: their own tests from their repositories, run by
``python -m mtcnn_fast.compat``; and deepface as users call it.

    git clone https://github.com/ipazc/mtcnn clients/mtcnn
    git clone https://github.com/serengil/deepface clients/deepface
    pip install --no-deps deepface==0.0.103
    pip install pandas opencv-python-headless requests gdown tqdm onnxruntime werkzeug lightphe
    MTCNN_FAST_CLIENTS=clients pytest tests/compat/test_clients.py
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mtcnn_fast
from support.data import PHOTO

SUPPORT = Path(__file__).parents[1] / "support"
PACKAGE = Path(mtcnn_fast.__file__).parents[1]

pytestmark = pytest.mark.slow


def repository(name: str) -> Path:
    """Return the clone of a project's repository, or skip, saying where it should be."""
    folder = Path(os.environ.get("MTCNN_FAST_CLIENTS") or "clients").resolve() / name
    if not folder.exists():
        pytest.skip(f"no {folder}: clone the repository, and set MTCNN_FAST_CLIENTS to the folder of the clones")
    return folder


def need(*modules: str) -> None:
    for name in modules:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"no {name}: see the head of this file for what to install")


def run(*arguments: str, folder: Path, **environment: str) -> str:
    """Run a program on the stand-ins and return what it prints."""
    paths = os.pathsep.join([str(PACKAGE), str(SUPPORT)])
    done = subprocess.run(
        [sys.executable, "-m", "mtcnn_fast.compat", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def failures(output: str) -> set[str]:
    """Return the names of the tests that failed, after making sure that tests have run."""
    assert re.search(r"\d+ passed", output), output
    return set(re.findall(r"^(?:FAILED|ERROR) \S+?::(\S+)", output, re.MULTILINE))


def test_the_tests_of_mtcnn() -> None:
    output = run("-m", "pytest", "tests", "-q", "-p", "no:cacheprovider", folder=repository("mtcnn"))
    # Both count two rows in a photograph of one person. This package finds one face there.
    assert failures(output) == {
        "test_detect_faces_output_types_and_formats[numpy-xywh]",
        "test_detect_faces_output_types_and_formats[numpy-xyxy]",
    }


#: Tests of deepface that need another detector, whose model is downloaded.
OTHERS = {"test_facial_coordinates_are_in_borders", "test_batch_ndarray_inputs"}

#: Tests in which its backend fastmtcnn hands float64 to OpenCV's cvtColor, which refuses it, before any detection.
FLOAT64 = {
    "test_backends_for_enforced_detection_with_non_facial_inputs",
    "test_backends_for_not_enforced_detection_with_non_facial_inputs",
}


@pytest.mark.parametrize(
    ("backend", "expected"),
    [("mtcnn", OTHERS), pytest.param("fastmtcnn", OTHERS | FLOAT64, marks=pytest.mark.torch)],
)
def test_the_face_extraction_of_deepface(backend: str, expected: set[str]) -> None:
    need("deepface", "cv2", *(["torch"] if backend == "fastmtcnn" else []))
    folder = repository("deepface") / "tests" / "unit"
    arguments = "-m", "pytest", "test_extract_faces.py", "-q", "-p", "no:cacheprovider", "-p", "only_detectors"
    output = run(*arguments, folder=folder, DETECTORS=backend)
    assert failures(output) == expected


@pytest.mark.parametrize("backend", ["mtcnn", pytest.param("fastmtcnn", marks=pytest.mark.torch)])
def test_deepface_finds_the_face(backend: str, tmp_path: Path) -> None:
    need("deepface", "cv2", *(["torch"] if backend == "fastmtcnn" else []))
    script = tmp_path / "script.py"
    script.write_text(
        "from deepface import DeepFace\n"
        f"(face,) = DeepFace.extract_faces({str(PHOTO)!r}, detector_backend={backend!r})\n"
        "area = face['facial_area']\n"
        "assert 170 < area['x'] < 190 and 50 < area['y'] < 70, area\n"
        "assert area['left_eye'][0] > area['right_eye'][0], area\n"
        "assert type(face['confidence']) is float\n"
        "print('one face')\n"
    )
    assert run("script.py", folder=tmp_path).endswith("one face\n")
