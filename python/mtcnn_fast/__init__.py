"""Find faces in images and the five landmarks of each, with the cascade of three networks known as MTCNN.

>>> from mtcnn_fast import Detector
>>> faces = Detector().detect("photo.jpg")

Everything public is a name of this module. What is heavy is imported when it is first used, so that importing the
package costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from mtcnn_fast import _moved
from mtcnn_fast._version import __version__
from mtcnn_fast.errors import (
    BackendError,
    BackendUnavailableError,
    ConfigError,
    ConfigNotFoundError,
    ConfigPermissionError,
    DataError,
    DataNotFoundError,
    DataPermissionError,
    ImageError,
    ImageIsADirectoryError,
    ImageNotADirectoryError,
    ImageNotFoundError,
    ImagePermissionError,
    MissingExtraError,
    MisuseError,
    MtcnnFastError,
    TrainingError,
    VideoError,
    WeightsError,
    WeightsNotFoundError,
    WeightsPermissionError,
)

if TYPE_CHECKING:
    from mtcnn_fast import ops
    from mtcnn_fast.backends import available_backends
    from mtcnn_fast.config import DetectorConfig
    from mtcnn_fast.detector import Detector
    from mtcnn_fast.faces import Face, Faces
    from mtcnn_fast.faces.albums import load_faces, save_faces
    from mtcnn_fast.listing import list_images

__all__ = [
    "BackendError",
    "BackendUnavailableError",
    "ConfigError",
    "ConfigNotFoundError",
    "ConfigPermissionError",
    "DataError",
    "DataNotFoundError",
    "DataPermissionError",
    "Detector",
    "DetectorConfig",
    "Face",
    "Faces",
    "ImageError",
    "ImageIsADirectoryError",
    "ImageNotADirectoryError",
    "ImageNotFoundError",
    "ImagePermissionError",
    "MissingExtraError",
    "MisuseError",
    "MtcnnFastError",
    "TrainingError",
    "VideoError",
    "WeightsError",
    "WeightsNotFoundError",
    "WeightsPermissionError",
    "__version__",
    "available_backends",
    "list_images",
    "load_faces",
    "ops",
    "save_faces",
]

_HOME = {
    "Detector": "mtcnn_fast.detector",
    "DetectorConfig": "mtcnn_fast.config",
    "Face": "mtcnn_fast.faces",
    "Faces": "mtcnn_fast.faces",
    "available_backends": "mtcnn_fast.backends",
    "list_images": "mtcnn_fast.listing",
    "load_faces": "mtcnn_fast.faces.albums",
    "save_faces": "mtcnn_fast.faces.albums",
}


_moved.install()


def __getattr__(name: str) -> object:
    if name == "ops":
        return importlib.import_module("mtcnn_fast.ops")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
