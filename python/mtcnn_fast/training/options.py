"""`TrainOptions`: every setting of one network's training, its default and its check, in one place."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from mtcnn_fast.checks import check_count, check_number
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.training.samples.augment import AugmentOptions
from mtcnn_fast.weights.spec import BOX_CODINGS, BoxCoding

Mining = Literal["online", "none", "offline"]
Optimizer = Literal["sgd", "adam"]
Schedule = Literal["constant", "step", "cosine"]
Amp = Literal["off", "float16", "bfloat16"]
Selection = Literal["best", "last"]

#: Weights of the losses of detection, box and landmarks in each stage (Zhang et al. 2016, section II.C).
ALPHA: Mapping[str, tuple[float, float, float]] = {
    "p": (1.0, 0.5, 0.5),
    "r": (1.0, 0.5, 0.5),
    "o": (1.0, 0.5, 1.0),
}


@dataclasses.dataclass(frozen=True, slots=True)
class TrainOptions:
    """Settings of `train_network`, validated on construction and immutable afterwards.

    Attributes
    ----------
    steps : int
        Minibatches to train on, in all.
    batch_size : int
        Samples in a minibatch, over all processes.
    ratio : tuple of 4 float
        Shares of negatives, positives, parts and landmark faces in a minibatch. A kind of which there is no sample gets
        none, and the others divide the minibatch among them.
    seed : int
        Of the order of the samples and of their augmentation.
    optimizer : {"adam", "sgd"}
    learning_rate : float
    momentum : float
        Of ``sgd``, in [0, 1).
    weight_decay : float
        Added to the gradient times each parameter, as torch's optimizers do.
    warmup : int
        Steps over which the learning rate rises to its full value.
    schedule : {"cosine", "step", "constant"}
        How the learning rate falls after that: along half a cosine to zero; by `gamma` at each of `milestones`; not.
    milestones : tuple of float
        For ``step``: shares of `steps`, rising, each in (0, 1).
    gamma : float
        For ``step``: the factor, in (0, 1].
    alpha : tuple of 3 float
        Weights of the losses of detection, box and landmarks.
    mining : {"online", "none", "offline"}
        ``online`` takes the gradient of the hardest samples of each minibatch alone, ``none`` of all, ``offline`` is
        bootstrapping: it begins with a few of the negatives and adds those found to be false positives.
    keep : float
        For ``online``: the share of a minibatch's classified samples that count, in (0, 1].
    rounds : int
        For ``offline``: how often it trains, in all; `steps` are divided among them.
    first_negatives : float
        For ``offline``: the share of the negatives that it begins with, in (0, 1].
    box_coding : {"corner", "rcnn"}
        What the network is to return for a box.
    box_lambda : float
        Times the squared weights of the box head, added to the loss (the R-CNN form's regularisation).
    augment : bool
        Whether to flip and to change brightness, contrast and color at random.
    augmentation : AugmentOptions
        How much.
    device : str
        ``cpu``, ``cuda`` or ``cuda:N``. Under torchrun ``cuda`` takes a device a process.
    amp : {"off", "float16", "bfloat16"}
        The type that convolutions and products are computed in.
    threads : int or None
        Of torch on the CPU; None leaves its own choice.
    log_every, validate_every, checkpoint_every : int
        In steps.
    patience : int or None
        Stop after so many validations in a row that were no better; None never does.
    select : {"best", "last"}
        Which weights to end with: those with the lowest loss in validation, or the last.
    tensorboard : bool
        Whether to write logs for TensorBoard too.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of range; it names the setting, the value and what is accepted.
    """

    steps: int = 10_000
    batch_size: int = 448
    ratio: tuple[float, ...] = (3.0, 1.0, 1.0, 2.0)
    seed: int = 0
    optimizer: Optimizer = "adam"
    learning_rate: float = 0.001
    momentum: float = 0.9
    weight_decay: float = 0.0
    warmup: int = 0
    schedule: Schedule = "cosine"
    milestones: tuple[float, ...] = (0.6, 0.85)
    gamma: float = 0.1
    alpha: tuple[float, ...] = ALPHA["o"]
    mining: Mining = "online"
    keep: float = 0.7
    rounds: int = 3
    first_negatives: float = 0.25
    box_coding: BoxCoding = "corner"
    box_lambda: float = 0.0
    augment: bool = True
    augmentation: AugmentOptions = dataclasses.field(default_factory=AugmentOptions)
    device: str = "cpu"
    amp: Amp = "off"
    threads: int | None = None
    log_every: int = 50
    validate_every: int = 500
    checkpoint_every: int = 500
    patience: int | None = None
    select: Selection = "best"
    tensorboard: bool = False

    def __post_init__(self) -> None:
        counts = ("steps", "batch_size", "rounds", "log_every", "validate_every", "checkpoint_every")
        for name in counts:
            self._put(name, check_count(name, getattr(self, name)))
        for name in ("threads", "patience"):
            if getattr(self, name) is not None:
                self._put(name, check_count(name, getattr(self, name)))
        for name in ("seed", "warmup"):
            self._put(name, whole_number(name, getattr(self, name)))
        for name in ("learning_rate", "momentum", "weight_decay", "box_lambda"):
            self._put(name, check_number(name, getattr(self, name), low=0.0))
        for name in ("keep", "first_negatives", "gamma"):
            self._put(name, share(name, getattr(self, name)))
        if self.momentum >= 1:
            raise ConfigError(f"momentum must be at least 0 and below 1, got {self.momentum!r}")
        choices: dict[str, tuple[str, ...]] = {
            "optimizer": get_args(Optimizer),
            "schedule": get_args(Schedule),
            "mining": get_args(Mining),
            "box_coding": BOX_CODINGS,
            "amp": get_args(Amp),
            "select": get_args(Selection),
        }
        for name, accepted in choices.items():
            choice(name, getattr(self, name), accepted)
        for name in ("augment", "tensorboard"):
            flag(name, getattr(self, name))
        if not isinstance(self.augmentation, AugmentOptions):
            raise ConfigError(f"augmentation must be AugmentOptions, got {self.augmentation!r}")
        self._put("ratio", numbers("ratio", self.ratio, 4))
        if not any(self.ratio):
            raise ConfigError(f"ratio must have a number above 0, got {self.ratio!r}")
        self._put("alpha", numbers("alpha", self.alpha, 3))
        self._put("milestones", numbers("milestones", self.milestones, None))
        self._check_milestones()
        if not isinstance(self.device, str) or not self.device:
            raise ConfigError(f"device must be cpu, cuda or cuda:N, got {self.device!r}")

    def _put(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _check_milestones(self) -> None:
        inside = all(0 < share < 1 for share in self.milestones)
        if not inside or list(self.milestones) != sorted(set(self.milestones)):
            raise ConfigError(f"milestones must be rising shares of steps between 0 and 1, got {self.milestones!r}")

    def replace(self, **changes: Any) -> TrainOptions:
        """Return a copy with some settings changed, validated anew."""
        known = {field.name for field in dataclasses.fields(self)}
        for name in changes:
            if name not in known:
                raise ConfigError(f"{name} is not a setting of training: there are {', '.join(sorted(known))}")
        return dataclasses.replace(self, **changes)


def whole_number(name: str, value: object) -> int:
    """Return an integer of at least 0, or raise `ConfigError`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ConfigError(f"{name} must be a whole number of at least 0, got {value!r}")
    return value


def share(name: str, value: object) -> float:
    """Return a number above 0 and at most 1, or raise `ConfigError`."""
    result = check_number(name, value)
    if not 0 < result <= 1:
        raise ConfigError(f"{name} must be above 0 and at most 1, got {value!r}")
    return result


def choice(name: str, value: object, accepted: Sequence[str]) -> str:
    """Return a text that is one of several, or raise `ConfigError`."""
    if not isinstance(value, str) or value not in accepted:
        raise ConfigError(f"{name} must be one of {', '.join(accepted)}, got {value!r}")
    return value


def flag(name: str, value: object) -> bool:
    """Return a bool, or raise `ConfigError`."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} must be true or false, got {value!r}")
    return value


def numbers(name: str, values: object, count: int | None) -> tuple[float, ...]:
    """Return a tuple of numbers of at least 0, or raise `ConfigError`."""
    accepted = f"{name} must be {'' if count is None else f'{count} '}numbers of at least 0"
    if not isinstance(values, (list, tuple)) or (count is not None and len(values) != count):
        raise ConfigError(f"{accepted}, got {values!r}")
    result = tuple(check_number(f"{name}[{i}]", value) for i, value in enumerate(values))
    if any(value < 0 or not math.isfinite(value) for value in result):
        raise ConfigError(f"{accepted}, got {values!r}")
    return result
