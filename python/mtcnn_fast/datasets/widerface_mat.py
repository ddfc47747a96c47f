"""WIDER FACE's annotation as MATLAB files, such as ``wider_face_train.mat``, which the data set comes with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mtcnn_fast._paths import is_file
from mtcnn_fast._types import Doubles
from mtcnn_fast.errors import DataError, file_error, missing_file
from mtcnn_fast.optional import require

#: Variables of the file with a value for each face, in the order of the text form's columns after the box.
LABELS = (
    "blur_label_list",
    "expression_label_list",
    "illumination_label_list",
    "invalid_label_list",
    "occlusion_label_list",
    "pose_label_list",
)


def widerface_mat_rows(path: str | os.PathLike[str]) -> Iterator[tuple[str, Doubles]]:
    """Read the annotation as MATLAB file.

    Parameters
    ----------
    path : path-like or str

    Yields
    ------
    image : str
        Its path, ``EVENT/NAME.jpg``.
    faces : (N, 10) float64
        The columns of the text form, see `mtcnn_fast.datasets.widerface.widerface_rows`.

    Raises
    ------
    DataError
        If the file is missing or not of this form.
    MissingExtraError
        If scipy is not installed.
    """
    content = load_variables(Path(path), "event_list", "file_list", "face_bbx_list", *LABELS)
    events, files = content["event_list"].ravel(), content["file_list"].ravel()
    columns = [content[name].ravel() for name in ("face_bbx_list", *LABELS)]
    for event, (text, names) in enumerate(zip(events, files, strict=True)):
        for image, name in enumerate(names.ravel()):
            rows = [np.asarray(column[event].ravel()[image], np.float64) for column in columns]
            faces = np.concatenate([rows[0].reshape(-1, 4), *(row.reshape(-1, 1) for row in rows[1:])], axis=1)
            yield f"{text.ravel()[0]}/{name.ravel()[0]}.jpg", faces


def load_variables(path: Path, *variables: str) -> dict[str, Any]:
    """Read a MATLAB file that must have some variables.

    Raises
    ------
    DataError
        If it is missing, is no such file or lacks one.
    MissingExtraError
        If scipy is not installed.
    """
    if not is_file(path):
        raise file_error(DataError, missing_file(path), "is missing", path)
    try:
        content = load_matlab(path, "reading the .mat annotation")
    except (OSError, ValueError) as error:
        raise file_error(DataError, error, f"is no MATLAB file that can be read ({error})", path) from error
    for variable in variables:
        if variable not in content:
            raise DataError(f"has no variable {variable}", path)
    return content


def load_matlab(path: Path, purpose: str) -> dict[str, Any]:
    """Read the variables of a MATLAB file of version 7.2 or older.

    Parameters
    ----------
    path : Path
    purpose : str
        What scipy is needed for, as the subject of a sentence.

    Raises
    ------
    OSError, ValueError
        If it cannot be read or is no such file.
    MissingExtraError
        If scipy is not installed.
    """
    io = require("scipy.io", purpose)
    try:
        content: dict[str, Any] = io.loadmat(path)
    # scipy's own is an error of no other kind.
    except (NotImplementedError, io.matlab.MatReadError) as error:
        raise ValueError(str(error)) from error
    return content
