"""What several seeds of one variant gave along the training, and tables of it as CSV."""

from __future__ import annotations

import csv
import dataclasses
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn_fast.errors import DataError
from mtcnn_fast.files import written_whole


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """One figure at several steps, for several seeds.

    Attributes
    ----------
    steps : (K,) int64
    values : (seeds, K) float64
    """

    steps: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]


def gather(rows: Iterable[Mapping[str, Any]], figure: str) -> dict[str, Curves]:
    """Return the curves of a figure for each variant.

    Parameters
    ----------
    rows : iterable of mapping
        Each with ``variant``, ``seed``, ``step`` and the figure.
    figure : str

    Raises
    ------
    DataError
        If the seeds of a variant were not looked at after the same steps.
    """
    found: dict[str, dict[int, dict[int, float]]] = {}
    for row in rows:
        found.setdefault(row["variant"], {}).setdefault(row["seed"], {})[row["step"]] = row[figure]
    curves = {}
    for variant, seeds in found.items():
        steps = {tuple(sorted(by_step)) for by_step in seeds.values()}
        if len(steps) != 1:
            raise DataError(f"the seeds of {variant!r} must have values after the same steps, they differ")
        (common,) = steps
        values = np.array([[by_step[step] for step in common] for by_step in seeds.values()], np.float64)
        curves[variant] = Curves(np.array(common, np.int64), values)
    return curves


def write_csv(path: str | os.PathLike[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows with the same keys as CSV, whole or not at all; numbers have six digits."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()})
    written_whole(path, text.getvalue().encode())
