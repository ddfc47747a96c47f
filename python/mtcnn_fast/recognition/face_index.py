"""`FaceIndex`: the faces of many images, and the people they show."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from mtcnn_fast._types import Floats
from mtcnn_fast.detector import Detector
from mtcnn_fast.faces import Face, Faces
from mtcnn_fast.images import load_image
from mtcnn_fast.recognition.embedder import Embedder
from mtcnn_fast.recognition.embeddings import cluster


@dataclasses.dataclass(frozen=True, slots=True)
class Sighting:
    """A face in one of the images.

    Attributes
    ----------
    image : str
        Name of the image.
    index : int
        Place of the face in its `Faces`, from 0.
    face : Face
    """

    image: str
    index: int
    face: Face


class FaceIndex:
    """Embeddings of the faces of many images. No image is held.

    Parameters
    ----------
    embedder : Embedder

    Examples
    --------
    >>> index = FaceIndex(Embedder("model.onnx"))
    >>> index.add_images(["a.jpg", "b.jpg"])
    >>> for person in index.people(threshold=0.4):
    ...     print([sighting.image for sighting in person])
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._sightings: list[Sighting] = []
        self._embeddings: list[Floats] = []

    def __len__(self) -> int:
        return len(self._sightings)

    @property
    def sightings(self) -> list[Sighting]:
        """The faces in the order in which they were added."""
        return list(self._sightings)

    @property
    def embeddings(self) -> Floats:
        """Embeddings ``(N, D)`` float32 of the faces in their order, of length 1."""
        if not self._embeddings:
            return np.empty((0, self._embedder.dimensions or 0), np.float32)
        return np.concatenate(self._embeddings)

    def add(self, name: str, image: Any, faces: Faces) -> None:
        """Add the faces of one image.

        Parameters
        ----------
        name : str
            What sightings call the image.
        image : str, Path, PIL image, array or None
            The image that the faces were found in; None takes the kept one.
        faces : Faces

        Raises
        ------
        ImageError, ConfigError, BackendError
            As for `Embedder.embed`; nothing is added then.
        """
        if not len(faces):
            return
        self._embeddings.append(self._embedder.embed(image, faces))
        self._sightings += [Sighting(name, i, face) for i, face in enumerate(faces)]

    def add_images(self, paths: Iterable[str | os.PathLike[str]], detector: Detector | None = None) -> None:
        """Find and add the faces of image files.

        Parameters
        ----------
        paths : iterable of path-like or str
        detector : Detector, optional
            By default one with the default settings.

        Raises
        ------
        ImageError
            If an image cannot be read; those before it are added.
        """
        names: list[str] = []
        images: list[Any] = []

        def loaded() -> Iterator[Any]:
            for path in paths:
                image = load_image(path)
                names.append(os.fspath(path))
                images.append(image)
                yield image

        for faces in (detector or Detector()).detect_iter(loaded()):
            self.add(names.pop(0), images.pop(0), faces)

    def people(self, threshold: float, *, min_size: int = 1) -> list[list[Sighting]]:
        """Group the faces by person; parameters and errors are those of `cluster`.

        Returns
        -------
        list of list of Sighting
            Those seen most often first, each in the order in which they were added. Groups of fewer than `min_size`
            are left out.
        """
        labels = cluster(self.embeddings, threshold, min_size=min_size)
        people: list[list[Sighting]] = [[] for _ in range(int(labels.max(initial=-1)) + 1)]
        for sighting, label in zip(self._sightings, labels.tolist(), strict=True):
            if label >= 0:
                people[label].append(sighting)
        return people
