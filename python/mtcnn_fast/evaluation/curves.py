"""Precision-recall curves: ours, the published ones, and the area that both are summed up by."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np

from mtcnn_fast._paths import matching
from mtcnn_fast._types import Doubles
from mtcnn_fast.datasets.widerface_mat import load_matlab
from mtcnn_fast.errors import DataError, file_error, missing_file
from mtcnn_fast.optional import require

#: Where a MATLAB file says what kind it is: version 5 is read by scipy, 7.3 is HDF5.
_MATLAB_HEADER = 19


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Precision and recall over a falling score threshold.

    Attributes
    ----------
    precision, recall : (N,) float64
        Recall never falls.
    """

    precision: Doubles
    recall: Doubles

    @property
    def area(self) -> float:
        """Average precision, see `area_under_envelope`."""
        return area_under_envelope(self.precision, self.recall)


def area_under_envelope(precision: Doubles, recall: Doubles) -> float:
    """Average precision: the area under the least falling function that is nowhere below the curve.

    Parameters
    ----------
    precision, recall : (N,) float64
        Points of the curve, recall never falling. Undefined precisions (NaN) are taken as 0.

    Returns
    -------
    area : float
        0 to 1.

    Notes
    -----
    This is the measure of PASCAL VOC since 2010 (development kit, section 3.4.1), which WIDER FACE uses: the precision
    at a recall is the highest at this or any higher recall; recall not reached counts as precision 0.
    """
    edges = np.concatenate([[0.0], recall, [1.0]])
    heights = np.concatenate([[0.0], np.nan_to_num(precision, nan=0.0), [0.0]])
    envelope = np.maximum.accumulate(heights[::-1])[::-1]
    return float(np.sum(np.diff(edges) * envelope[1:]))


def read_published_curve(path: str | os.PathLike[str]) -> tuple[str, Curve]:
    """Read a precision-recall curve as published with WIDER FACE.

    Parameters
    ----------
    path : path-like or str
        A ``wider_pr_info_….mat`` file, of MATLAB version 5 or 7.3.

    Returns
    -------
    legend : str
        The detector's name in the published plots.
    curve : Curve

    Raises
    ------
    DataError
        If the file is not of this form.
    MissingExtraError
        If scipy, or h5py for version 7.3, is not installed.
    """
    path = Path(path)
    points, legend = _matlab_variables(path)
    # HDF5 keeps MATLAB's column-major order, so what is N x 2 there arrives as 2 x N.
    if points.ndim == 2 and points.shape[1] != 2 and points.shape[0] == 2:
        points = points.T
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise DataError(f"pr_cruve must be N x 2 (precision, recall), got {points.shape}", path)
    return legend, Curve(points[:, 0].copy(), points[:, 1].copy())


def _matlab_variables(path: Path) -> tuple[Doubles, str]:
    try:
        with path.open("rb") as file:
            header = file.read(_MATLAB_HEADER)
    except OSError as error:
        raise file_error(DataError, error, f"cannot be read ({error.strerror})", path) from error
    try:
        if header.startswith(b"MATLAB 7.3"):
            with require("h5py", "reading MATLAB 7.3 files").File(path, "r") as file:
                legend = "".join(map(chr, np.asarray(file["legend_name"]).ravel()))
                return np.asarray(file["pr_cruve"], np.float64), legend
        content = load_matlab(path, "reading MATLAB files")
        return np.asarray(content["pr_cruve"], np.float64), str(content["legend_name"].ravel()[0])
    except (OSError, ValueError, KeyError, IndexError, NotImplementedError) as error:
        raise DataError(f"is no published curve with pr_cruve and legend_name ({error})", path) from error


def read_published_curves(folder: str | os.PathLike[str]) -> dict[str, dict[str, Curve]]:
    """Read all published curves of a split.

    Parameters
    ----------
    folder : path-like or str
        ``Val`` or ``Test`` of the official package: a folder for each detector.

    Returns
    -------
    curves : dict of str to dict of str to Curve
        For each legend, the curves of ``easy``, ``medium`` and ``hard``.

    Raises
    ------
    DataError
        If there is none, or a file is not of the right form.
    """
    curves: dict[str, dict[str, Curve]] = {}
    for path in matching(folder, "*/wider_pr_info_*.mat"):
        subset = path.stem.removesuffix("_val").rpartition("_")[2]
        legend, curve = read_published_curve(path)
        curves.setdefault(legend, {})[subset] = curve
    if not curves:
        raise file_error(DataError, missing_file(folder), "there is no DETECTOR/wider_pr_info_….mat in it", folder)
    return curves
