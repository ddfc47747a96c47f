"""Exceptions raised by mtcnn_fast.

All of them derive from `MtcnnFastError`, and each also from the built-in exception that code which knows nothing of
this package would catch.
"""

from __future__ import annotations

import errno
import os
from typing import Any, TypeVar

_OS_ATTRIBUTES = ("errno", "strerror", "filename")


class MtcnnFastError(Exception):
    """Base class of every exception that this package raises on purpose."""


class ConfigError(MtcnnFastError, ValueError):
    """A setting is outside what is accepted; the message names it, what was given and what is accepted."""


class MisuseError(MtcnnFastError, TypeError):
    """Something was called with an argument that does not exist, or is not to be called; the message says what is."""


class ImageError(MtcnnFastError, ValueError):
    """An image cannot be used; the message names what was given and what is accepted."""


class VideoError(MtcnnFastError, ValueError):
    """A video cannot be opened, read or written; the message names it and says why."""


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

    def __reduce__(self) -> tuple[Any, ...]:
        return DataError, (self.message, self.file, self.line)


class _SystemError:
    """What errors have that are also one of the system's: `errno`, `strerror` and `filename`, None where unknown."""

    def __str__(self) -> str:
        return str(self.args[0])  # type: ignore[attr-defined]

    def __reduce__(self) -> tuple[Any, ...]:
        own = [getattr(self, name) for name in ("message", "file", "line") if hasattr(self, name)]
        arguments = tuple(own or self.args[:1])  # type: ignore[attr-defined]
        state = {**self.__dict__, **{name: getattr(self, name) for name in _OS_ATTRIBUTES}}
        return type(self), arguments, state


class ImageNotFoundError(_SystemError, ImageError, FileNotFoundError):
    """An image file does not exist."""


class ImagePermissionError(_SystemError, ImageError, PermissionError):
    """An image file may not be read."""


class ImageIsADirectoryError(_SystemError, ImageError, IsADirectoryError):
    """The path of an image is that of a directory."""


class ImageNotADirectoryError(_SystemError, ImageError, NotADirectoryError):
    """The path of an image leads through something that is no directory."""


class WeightsNotFoundError(_SystemError, WeightsError, FileNotFoundError):
    """A weights file does not exist."""


class WeightsPermissionError(_SystemError, WeightsError, PermissionError):
    """A weights file may not be read."""


class DataNotFoundError(_SystemError, DataError, FileNotFoundError):
    """A file of annotations, detections or results does not exist."""


class DataPermissionError(_SystemError, DataError, PermissionError):
    """A file of annotations, detections or results may not be read."""


class ConfigNotFoundError(_SystemError, ConfigError, FileNotFoundError):
    """A file of settings does not exist."""


class ConfigPermissionError(_SystemError, ConfigError, PermissionError):
    """A file of settings may not be read."""


_FROM_SYSTEM: tuple[type[Any], ...] = (
    ImageNotFoundError,
    ImagePermissionError,
    ImageIsADirectoryError,
    ImageNotADirectoryError,
    WeightsNotFoundError,
    WeightsPermissionError,
    DataNotFoundError,
    DataPermissionError,
    ConfigNotFoundError,
    ConfigPermissionError,
)

ErrorT = TypeVar("ErrorT", bound=MtcnnFastError)


def file_error(kind: type[ErrorT], cause: BaseException, *arguments: Any) -> ErrorT:
    """Make an error of a file, which is also of the class of the system's error where there is one for both.

    Parameters
    ----------
    kind : type
        `ImageError`, `WeightsError`, `DataError` or `ConfigError`.
    cause : exception
        What went wrong; the result keeps an OSError's `errno`, `strerror` and `filename`.
    *arguments
        Those of `kind`.
    """
    if isinstance(cause, OSError):
        for both in _FROM_SYSTEM:
            if issubclass(both, kind) and isinstance(cause, both.__bases__[2]):
                made: ErrorT = both(*arguments)
                for name in _OS_ATTRIBUTES:
                    setattr(made, name, getattr(cause, name))
                return made
    return kind(*arguments)


def missing_file(path: str | os.PathLike[str]) -> FileNotFoundError:
    """Make the system's error of a file that is not there, for `file_error`."""
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(path))
