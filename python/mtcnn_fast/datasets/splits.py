"""Parting records into those that are trained on and those that are held out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from mtcnn_fast.datasets.records import FaceRecord
from mtcnn_fast.errors import ConfigError


def split(
    records: Iterable[FaceRecord], held_out: float = 0.1, *, seed: int = 0
) -> tuple[list[FaceRecord], list[FaceRecord]]:
    """Hold out a share of the images, chosen by their paths alone.

    An image stays on its side when others are added or taken away, on every machine and in every folder, as only its
    name and that of its folder count.

    Parameters
    ----------
    records : iterable of FaceRecord
    held_out : float
        Share of the images, in [0, 1]; met on average.
    seed : int
        Another seed holds out others.

    Returns
    -------
    training, held_out : list of FaceRecord
        Both in the order of `records`.

    Raises
    ------
    ConfigError
        If `held_out` is out of range.
    """
    if isinstance(held_out, bool) or not isinstance(held_out, (int, float)) or not 0 <= held_out <= 1:
        raise ConfigError(f"held_out must be from 0 to 1, got {held_out!r}")
    sides: tuple[list[FaceRecord], list[FaceRecord]] = ([], [])
    for record in records:
        sides[_place(record, seed) < held_out].append(record)
    return sides


def _place(record: FaceRecord, seed: int) -> float:
    """Return a number from 0 to 1, below 1, that is as good as random."""
    key = f"{seed} {record.path.parent.name}/{record.path.name}"
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()[:6], "big") / 2**48
