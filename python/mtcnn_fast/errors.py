"""Exceptions raised by mtcnn_fast.

All of them derive from `MtcnnFastError`, and each also from the built-in exception that code which knows nothing of
this package would catch.
"""

from __future__ import annotations

import os


class MtcnnFastError(Exception):
    """Base class of every exception that this package raises on purpose."""


class ConfigError(MtcnnFastError, ValueError):
    """A setting is outside what is accepted; the message names it, what was given and what is accepted."""


class ImageError(MtcnnFastError, ValueError):
    """An image cannot be used; the message names what was given and what is accepted."""


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
