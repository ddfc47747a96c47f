"""The settings of ``mtcnn-fast detect``, and how it refuses wrong ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast import Detector, DetectorConfig, Faces, available_backends
from mtcnn_fast._native import find_native
from mtcnn_fast.checks import Choice, Maybe, settings_of
from mtcnn_fast.config import FILTERS, PRESETS, WEIGHTS
from mtcnn_fast.weights.loader import SHIPPED
from support.bad_values import bad_values
from support.cli import detect, detect_json, run, usage_error
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
        *((["--weights", name], {"weights": name}) for name in WEIGHTS),
    ],
)
def test_each_reaches_the_detector(options: list[str], settings: dict[str, Any], photo: str) -> None:
    double = np.hstack([portrait(), portrait()[:, ::-1]])[:, 30:190]
    Image.fromarray(double).save("double.png")
    result = detect("double.png", "--json", *options)
    expected = Detector("numpy", **{**QUICK, **settings}).detect(double)
    assert json.loads(result.stdout)[0]["faces"] == expected.to_dict()["faces"]


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_is_an_option(name: str, photo: str) -> None:
    module = find_native()[0]
    if module is None or available_backends()["cpu"] is not None:
        pytest.skip(f"device cpu is not available: {available_backends()['cpu']}")
    if name == "amx" and not module.has_tiles():
        assert "Invalid value for '--filter': filter must be 'int8' or None on this machine, got 'amx'" in usage_error(
            photo, "--device", "cpu", "--filter", name
        )
        return
    plain, filtered = (
        json.loads(detect(photo, "--json", "--device", "cpu", *given).stdout)[0]["faces"]
        for given in ([], ["--filter", name])
    )
    assert plain
    assert filtered == plain


def test_max_pixels(photo: str) -> None:
    (record,) = detect_json(photo, "--max-pixels", "12543", ending=1)
    assert "max_pixels=12543" in record["error"]


def bad_texts() -> Iterator[tuple[str, list[str]]]:
    """Yield the bad values of every setting that can be typed as a value of its option."""
    for name, setting in settings_of(DetectorConfig).items():
        for value in bad_values(setting.check):
            length = getattr(setting.check, "length", None)
            items = value if isinstance(value, list) and length is not None else [value]
            if len(items) == (length or 1) and all(isinstance(item, (int, float)) for item in items):
                yield f"--{name.replace('_', '-')}", [str(item) for item in items]


@pytest.mark.parametrize(("option", "values"), list(bad_texts()))
def test_every_bad_value_is_refused_by_option(option: str, values: list[str], photo: str) -> None:
    message = usage_error(photo, *([f"{option}={values[0]}"] if len(values) == 1 else [option, *values]))
    assert f"Invalid value for '{option}': " in message


@pytest.mark.parametrize(
    ("options", "option", "reason"),
    [
        (["--min-face-size", "0"], "--min-face-size", "min_face_size must be a finite number of at least 1, got 0.0"),
        (["--max-face-size", "3"], "--max-face-size", "max_face_size must be a finite number of at least 20, got 3.0"),
        (["--thresholds", "0.1", "2", "0"], "--thresholds", "thresholds[1] must be a number from 0 to 1, got 2.0"),
        (["--border", "wrap"], "--border", "border must be one of zero, clip, got 'wrap'"),
        (["--num-threads", "1025"], "--num-threads", "num_threads must be a whole number from 1 to 1024, got 1025"),
        (["--precision", "int8"], "--precision", "precision must be one of float32, tf32"),
        (["--precision", "float16"], "--precision", "precision must be 'float32' on the backend"),
        (["--filter", "int4"], "--filter", "filter must be one of int8, amx, got 'int4'"),
        (["--filter", "int8"], "--filter", "filter must be None on the backend 'numpy', got 'int8'; the device cpu"),
        (["--filter", "amx"], "--filter", "filter must be None on the backend 'numpy', got 'amx'; the device cpu"),
        (["--preset", "slow"], "--preset", "preset must be one of default, balanced, fast, accurate, got 'slow'"),
        (["--device", "gpu"], "--device", "device must be one of auto, numpy, cpu"),
        (["--device", "cuda:999"], "--device", "device 'cuda:999' is not available"),
        (["--weights", "nowhere"], "--weights", "no weights at 'nowhere'"),
        (["--weights", "zhang"], "--weights", "no weights at 'zhang'"),
    ],
)
def test_wrong_values_are_named_by_option(options: list[str], option: str, reason: str, photo: str) -> None:
    message = usage_error(photo, "--device", "numpy", *options)
    assert f"Invalid value for '{option}': {reason}" in message


def test_a_wrong_variable_of_the_environment_is_named(photo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if available_backends()["cpu"] is not None:
        pytest.skip("needs the cpu backend")
    monkeypatch.setenv("MTCNN_FAST_NUM_THREADS", "many")
    message = usage_error(photo, "--device", "cpu")
    assert "Invalid value for 'MTCNN_FAST_NUM_THREADS': MTCNN_FAST_NUM_THREADS must be a whole number" in message


@pytest.mark.parametrize("preset", list(PRESETS))
def test_a_preset_and_what_is_given_beside_it(preset: str, photo: str) -> None:
    arguments = ["detect", photo, "--json", "--device", "numpy", "--preset", preset, "--min-face-size", "30"]
    found = json.loads(run(*arguments).stdout)[0]["faces"]
    expected = Detector.from_preset(preset, "numpy", min_face_size=30).detect(portrait())
    assert found == expected.to_dict()["faces"]


def test_clip(photo: str) -> None:
    Image.fromarray(portrait()[:, 36:]).save("cut.png")
    plain, clipped = (detect_json("cut.png", *more)[0] for more in ([], ["--clip"]))
    assert clipped["faces"] == Faces.from_dict(plain).clip().to_dict()["faces"]
    assert clipped["faces"] != plain["faces"]


def test_every_setting_has_an_option_with_its_range() -> None:
    text = " ".join(run("detect", "--help").stdout.split())
    for name, setting in settings_of(DetectorConfig).items():
        assert f"--{name.replace('_', '-')} " in text
        assert setting.help in text
        check = setting.check.check if isinstance(setting.check, Maybe) else setting.check
        assert ("|".join(check.options) if isinstance(check, Choice) else check.accepted) in text


@pytest.mark.parametrize("options", [["--min-face-size", "x"], ["--thresholds", "0.5"], ["--nonsense"]])
def test_what_the_parser_refuses(options: list[str], photo: str) -> None:
    assert options[0] in usage_error(photo, *options)
