"""Where the shared test data lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: The folder described by its ``INDEX.md``; not part of the repository.
DATA = Path(os.environ.get("MTCNN_FAST_DATA") or ROOT.parent / "shared" / "data")

#: The part of it that may be copied, in the same layout.
COPY = ROOT / "tests" / "data"

#: A photograph of one face that is part of the repository.
PHOTO = ROOT / "examples" / "astronaut.jpg"


def shared(relative: str) -> Path:
    """Return a path in the shared data, or skip the test, naming what is missing."""
    path = DATA / relative
    if not path.exists():
        pytest.skip(f"no {path}: set MTCNN_FAST_DATA to the folder of the shared test data")
    return path
