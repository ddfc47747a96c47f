"""`TrainingConfig`: a TOML file that says what the whole cascade is trained on, and how (docs/training.md)."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from mtcnn_fast.checks import Choice, Count, Flag, Instance, Maybe, Number, check_settings, setting
from mtcnn_fast.config import is_named
from mtcnn_fast.errors import ConfigError, file_error
from mtcnn_fast.training.comparison import ValidationSet
from mtcnn_fast.training.data_sources import DataOptions, DataSource
from mtcnn_fast.training.samples.augment import AugmentOptions
from mtcnn_fast.training.samples.sample_options import SampleOptions
from mtcnn_fast.training.soft.config import SoftConfig, parse_soft
from mtcnn_fast.training.train_options import ALPHA, TrainOptions
from mtcnn_fast.weights.spec import BOX_CODINGS, NETWORKS, BoxCoding

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Options = TypeVar("Options", TrainOptions, SampleOptions, AugmentOptions, DataSource)

Recipe = Literal["paper", "soft"]

#: Settings of a stage that are the same for all, and so are given once at the top.
_SHARED = ("seed", "box_coding")


@dataclasses.dataclass(frozen=True, slots=True)
class StageConfig:
    """Settings of one network.

    Attributes
    ----------
    train : TrainOptions
    samples : SampleOptions
    """

    train: TrainOptions
    samples: SampleOptions


@dataclasses.dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Settings of the training of a cascade.

    Attributes
    ----------
    data : DataOptions
    stages : mapping of str to StageConfig
        By ``p``, ``r`` and ``o``.
    seed : int
        Of initial weights, samples, their order and augmentation.
    init : str
        ``random``, ``shipped`` for the weights that come with the package, or a path of weights.
    box_coding : {"corner", "rcnn"}
    landmarks : bool
        Whether P-Net and R-Net are trained for landmarks too.
    workers : int or None
        Processes that make samples; None takes as many as there are processors, or one with ``soft``.
    recipe : {"paper", "soft"}
        How the networks are trained: as in Zhang et al. 2016, by `stages`; or on soft labels, by `soft`.
    soft : SoftConfig or None
    validation : ValidationSet or None
        What the finished weights are compared on with the shipped ones.
    """

    data: DataOptions
    stages: Mapping[str, StageConfig]
    seed: int = setting(0, Count(0))
    init: str = setting("random", Instance(str, "random, shipped, the name or a path of weights"))
    box_coding: BoxCoding = setting("corner", Choice(BOX_CODINGS))
    landmarks: bool = setting(True, Flag())
    workers: int | None = setting(None, Maybe(Count()))
    recipe: Recipe = setting("paper", Choice(get_args(Recipe)))
    soft: SoftConfig | None = None
    validation: ValidationSet | None = None

    def __post_init__(self) -> None:
        check_settings(self)

    def stage(self, name: str) -> StageConfig:
        """Return a stage's settings with those filled in that are given once for all."""
        stage = self.stages[name]
        return dataclasses.replace(stage, train=stage.train.replace(seed=self.seed, box_coding=self.box_coding))

    def with_device(self, device: str) -> TrainingConfig:
        """Return a copy that trains every stage on a device."""
        stages = {
            name: dataclasses.replace(stage, train=stage.train.replace(device=device))
            for name, stage in self.stages.items()
        }
        soft = None if self.soft is None else self.soft.with_device(device)
        return dataclasses.replace(self, stages=stages, soft=soft)


def load_config(path: str | os.PathLike[str], *, data: str | os.PathLike[str] | None = None) -> TrainingConfig:
    """Read a TOML file.

    Parameters
    ----------
    path : path-like or str
    data : path-like or str, optional
        The folder that paths of data are relative to, in place of what the file says.

    Raises
    ------
    ConfigError
        If the file is missing or not TOML, or a setting is unknown or not accepted; the message names file and setting.
    """
    file = Path(path)
    table = read_toml(file)
    try:
        return parse_config(table, file.parent, data=data)
    except ConfigError as error:
        raise ConfigError(f"{str(file)!r}: {error}") from None


