"""Exceptions raised by mtcnn_fast.

All of them derive from `MtcnnFastError`, and each also from the built-in exception that code which knows nothing of
this package would catch.
"""

from __future__ import annotations

import os
from typing import Any

_OS_ATTRIBUTES = ("errno", "strerror", "filename")


class MtcnnFastError(Exception):
    """Base class of every exception that this package raises on purpose."""


class ConfigError(MtcnnFastError, ValueError):
    """A setting is outside what is accepted; the message names it, what was given and what is accepted."""


class MisuseError(MtcnnFastError, TypeError):
    """Something was called with an argument that does not exist, or is not to be called; the message says what is."""


class ImageError(MtcnnFastError, ValueError):
    """An image cannot be used; the message names what was given and what is accepted."""


class _SystemImageError(ImageError, OSError):
    """An `ImageError` that keeps what the system's error says: `errno`, `strerror` and `filename`."""

    def __init__(self, message: str, cause: OSError | None = None) -> None:
        super().__init__(message)
        if cause is not None:
            self.errno, self.strerror, self.filename = cause.errno, cause.strerror, cause.filename

    def __str__(self) -> str:
        return str(self.args[0])

    def __reduce__(self) -> tuple[type[_SystemImageError], tuple[Any, ...], dict[str, Any]]:
        return type(self), self.args[:1], {**self.__dict__, **{name: getattr(self, name) for name in _OS_ATTRIBUTES}}


class ImageNotFoundError(_SystemImageError, FileNotFoundError):
    """An image file does not exist."""


class ImagePermissionError(_SystemImageError, PermissionError):
    """An image file may not be read."""


class ImageIsADirectoryError(_SystemImageError, IsADirectoryError):
    """The path of an image is that of a directory."""


class ImageNotADirectoryError(_SystemImageError, NotADirectoryError):
    """The path of an image leads through something that is no directory."""


def image_file_error(message: str, cause: BaseException) -> ImageError:
    """Make the `ImageError` that is also of the class of the system's error, where there is one."""
    if isinstance(cause, OSError):
        for kind in (ImageNotFoundError, ImagePermissionError, ImageIsADirectoryError, ImageNotADirectoryError):
            if isinstance(cause, kind.__bases__[1]):
                return kind(message, cause)
    return ImageError(message)


class WeightsError(MtcnnFastError, ValueError):
    """A weights file is missing, damaged or of the wrong form; the message names the file and the tensor."""


class BackendError(MtcnnFastError, RuntimeError):
    """A backend failed while it was running."""


class BackendUnavailableError(BackendError):
    """The device that was asked for cannot be used here; the message says why and how to get it."""


class MissingExtraError(MtcnnFastError, ImportError):
    """An optional package is needed for what was asked; the message names it and the extra that brings it."""


class TrainingError(MtcnnFastError, RuntimeError):
    """Training cannot go on, as a loss is no longer a number; the message names the minibatch."""


class DataError(MtcnnFastError, ValueError):
    """A file of annotations, detections or results cannot be used.

    Parameters
    ----------
    message : str
        What was found and what is accepted.
    file : path-like, str or None
        The file; it starts the error's text.
    line : int or None
        The line within it, counted from 1.

    Attributes
    ----------
    file : str or None
    line : int or None
    """

    def __init__(self, message: str, file: str | os.PathLike[str] | None = None, line: int | None = None) -> None:
        self.message = message
        self.file = None if file is None else os.fspath(file)
        self.line = line
        place = "" if file is None else f"{self.file}: " if line is None else f"{self.file}:{line}: "
        super().__init__(f"{place}{message}")

    def __reduce__(self) -> tuple[type[DataError], tuple[str, str | None, int | None]]:
        return DataError, (self.message, self.file, self.line)
