"""`DetectorConfig`: what it accepts, what it makes of it, and how it refuses the rest."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import re
from fractions import Fraction

import numpy as np
import pytest

from mtcnn_fast import ConfigError, Detector, DetectorConfig
from mtcnn_fast.checks import settings_of
from mtcnn_fast.config import DEFAULTS
from support.bad_values import bad_values

ACCEPTED = [
    ("min_face_size", 1, 1.0),
    ("min_face_size", 37.5, 37.5),
    ("min_face_size", np.float32(24), 24.0),
    ("min_face_size", np.int64(24), 24.0),
    ("min_face_size", Fraction(45, 2), 22.5),
    ("max_face_size", None, None),
    ("max_face_size", 20, 20.0),
    ("max_face_size", 300.5, 300.5),
    ("thresholds", [0, 1, 0.5], (0.0, 1.0, 0.5)),
    ("thresholds", np.array([0.25, 0.5, 0.75]), (0.25, 0.5, 0.75)),
    ("thresholds", (x / 4 for x in (1, 2, 3)), (0.25, 0.5, 0.75)),
    ("nms_thresholds", [0, 0.5, 1, 0.5], (0.0, 0.5, 1.0, 0.5)),
    ("factor", 0.5, 0.5),
    ("factor", 0.99, 0.99),
    ("border", "clip", "clip"),
    ("border", "zero", "zero"),
    ("max_faces", None, None),
    ("max_faces", 1, 1),
    ("max_faces", np.int32(7), 7),
    ("max_pixels", 1, 1),
    ("max_pixels", 10**12, 10**12),
    ("num_threads", None, None),
    ("num_threads", np.uint8(3), 3),
    ("num_threads", 1024, 1024),
    *(("precision", name, name) for name in ("float32", "tf32", "float16", "bfloat16", "float16-filter")),
    ("filter", None, None),
    ("filter", "int8", "int8"),
    ("filter", "amx", "amx"),
]

REFUSED = [(name, value) for name, each in settings_of(DetectorConfig).items() for value in bad_values(each.check)]


def test_defaults() -> None:
    assert dataclasses.asdict(DetectorConfig()) == {
        "min_face_size": 20,
        "max_face_size": None,
        "thresholds": (0.6, 0.7, 0.7),
        "factor": 0.709,
        "nms_thresholds": (0.5, 0.7, 0.7, 0.7),
        "border": "zero",
        "max_faces": None,
        "max_pixels": 200_000_000,
        "num_threads": None,
        "precision": "float32",
        "filter": None,
    }
    assert DetectorConfig() == DEFAULTS


@pytest.mark.parametrize(("name", "given", "held"), ACCEPTED)
def test_accepted(name: str, given: object, held: object) -> None:
    value = getattr(DetectorConfig(**{name: given}), name)
    assert value == held
    assert type(value) is type(held)


@pytest.mark.parametrize(("name", "given"), REFUSED)
def test_refused_by_name(name: str, given: object) -> None:
    with pytest.raises(ConfigError, match=rf"^{name}(\[\d\])? must be .*, got "):
        DetectorConfig(**{name: given})


def test_message_tells_what_was_given_and_what_is_accepted() -> None:
    with pytest.raises(ConfigError, match=r"^min_face_size must be a finite number of at least 1, got 0\.5$"):
        DetectorConfig(min_face_size=0.5)
    with pytest.raises(ConfigError, match=r"^thresholds must be 3 numbers from 0 to 1, got 2: \[0\.6, 0\.7\]$"):
        DetectorConfig(thresholds=(0.6, 0.7))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"^nms_thresholds\[2\] must be a number from 0 to 1, got 1\.5$"):
        DetectorConfig(nms_thresholds=(0.5, 0.7, 1.5, 0.7))
    with pytest.raises(ConfigError, match=r"^num_threads must be a whole number from 1 to 1024, got 1025$"):
        DetectorConfig(num_threads=1025)
    with pytest.raises(ConfigError, match=r"^max_faces must be a whole number of at least 1, got 'all' \(str\)$"):
        DetectorConfig(max_faces="all")  # type: ignore[arg-type]


def test_bounds_and_values_beside_them_are_shown_in_full() -> None:
    beside = np.nextafter(np.float32(1), np.float32(2))
    with pytest.raises(ConfigError, match=r"got 1\.0000001$"):
        DetectorConfig(thresholds=(beside, 0, 0))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"at least 20\.000000000000004, got 20$"):
        DetectorConfig(min_face_size=20.000000000000004, max_face_size=20)


def test_every_field_is_declared_and_described() -> None:
    declared = settings_of(DetectorConfig)
    assert list(declared) == [field.name for field in dataclasses.fields(DetectorConfig)]
    assert all(each.help.endswith(".") for each in declared.values())
    parameters = inspect.signature(Detector).parameters
    defaults = {name: parameters[name].default for name in declared}
    assert defaults == {name: getattr(DEFAULTS, name) for name in declared}


@pytest.mark.parametrize("name", [name for name in settings_of(DetectorConfig) if name != "max_face_size"])
def test_the_docstring_has_the_bounds_of_the_declaration(name: str) -> None:
    text = inspect.getdoc(DetectorConfig) or ""
    paragraph = text.split(f"\n{name} : ")[1].split("\nRaises\n")[0]
    paragraph = re.split(r"\n\w+ : ", paragraph)[0]
    numbers = re.findall(r"\d+(?:\.\d+)?", settings_of(DetectorConfig)[name].check.accepted)
    assert set(numbers) <= set(re.findall(r"\d+(?:\.\d+)?", paragraph))


def test_max_face_size_is_measured_against_min_face_size() -> None:
    assert DetectorConfig(min_face_size=50, max_face_size=50).max_face_size == 50
    with pytest.raises(ConfigError, match=r"^max_face_size must be a finite number of at least 50, got 49$"):
        DetectorConfig(min_face_size=50, max_face_size=49)


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(TypeError, match="min_size"):
        DetectorConfig(min_size=20)  # type: ignore[call-arg]


def test_frozen() -> None:
    config = DetectorConfig()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.factor = 0.5  # type: ignore[misc]


def test_equal_settings_are_equal_and_hash_alike() -> None:
    one, other = DetectorConfig(min_face_size=40), DetectorConfig(min_face_size=np.float32(40))  # type: ignore[arg-type]
    assert one == other
    assert hash(one) == hash(other)
    assert one != DetectorConfig(min_face_size=41)


def test_a_pickle_without_the_newest_setting_has_its_default() -> None:
    """As earlier versions wrote it: the values of fewer fields."""
    written = DetectorConfig(min_face_size=33)
    held = DetectorConfig.__new__(DetectorConfig)
    for field in dataclasses.fields(DetectorConfig)[:-1]:
        object.__setattr__(held, field.name, getattr(written, field.name))
    assert held == written
    assert hash(held) == hash(written)
    assert pickle.loads(pickle.dumps(held)) == written
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        held.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_copies_pickles_and_replaced_settings() -> None:
    config = DetectorConfig(thresholds=(0.1, 0.2, 0.3), max_faces=3)
    assert pickle.loads(pickle.dumps(config)) == config
    assert copy.deepcopy(config) == config
    assert dataclasses.replace(config, max_faces=None) == DetectorConfig(thresholds=(0.1, 0.2, 0.3))
    with pytest.raises(ConfigError, match=r"^factor must be"):
        dataclasses.replace(config, factor=2)
