"""The faces of many images, and the people they show."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast import Detector, Faces, ImageError
from mtcnn_fast.recognition import Embedder, FaceIndex, similarity
from support.embedding_models import Session
from support.portrait import QUICK, portrait

#: Two people for a model that knows colors only.
ONE, OTHER = portrait(), np.ascontiguousarray(portrait()[..., ::-1])


@pytest.fixture
def detector() -> Detector:
    return Detector("numpy", **QUICK)


@pytest.fixture
def folder(tmp_path: Path) -> list[Path]:
    brighter = np.clip(ONE.astype(int) + 4, 0, 255).astype(np.uint8)
    images = {"a": ONE, "b": OTHER, "c": np.zeros((60, 60, 3), np.uint8), "d": brighter, "e": np.hstack([ONE, OTHER])}
    for name, image in images.items():
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    return sorted(tmp_path.iterdir())


def test_the_people_in_a_folder(folder: list[Path], detector: Detector) -> None:
    pytest.importorskip("scipy", reason="scipy is not installed")
    index = FaceIndex(Embedder(Session()))
    index.add_images(folder, detector)
    assert len(index) == 5
    assert index.embeddings.shape == (5, 48)
    names = [Path(sighting.image).stem for sighting in index.sightings]
    assert names == ["a", "b", "d", "e", "e"]
    people = index.people(0.97)
    assert [[Path(sighting.image).stem for sighting in person] for person in people] == [["a", "d", "e"], ["b", "e"]]
    assert index.people(0.97, min_size=3) == people[:1]
    # A sighting names a face of its image.
    last = people[1][-1]
    found = detector.detect(folder[4])
    assert found[last.index] == last.face
    alike = similarity(index.embeddings, index.embeddings[0])
    assert alike[0] == pytest.approx(1)
    assert alike[2] > 0.97 > alike[1]


def test_nothing_is_added_by_an_image_without_faces() -> None:
    index = FaceIndex(Embedder(Session()))
    index.add("blank", np.zeros((50, 50, 3), np.uint8), Faces.empty((50, 50)))
    assert (len(index), index.embeddings.shape, index.sightings) == (0, (0, 48), [])
    pytest.importorskip("scipy", reason="scipy is not installed")
    assert index.people(0.5) == []


def test_a_file_that_cannot_be_read(folder: list[Path], detector: Detector, tmp_path: Path) -> None:
    index = FaceIndex(Embedder(Session()))
    with pytest.raises(ImageError, match="missing"):
        index.add_images([tmp_path / "missing.png"], detector)
    assert len(index) == 0


def test_a_model_that_fails_adds_nothing(detector: Detector) -> None:
    index = FaceIndex(Embedder(Session(output=RuntimeError("broken"))))
    with pytest.raises(RuntimeError, match="broken"):
        index.add("a", ONE, detector.detect(ONE))
    assert (len(index), len(index.embeddings)) == (0, 0)
