"""`Views`: what is accepted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mtcnn_fast import ConfigError, Detector, DetectorConfig
from mtcnn_fast.views.settings import WHOLE, Views

PHOTO = np.zeros((40, 50, 3), np.uint8)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"roi": (1, 2, 3)}, r"^roi must be 4 finite numbers, got 3: \[1, 2, 3\]$"),
        ({"roi": (5, 2, 5, 9)}, r"^roi must be x1, y1, x2, y2 in pixels with x1 < x2 and y1 < y2, got \(5, 2, 5, 9\)$"),
        ({"roi": (0, 0, np.nan, 9)}, r"^roi\[2\] must be a finite number, got nan$"),
        ({"max_side": 11}, r"^max_side must be a whole number of at least 12, got 11$"),
        ({"max_side": 20.5}, r"^max_side must be a whole number"),
        ({"rotations": 90}, r"^rotations must be a tuple of some of .*, such as \(0, 90\), got 90$"),
        ({"rotations": ()}, r"^rotations must be some of 0, 90, 180, 270 degrees, each once, got \(\)$"),
        ({"rotations": (0, 45)}, r"^rotations must be some of"),
        ({"rotations": (90, 90)}, r"^rotations must be some of"),
        ({"tiles": 63}, r"^tiles must be a whole number of at least 64 or 'auto', got 63$"),
        ({"tiles": "large"}, r"^tiles must be a whole number of at least 64 or 'auto', got 'large' \(str\)$"),
        ({"tiles": 512.0}, r"^tiles must be"),
        ({"tile_overlap": 9}, r"^tile_overlap must be None where tiles is None, got 9$"),
        ({"tiles": 512, "tile_overlap": 257}, r"^tile_overlap must be a whole number from 1 to 256, got 257$"),
        ({"tiles": 64}, r"^tile_overlap must be at least 3 times min_face_size=20, got 32 for tiles of 64 pixels$"),
        ({"roi": (0, 0, 9, 9), "trace": True}, r"^trace must be False with roi, max_side, rotations or tiles: "),
    ],
)
def test_what_is_refused(settings: dict[str, Any], message: str) -> None:
    with Detector("numpy") as detector, pytest.raises(ConfigError, match=message):
        detector.detect(PHOTO, **settings)


def test_wrong_arguments_of_a_stream_are_told_at_the_call() -> None:
    with Detector("numpy") as detector:
        for settings in ({"tiles": 64}, {"rotations": (1,)}, {"roi": (0, 0)}):
            with pytest.raises(ConfigError):
                detector.detect_iter([PHOTO], **settings)


def test_the_usual_views() -> None:
    assert Views.of(None, None, (0,), None, None) is WHOLE
    assert Views.of(None, None, [0], None, None).whole
    assert not Views.of(None, None, (180,), None, None).whole
    assert Views(tiles="auto").tile_side == 4096
    config = DetectorConfig()
    overlaps = [Views(tiles=tiles).overlap(config) for tiles in ("auto", 1024, 128)]
    assert overlaps == [512, 256, 60]
    assert Views(tiles=512, tile_overlap=70).overlap(config) == 70
    assert Views(rotations=np.array([90, 0])).rotations == (90, 0)  # type: ignore[arg-type]
