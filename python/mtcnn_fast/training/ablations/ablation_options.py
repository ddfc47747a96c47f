"""`AblationConfig`: a TOML file that says with what samples, seeds and budget the ablations are run."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mtcnn_fast._paths import is_folder
from mtcnn_fast.checks import Count
from mtcnn_fast.errors import ConfigError, DataError
from mtcnn_fast.training.ablations.cascade_cnn import StageSamples
from mtcnn_fast.training.ablations.runs import measured_on
from mtcnn_fast.training.config import as_table, check_keys, make_options, read_toml
from mtcnn_fast.training.samples.sample_set import SampleKind, SampleSet
from mtcnn_fast.training.train_options import TrainOptions
from mtcnn_fast.weights.spec import NETWORKS

#: Tables of budgets: of the two ablations of O-Net, and of what trains a network of every stage.
_BUDGETS = ("ohem", "alignment", "networks", "cascadecnn")

#: Those with a budget for each stage.
_BY_STAGE = ("networks", "cascadecnn")


@dataclasses.dataclass(frozen=True, slots=True)
class AblationConfig:
    """Settings of all ablations.

    Attributes
    ----------
    samples : Path
        The folder ``samples`` that ``mtcnn-fast train`` leaves: ``p/training``, ``p/validation`` and so on.
    seeds : tuple of int
        Of initial weights, order and augmentation; every variant is trained with each.
    measured : int
        Most samples of each kind that are measured on.
    fddb : (Path, Path) or None
        Images of FDDB and ``FDDB-folds``, for the ablation of joint alignment.
    budgets : mapping of str to mapping of str to TrainOptions
        By the name of the ablation and the stage, ``p``, ``r`` or ``o``.
    """

    samples: Path
    budgets: Mapping[str, Mapping[str, TrainOptions]]
    seeds: tuple[int, ...] = (0, 1)
    measured: int = 1000
    fddb: tuple[Path, Path] | None = None

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ConfigError(f"seeds must be one or more different whole numbers, got {self.seeds!r}")
        for seed in self.seeds:
            Count(0)("each of seeds", seed)
        Count()("measured", self.measured)

    def stage(self, name: str, kinds: Sequence[SampleKind] = tuple(SampleKind)) -> StageSamples:
        """Open the samples of a stage, some kinds of them to measure on.

        Raises
        ------
        DataError
            If there are none, or they are not complete.
        """
        folders = [self.samples / name / part for part in ("training", "validation")]
        for folder in folders:
            if not is_folder(folder):
                raise DataError("there are no samples here: mtcnn-fast train makes them", folder)
        opened = StageSamples(*(SampleSet.open(folder, verify=False) for folder in folders))
        return measured_on(opened, self.measured, kinds)


def load_ablations(
    path: str | os.PathLike[str],
    *,
    samples: str | os.PathLike[str] | None = None,
    fddb: tuple[Path, Path] | None = None,
) -> AblationConfig:
    """Read a TOML file; paths in it are relative to its folder.

    Parameters
    ----------
    path : path-like or str
    samples, fddb : optional
        In place of what the file says.

    Raises
    ------
    ConfigError
        If the file is missing or not TOML, or a setting is unknown or not accepted; the message names file and setting.
    """
    file = Path(path)
    table = read_toml(file)
    try:
        check_keys("", table, {"samples", "seeds", "measured", "fddb", *_BUDGETS})
        settings: dict[str, Any] = {key: table[key] for key in ("seeds", "measured") if key in table}
        if isinstance(settings.get("seeds"), list):
            settings["seeds"] = tuple(settings["seeds"])
        given = file.parent / _text("samples", table.get("samples", "")) if samples is None else Path(samples)
        budgets = {name: _budget(name, as_table(name, table.get(name, {}))) for name in _BUDGETS}
        return AblationConfig(given, budgets, fddb=_fddb(table, file.parent) if fddb is None else fddb, **settings)
    except ConfigError as error:
        raise ConfigError(f"{str(file)!r}: {error}") from None


def _budget(name: str, table: Mapping[str, Any]) -> dict[str, TrainOptions]:
    """Read what is common to all stages, and what is a stage's own."""
    if name not in _BY_STAGE:
        return {"o": make_options(TrainOptions, name, table)}
    common = {key: value for key, value in table.items() if key not in NETWORKS}
    own = {stage: as_table(f"{name}.{stage}", table.get(stage, {})) for stage in NETWORKS}
    return {stage: make_options(TrainOptions, f"{name}.{stage}", {**common, **own[stage]}) for stage in NETWORKS}


def _fddb(table: Mapping[str, Any], folder: Path) -> tuple[Path, Path] | None:
    if "fddb" not in table:
        return None
    given = as_table("fddb", table["fddb"])
    check_keys("fddb", given, {"images", "annotation"})
    images, annotation = (folder / _text(f"fddb.{key}", given.get(key)) for key in ("images", "annotation"))
    return images, annotation


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{name} must be a path, got {value!r}")
    return value