def read_toml(file: Path) -> dict[str, Any]:
    """Read a TOML file, or raise `ConfigError` that names it."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise file_error(ConfigError, error, f"{str(file)!r} cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{str(file)!r} is not TOML: {error}") from error


def parse_config(
    table: Mapping[str, Any], folder: Path, *, data: str | os.PathLike[str] | None = None
) -> TrainingConfig:
    """Make settings of a table like that in a TOML file; paths in it are relative to `folder`."""
    top = {field.name for field in dataclasses.fields(TrainingConfig)} - {"stages"}
    check_keys("", table, top | {"train", "samples", *NETWORKS})
    common = {kind: as_table(kind, table.get(kind, {})) for kind in ("train", "samples")}
    stages = {name: _stage(name, common, as_table(name, table.get(name, {}))) for name in NETWORKS}
    settings = {key: table[key] for key in top - {"data", "soft", "validation"} if key in table}
    init = settings.get("init", "random")
    if isinstance(init, str) and init not in ("random", "shipped") and not is_named(init):
        settings["init"] = str(folder / init)
    sources = _data(as_table("data", table.get("data", {})), folder, data)
    if settings.get("recipe") == "soft":
        settings["soft"] = parse_soft(as_table("soft", table.get("soft", {})), settings.get("seed", 0))
    elif "soft" in table:
        raise ConfigError("soft is for recipe = 'soft'")
    if "validation" in table:
        settings["validation"] = _validation(as_table("validation", table["validation"]), sources.root)
    return TrainingConfig(sources, stages, **settings)


def _stage(name: str, common: Mapping[str, Mapping[str, Any]], own: Mapping[str, Any]) -> StageConfig:
    check_keys(name, own, {"train", "samples"})
    tables = {kind: {**common[kind], **as_table(f"{name}.{kind}", own.get(kind, {}))} for kind in common}
    for key in _SHARED:
        if key in tables["train"]:
            raise ConfigError(f"{key} belongs at the top of the file, not into train")
    train = {"alpha": ALPHA[name], **tables["train"]}
    if "augmentation" in train:
        given = as_table("augmentation", train["augmentation"])
        train["augmentation"] = make_options(AugmentOptions, f"{name}.train.augmentation", given)
    return StageConfig(
        make_options(TrainOptions, f"{name}.train", train),
        make_options(SampleOptions, f"{name}.samples", tables["samples"]),
    )


def _data(table: Mapping[str, Any], folder: Path, root: str | os.PathLike[str] | None) -> DataOptions:
    check_keys("data", table, {"root", "held_out", "sets"})
    sets = table.get("sets", [])
    if not isinstance(sets, list) or not sets:
        raise ConfigError(f"data.sets must be one or more tables [[data.sets]], got {sets!r}")
    sources = [make_options(DataSource, "data.sets", as_table("data.sets", entry)) for entry in sets]
    given = table.get("root", ".")
    if not isinstance(given, str):
        raise ConfigError(f"data.root must be a folder, got {given!r}")
    held_out = Number(0, 1, open_high=True)("data.held_out", table.get("held_out", 0.1))
    return DataOptions(tuple(sources), Path(root) if root is not None else folder / given, held_out)


def _validation(table: Mapping[str, Any], root: Path) -> ValidationSet:
    if set(table) != {"annotation", "images"} or not all(isinstance(value, str) for value in table.values()):
        raise ConfigError(f"validation must have the paths annotation and images and nothing else, got {dict(table)!r}")
    return ValidationSet(root / table["annotation"], root / table["images"])


def make_options(kind: type[Options], name: str, table: Mapping[str, Any]) -> Options:
    """Make settings of a table, or raise `ConfigError` with the key at fault."""
    check_keys(name, table, {field.name for field in dataclasses.fields(kind)})
    make: Callable[..., Options] = kind
    try:
        return make(**{key: tuple(value) if isinstance(value, list) else value for key, value in table.items()})
    except ConfigError as error:
        raise ConfigError(f"{name}.{error}") from None
    except TypeError as error:
        raise ConfigError(f"{name} lacks a setting: {error}") from None


def as_table(name: str, value: object) -> Mapping[str, Any]:
    """Return a value that must be a table, or raise `ConfigError`."""
    if not isinstance(value, Mapping):
        raise ConfigError(f"{name} must be a table, got {value!r}")
    return value


def check_keys(name: str, table: Mapping[str, Any], known: set[str]) -> None:
    """Raise `ConfigError` for a key that is not known."""
    for key in table:
        if key not in known:
            where = f" in {name}" if name else ""
            raise ConfigError(f"unknown setting {key!r}{where}: there are {', '.join(sorted(known))}")
