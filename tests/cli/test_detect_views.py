"""``mtcnn-fast detect`` searches a part of an image, smaller, turned or in tiles."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast import Detector
from support.cli import detect, detect_json, usage_error
from support.portrait import QUICK, portrait


@pytest.mark.parametrize(
    ("options", "views", "count"),
    [
        (["--roi", "100", "0", "300.5", "200"], {"roi": (100, 0, 300.5, 200)}, 1),
        (["--roi", "0", "0", "90", "200"], {"roi": (0, 0, 90, 200)}, 0),
        (["--max-side", "290"], {"max_side": 290}, 1),
        (["--rotations", "0,180"], {"rotations": (0, 180)}, 1),
        (["--tiles", "242", "--tile-overlap", "121"], {"tiles": 242, "tile_overlap": 121}, 1),
        (["--tiles", "auto"], {"tiles": "auto"}, 1),
    ],
)
def test_each_reaches_the_detection(options: list[str], views: dict[str, Any], count: int, photo: str) -> None:
    canvas = np.full((200, 320, 3), 90, np.uint8)
    canvas[40:152, 150:262] = portrait()
    Image.fromarray(canvas).save("canvas.png")
    (record,) = json.loads(detect("canvas.png", "--json", *options).stdout)
    assert record["faces"] == Detector("numpy", **QUICK).detect(canvas, **views).to_dict()["faces"]
    assert len(record["faces"]) == count


@pytest.mark.parametrize(
    ("options", "option", "reason"),
    [
        (["--roi", "5", "0", "5", "9"], "--roi", "roi must be x1, y1, x2, y2 in pixels with x1 < x2"),
        (["--max-side", "3"], "--max-side", "max_side must be a whole number of at least 12, got 3"),
        (["--rotations", "0,x"], "--rotations", "'0,x' is not whole numbers with commas between them"),
        (["--rotations", "45"], "--rotations", "rotations must be some of 0, 90, 180, 270 degrees, each once"),
        (["--tiles", "big"], "--tiles", "tiles must be a whole number of at least 64 or 'auto', got 'big'"),
        (["--tiles", "64"], "--tile-overlap", "tile_overlap must be at least 3 times min_face_size"),
        (["--tile-overlap", "9"], "--tile-overlap", "tile_overlap must be None where tiles is None"),
    ],
)
def test_what_is_refused(options: list[str], option: str, reason: str, photo: str) -> None:
    message = usage_error(photo, *options)
    assert f"Invalid value for '{option}': " in message
    assert reason in message


def test_an_image_outside_the_region_does_not_stop_the_others(photo: str) -> None:
    Image.new("RGB", (20, 20)).save("small.png")
    failed, found = detect_json("small.png", photo, "--roi", "30", "0", "112", "112", ending=1)
    assert failed["error"].startswith("image must have a pixel within roi=(30, 0, 112, 112), and has 20 x 20 pixels")
    assert "faces" in found
