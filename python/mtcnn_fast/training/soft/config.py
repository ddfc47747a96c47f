"""`SoftConfig`: what the table ``[soft]`` of a configuration says."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from mtcnn_fast.checks import Choice, Instance, Tuple, check_settings, setting
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.training.soft.options import (
    BalanceOptions,
    CalibrationOptions,
    MiningOptions,
    ObjectiveOptions,
    PNetOptions,
    SoftOptions,
    TileOptions,
)

#: Whose proposals a round learns from: those of the weights that come with the package, or of what is trained so far.
PROPOSERS = ("shipped", "own")

#: R-Net is to keep faces, however badly a window covers them; it has no landmarks.
_RNET = SoftOptions(
    batch_size=256,
    objective=ObjectiveOptions(label_of="window", ramp=(0.2, 0.45)),
    balance=BalanceOptions(image=0.2, face=0.5, least_error=0.04),
)

Options = TypeVar("Options")


@dataclasses.dataclass(frozen=True, slots=True)
class SoftConfig:
    """Settings of the soft-label recipe.

    Attributes
    ----------
    proposers : tuple of str
        One of `PROPOSERS` for each round of mining and training. Windows of all rounds so far are trained on; P-Net is
        trained in the first round alone.
    tiles : TileOptions
    mining : MiningOptions
    p : PNetOptions
    r, o : SoftOptions
        Of each round.
    calibration : CalibrationOptions

    Raises
    ------
    ConfigError
        If `proposers` is not accepted.
    """

    proposers: tuple[str, ...] = setting(("own",), Tuple(Choice(PROPOSERS)))
    tiles: TileOptions = setting(TileOptions, Instance(TileOptions))
    mining: MiningOptions = setting(MiningOptions, Instance(MiningOptions))
    p: PNetOptions = setting(PNetOptions, Instance(PNetOptions))
    r: SoftOptions = setting(_RNET, Instance(SoftOptions))
    o: SoftOptions = setting(SoftOptions, Instance(SoftOptions))
    calibration: CalibrationOptions = setting(CalibrationOptions, Instance(CalibrationOptions))

    def with_device(self, device: str) -> SoftConfig:
        """Return a copy that trains every network on a device."""
        return dataclasses.replace(
            self,
            p=dataclasses.replace(self.p, device=device),
            r=dataclasses.replace(self.r, device=device),
            o=dataclasses.replace(self.o, device=device),
        )

    def __post_init__(self) -> None:
        check_settings(self)
        if not self.proposers:
            raise ConfigError(f"proposers must name {' or '.join(PROPOSERS)} for each round, got ()")


def parse_soft(table: Mapping[str, Any], seed: int) -> SoftConfig:
    """Make settings of the table ``[soft]``; `seed` is that of every network."""
    made: dict[str, Any] = {}
    plain: dict[str, Callable[..., Any]] = {
        "tiles": TileOptions,
        "mining": MiningOptions,
        "calibration": CalibrationOptions,
    }
    networks: dict[str, Any] = {"p": PNetOptions(), "r": _RNET, "o": SoftOptions()}
    for key, value in table.items():
        if key == "proposers":
            made[key] = value
        elif key in plain:
            made[key] = _changed(plain[key](), f"soft.{key}", value)
        elif key not in networks:
            known = ", ".join(sorted(("proposers", *plain, *networks)))
            raise ConfigError(f"unknown setting {key!r} in soft: there are {known}")
    for name, usual in networks.items():
        made[name] = _network(usual, f"soft.{name}", table.get(name, {}), seed)
    return SoftConfig(**made)


def _network(usual: Any, name: str, table: Any, seed: int) -> Any:
    nested = ("objective", "balance", "warp", "teacher")
    changes: dict[str, Any] = {}
    for key, value in _table(name, table).items():
        part = getattr(usual, key, None)
        changes[key] = _changed(part, f"{name}.{key}", value) if key in nested and part is not None else value
    if "seed" in changes:
        raise ConfigError(f"seed belongs at the top of the file, not into {name}")
    return _changed(usual, name, {**changes, "seed": seed})


def _changed(usual: Options, name: str, table: Any) -> Options:
    """Return settings with those of a table, or raise `ConfigError` with the key at fault."""
    fields = {field.name for field in dataclasses.fields(usual)}  # type: ignore[arg-type]
    changes = {key: tuple(value) if isinstance(value, list) else value for key, value in _table(name, table).items()}
    for key in changes:
        if key not in fields:
            raise ConfigError(f"unknown setting {key!r} in {name}: there are {', '.join(sorted(fields))}")
    try:
        return dataclasses.replace(usual, **changes)  # type: ignore[type-var]
    except ConfigError as error:
        raise ConfigError(f"{name}.{error}") from None


def _table(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{name} must be a table, got {value!r}")
    return value
