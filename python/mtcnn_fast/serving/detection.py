"""One picture in a slot: checked, decoded, searched, and rendered as JSON or JPEG."""

from __future__ import annotations

import dataclasses
import io
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Literal

from mtcnn_fast._types import Image
from mtcnn_fast.detector import Detector
from mtcnn_fast.errors import ConfigError, ImageError
from mtcnn_fast.faces import Faces
from mtcnn_fast.images import load_image
from mtcnn_fast.serving.guard import check_picture, check_search
from mtcnn_fast.serving.problems import ProblemError

Form = Literal["json", "drawn", "blurred", "pixelated"]

#: Detectors kept beside the service's own, for requests with a `min_face_size` of theirs.
_KEPT = 8

_JPEG_QUALITY = 90


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks for.

    Attributes
    ----------
    form : {"json", "drawn", "blurred", "pixelated"}
    min_face_size : float or None
        Side in pixels of the smallest face; ``None`` takes that of the service.
    max_faces : int or None
        Keep this many at most, those with the highest scores.
    landmarks : bool
        Whether landmarks are part of the answer.
    """

    form: Form = "json"
    min_face_size: float | None = None
    max_faces: int | None = None
    landmarks: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """The faces of a picture, and the seconds that they took.

    Attributes
    ----------
    faces : Faces
    picture : bytes or None
        A JPEG file, unless the form is JSON.
    seconds : dict of str to float
        ``queue``, ``decode``, ``detect`` and, for pictures, ``render``.
    """

    faces: Faces
    picture: bytes | None
    seconds: dict[str, float]


class Detectors:
    """The detector of the service, and a few with another smallest face.

    Parameters
    ----------
    make : callable
        Makes a detector; settings given as keywords replace those of the service.
    """

    def __init__(self, make: Callable[..., Detector]) -> None:
        self._make = make
        self.own = make()
        self._others: OrderedDict[float, Detector] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, min_face_size: float | None) -> Detector:
        """Return the detector for a smallest face.

        Raises
        ------
        ProblemError
            422, if it is smaller than 1 or larger than the largest face of the service.
        """
        if min_face_size is None or min_face_size == self.own.config.min_face_size:
            return self.own
        with self._lock:
            if min_face_size in self._others:
                self._others.move_to_end(min_face_size)
                return self._others[min_face_size]
        try:
            detector = self._make(min_face_size=min_face_size)
        except ConfigError as error:
            raise ProblemError(422, "invalid-request", str(error)) from error
        with self._lock:
            self._others[min_face_size] = detector
            if len(self._others) > _KEPT:
                # Not closed: another slot may be about to use it.
                self._others.popitem(last=False)
        return detector

    def detect_file(self, data: bytes, wanted: Wanted, waited: float) -> Found:
        """Find the faces in an image file.

        Parameters
        ----------
        data : bytes
        wanted : Wanted
        waited : float
            Seconds in the queue.

        Raises
        ------
        ProblemError
            4xx, if the picture is not accepted.
        """
        start = time.perf_counter()
        detector = self.find(wanted.min_face_size)
        try:
            check_picture(data, self.own.config, detector.config.min_face_size)
            image = load_image(data, max_pixels=self.own.config.max_pixels)
        except ImageError as error:
            raise ProblemError(422, "unreadable-image", str(error)) from error
        decoded = time.perf_counter()
        found = self._detect(detector, image, wanted)
        return dataclasses.replace(found, seconds={"queue": waited, "decode": decoded - start, **found.seconds})

    def detect_pixels(self, image: Image) -> Found:
        """Find the faces in pixels ``(H, W, 3)`` uint8, RGB; errors as for `detect_file`."""
        height, width = image.shape[:2]
        if height * width > self.own.config.max_pixels:
            limit = self.own.config.max_pixels
            raise ProblemError(413, "too-many-pixels", f"The image has {width}x{height} pixels; accepted: {limit:,}.")
        check_search((width, height), self.own.config, self.own.config.min_face_size)
        return self._detect(self.own, image, Wanted())

    def _detect(self, detector: Detector, image: Image, wanted: Wanted) -> Found:
        start = time.perf_counter()
        faces = detector.detect(image)
        if wanted.max_faces is not None:
            faces = faces[: wanted.max_faces]
        end = time.perf_counter()
        if wanted.form == "json":
            return Found(faces, None, {"detect": end - start})
        picture = _render(image, faces, wanted)
        return Found(faces, picture, {"detect": end - start, "render": time.perf_counter() - end})


def _render(image: Image, faces: Faces, wanted: Wanted) -> bytes:
    if wanted.form == "drawn":
        picture = faces.draw(image, landmarks=wanted.landmarks)
    else:
        picture = faces.blur(image) if wanted.form == "blurred" else faces.pixelate(image)
    if max(picture.size) > 65_500:
        raise ProblemError(
            422, "picture-too-long", "A side of the image has more than the 65,500 pixels that JPEG allows."
        )
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=_JPEG_QUALITY)
    return file.getvalue()


def as_json(found: Found, wanted: Wanted) -> dict[str, Any]:
    """Return what the JSON of a picture holds; `Faces.from_dict` reads it unless landmarks are left out."""
    record = found.faces.to_dict()
    if not wanted.landmarks:
        for face in record["faces"]:
            del face["landmarks"]
    return {**record, "seconds": {name: round(value, 6) for name, value in found.seconds.items()}}
