"""`Detector.from_preset`."""

from __future__ import annotations

import pytest

from mtcnn_fast import ConfigError, Detector, DetectorConfig
from mtcnn_fast.config import PRESETS


@pytest.mark.parametrize("name", list(PRESETS))
def test_presets_are_accepted_settings(name: str) -> None:
    assert Detector.from_preset(name, "numpy").config == DetectorConfig(**PRESETS[name])


def test_the_default_is_the_reference() -> None:
    assert Detector.from_preset("default", "numpy").config == Detector("numpy").config


def test_presets_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        PRESETS["fast"] = {}  # type: ignore[index]
    with pytest.raises(TypeError):
        PRESETS["fast"]["factor"] = 0.5  # type: ignore[index]


def test_the_faster_a_preset_the_larger_the_faces_it_looks_for() -> None:
    sizes = [PRESETS[name].get("min_face_size", 20) for name in ("fast", "balanced", "default", "accurate")]
    assert sizes == sorted(set(sizes), reverse=True)


def test_further_settings_take_the_place_of_the_presets_own() -> None:
    config = Detector.from_preset("fast", "numpy", min_face_size=50, border="clip").config
    assert (config.min_face_size, config.border, config.factor) == (50, "clip", PRESETS["fast"]["factor"])


@pytest.mark.parametrize("name", ["slow", "", None, ["fast"]])
def test_unknown_presets_are_named(name: object) -> None:
    with pytest.raises(ConfigError, match="name must be one of default, balanced, fast, accurate, got"):
        Detector.from_preset(name, "numpy")  # type: ignore[arg-type]
