"""Modules and classes under the names that they had in version 0.1."""

import importlib
import importlib.util
import pickle
from pathlib import Path

import numpy as np
import pytest

from mtcnn_fast import DetectorConfig
from mtcnn_fast._moved import MOVED
from mtcnn_fast.evaluation import Detections
from mtcnn_fast.faces import Face, Faces
from mtcnn_fast.faces.trace import StageTrace
from support.data import PHOTO

DATA = Path(__file__).parents[1] / "data"

#: Public names of version 0.1 and the modules that had them.
NAMES = {
    "alignment": ["align_faces"],
    "backends.stages": ["STAGES", "STEPS", "REASONS", "Dropped", "StageTrace"],
    "backends.torch_ops": ["Candidates", "Capacities", "DeviceOps", "FacesTensor"],
    "drawing": ["BOX_COLOR", "draw_faces"],
    "evaluation": ["read_fddb", "read_landmarks", "read_widerface"],
    "evaluation.records": ["Detections"],
    "face": ["Face"],
    "faces": ["Face", "Faces"],
    "images": ["Color", "Layout", "load_image", "split_batch"],
    "processors": ["usable_processors"],
    "training": ["StageNetwork", "TrainOptions", "load_config", "train", "train_network"],
    "training.data": ["FaceRecord", "present", "read_celeba", "read_fddb", "read_widerface", "split"],
    "training.samples": ["Batch", "SampleSet", "make_samples"],
}


def _importable(name: str) -> bool:
    return not name.startswith(("backends.torch", "training", "evaluation.cascade")) or _has_torch()


def _has_torch() -> bool:
    return importlib.util.find_spec("torch") is not None


@pytest.mark.parametrize("earlier", sorted(MOVED))
def test_an_earlier_name_is_the_present_module(earlier: str) -> None:
    if not _importable(MOVED[earlier]):
        pytest.skip("torch is not installed")
    present = importlib.import_module(f"mtcnn_fast.{MOVED[earlier]}")
    assert importlib.import_module(f"mtcnn_fast.{earlier}") is present


@pytest.mark.parametrize("module", sorted(NAMES))
def test_an_earlier_module_has_its_names(module: str) -> None:
    if not _importable(MOVED.get(module, module)):
        pytest.skip("torch is not installed")
    found = importlib.import_module(f"mtcnn_fast.{module}")
    assert [name for name in NAMES[module] if not hasattr(found, name)] == []


def test_a_name_that_never_was_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"mtcnn_fast\.nothing"):
        importlib.import_module("mtcnn_fast.nothing")


def test_pickles_of_version_0_1_0_load() -> None:
    """The file was written by version 0.1.0 and numpy 2."""
    if np.lib.NumpyVersion(np.__version__) < "1.26.1":
        pytest.skip("this numpy reads no pickles of numpy 2")
    stored = pickle.loads((DATA / "pickles" / "0.1.0.pickle").read_bytes())
    assert isinstance(stored["faces"], Faces)
    assert isinstance(stored["face"], Face)
    assert isinstance(stored["detections"], Detections)
    assert stored["face"] == stored["faces"][0]
    assert [type(step) for step in stored["trace"]] == [StageTrace, StageTrace]
    assert stored["config"] == DetectorConfig(min_face_size=33)
    # It is on numpy, whose products round as its BLAS does on this processor.
    np.testing.assert_allclose(stored["detector"].detect(PHOTO).boxes, stored["faces"].boxes, rtol=0, atol=1e-3)
