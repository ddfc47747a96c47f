"""The settings of ``mtcnn-fast detect``, and how it refuses wrong ones."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from mtcnn_fast import Detector
from mtcnn_fast.cli import app
from mtcnn_fast.weights.loader import SHIPPED
from support.cli import QUICKLY, detect_json, usage_error
from support.portrait import QUICK, portrait


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        (["--min-face-size", "50"], {"min_face_size": 50}),
        (["--max-face-size", "41"], {"max_face_size": 41}),
        (["--thresholds", "0.1", "0.1", "0.05"], {"thresholds": (0.1, 0.1, 0.05)}),
        (["--factor", "0.8"], {"factor": 0.8}),
        (["--nms-thresholds", "1", "1", "1", "1"], {"nms_thresholds": (1, 1, 1, 1)}),
        (["--border", "clip"], {"border": "clip"}),
        (["--max-faces", "1"], {"max_faces": 1}),
        (["--num-threads", "1"], {"num_threads": 1}),
        (["--precision", "float32"], {"precision": "float32"}),
        (["--weights", str(SHIPPED)], {"weights": SHIPPED}),
    ],
)
def test_each_reaches_the_detector(options: list[str], settings: dict[str, Any], photo: str) -> None:
    double = np.hstack([portrait(), portrait()[:, ::-1]])[:, 30:190]
    Image.fromarray(double).save("double.png")
    result = CliRunner().invoke(app, ["detect", "double.png", "--json", *QUICKLY, *options])
    assert result.exit_code == 0, result.output
    expected = Detector("numpy", **{**QUICK, **settings}).detect(double)
    assert json.loads(result.stdout)[0]["faces"] == expected.to_dict()["faces"]


def test_max_pixels(photo: str) -> None:
    (record,) = detect_json(photo, "--max-pixels", "12543", ending=1)
    assert "max_pixels=12543" in record["error"]


@pytest.mark.parametrize(
    ("options", "option", "reason"),
    [
        (["--min-face-size", "0"], "--min-face-size", "min_face_size must be a finite number of at least 1"),
        (["--max-face-size", "3"], "--max-face-size", "max_face_size must be a finite number of at least 20"),
        (["--thresholds", "0.1", "2", "0"], "--thresholds", "thresholds[1] must be a number from 0 to 1"),
        (
            ["--nms-thresholds", "0", "0", "0", "-1"],
            "--nms-thresholds",
            "nms_thresholds[3] must be a number from 0 to 1",
        ),
        (["--factor", "1"], "--factor", "factor must be a number above 0"),
        (["--border", "wrap"], "--border", "border must be one of zero, clip"),
        (["--max-faces", "0"], "--max-faces", "max_faces must be a whole number"),
        (["--max-pixels", "-5"], "--max-pixels", "max_pixels must be a whole number"),
        (["--num-threads", "0"], "--num-threads", "num_threads must be a whole number"),
        (["--precision", "int8"], "--precision", "precision must be one of float32, tf32"),
        (["--precision", "float16"], "--precision", "precision must be 'float32' on the backend"),
        (["--device", "gpu"], "--device", "device must be one of auto, numpy, cpu"),
        (["--device", "cuda:999"], "--device", "device 'cuda:999' is not available"),
        (["--weights", "nowhere"], "--weights", "no weights at 'nowhere'"),
    ],
)
def test_wrong_values_are_told_by_option(options: list[str], option: str, reason: str, photo: str) -> None:
    message = usage_error(photo, *options)
    assert f"Invalid value for {option}: {reason}" in message


@pytest.mark.parametrize("options", [["--min-face-size", "x"], ["--thresholds", "0.5"], ["--nonsense"]])
def test_what_the_parser_refuses(options: list[str], photo: str) -> None:
    assert options[0] in usage_error(photo, *options)
