"""Packages of extras, imported when they are first needed."""

from __future__ import annotations

import importlib
from typing import Any

from mtcnn_fast.errors import MissingExtraError

HOW_TO_GET = "pip install 'mtcnn-fast[eval]'"


def require(module: str, purpose: str, how_to_get: str = HOW_TO_GET) -> Any:
    """Import an optional module.

    Parameters
    ----------
    module : str
        Its full name, such as ``"scipy.io"``.
    purpose : str
        What it is needed for, as the subject of a sentence, such as ``"reading .mat files"``.
    how_to_get : str
        The command that installs it.

    Returns
    -------
    module

    Raises
    ------
    MissingExtraError
        If it cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = error.name or module.partition(".")[0]
        raise MissingExtraError(
            f"{purpose} needs {package}, which cannot be imported ({error}): {how_to_get}"
        ) from error
