"""Fingerprints of what the engine finds in the repository's pictures, one for each instruction set.

They change with the order in which a kernel adds, and with nothing else: neither the machine nor its threads. Boxes and
landmarks count to the last bit. Scores are rounded to 1e-5, since the C library's exponential function may differ from
machine to machine.

    PYTHONPATH=tests python -m support.fingerprint        write them anew, after an algorithm was changed on purpose
"""

from __future__ import annotations

import hashlib
import json

import numpy as np

from mtcnn_fast.config import DetectorConfig
from support.data import COPY, ROOT
from support.golden import read_image
from support.variants import ISAS, engine

FILE = ROOT / "tests" / "backends" / "native" / "fingerprints.json"
#: Settings that give many candidates at every step, in both borders.
SETTINGS = (
    {},
    {"border": "clip", "min_face_size": 12, "thresholds": (0.1, 0.1, 0.02), "nms_thresholds": (0.9, 0.9, 0.9, 0.9)},
)
COMMAND = "PYTHONPATH=tests python -m support.fingerprint"


def fingerprint(isa: str) -> str:
    """Return the SHA-256 of boxes, landmarks and rounded scores."""
    digest = hashlib.sha256()
    faces = 0
    for settings in SETTINGS:
        backend = engine(isa, DetectorConfig(**settings))
        for path in sorted((COPY / "golden" / "images").glob("*.png")):
            (found,) = backend.detect([read_image(path)])
            digest.update(found.boxes.tobytes())
            digest.update(found.landmarks.tobytes())
            digest.update(np.round(found.scores * 1e5).astype("<i4").tobytes())
            faces += len(found)
    assert faces > 100
    return digest.hexdigest()


def recorded() -> dict[str, str]:
    """Return the committed fingerprints by instruction set."""
    return dict(json.loads(FILE.read_text())) if FILE.exists() else {}


if __name__ == "__main__":
    FILE.write_text(
        json.dumps({**recorded(), **{isa: fingerprint(isa) for isa in ISAS}}, indent=2, sort_keys=True) + "\n"
    )
