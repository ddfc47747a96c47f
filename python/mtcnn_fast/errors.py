"""Exceptions raised by mtcnn_fast.

All of them derive from `MtcnnFastError`, and each also from the built-in exception that code which knows nothing of
this package would catch.
"""


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
