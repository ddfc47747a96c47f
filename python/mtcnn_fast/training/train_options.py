"""`TrainOptions`: every setting of one network's training, its default and its check, in one place."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, get_args

from mtcnn_fast.checks import Choice, Count, Flag, Instance, Maybe, Number, Tuple, check_settings, setting
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.training.samples.augment import AugmentOptions
from mtcnn_fast.weights.spec import BOX_CODINGS, BoxCoding

Mining = Literal["online", "none", "offline"]
Optimizer = Literal["sgd", "adam"]
Schedule = Literal["constant", "step", "cosine"]
Amp = Literal["off", "float16", "bfloat16"]
Selection = Literal["best", "last"]

#: A share of something that is not left out.
SHARE = Number(0, 1, open_low=True)

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

    steps: int = setting(10_000, Count())
    batch_size: int = setting(448, Count())
    ratio: tuple[float, ...] = setting((3.0, 1.0, 1.0, 2.0), Tuple(Number(0), 4))
    seed: int = setting(0, Count(0))
    optimizer: Optimizer = setting("adam", Choice(get_args(Optimizer)))
    learning_rate: float = setting(0.001, Number(0))
    momentum: float = setting(0.9, Number(0, 1, open_high=True))
    weight_decay: float = setting(0.0, Number(0))
    warmup: int = setting(0, Count(0))
    schedule: Schedule = setting("cosine", Choice(get_args(Schedule)))
    milestones: tuple[float, ...] = setting((0.6, 0.85), Tuple(Number(0, 1, open_low=True, open_high=True)))
    gamma: float = setting(0.1, SHARE)
    alpha: tuple[float, ...] = setting(ALPHA["o"], Tuple(Number(0), 3))
    mining: Mining = setting("online", Choice(get_args(Mining)))
    keep: float = setting(0.7, SHARE)
    rounds: int = setting(3, Count())
    first_negatives: float = setting(0.25, SHARE)
    box_coding: BoxCoding = setting("corner", Choice(BOX_CODINGS))
    box_lambda: float = setting(0.0, Number(0))
    augment: bool = setting(True, Flag())
    augmentation: AugmentOptions = setting(AugmentOptions, Instance(AugmentOptions))
    device: str = setting("cpu", Instance(str, "cpu, cuda or cuda:N"))
    amp: Amp = setting("off", Choice(get_args(Amp)))
    threads: int | None = setting(None, Maybe(Count()))
    log_every: int = setting(50, Count())
    validate_every: int = setting(500, Count())
    checkpoint_every: int = setting(500, Count())
    patience: int | None = setting(None, Maybe(Count()))
    select: Selection = setting("best", Choice(get_args(Selection)))
    tensorboard: bool = setting(False, Flag())

    def __post_init__(self) -> None:
        check_settings(self)
        if not any(self.ratio):
            raise ConfigError(f"ratio must have a number above 0, got {self.ratio!r}")
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ConfigError(f"milestones must rise, got {self.milestones!r}")

    def replace(self, **changes: Any) -> TrainOptions:
        """Return a copy with some settings changed, validated anew."""
        known = {field.name for field in dataclasses.fields(self)}
        for name in changes:
            if name not in known:
                raise ConfigError(f"{name} is not a setting of training: there are {', '.join(sorted(known))}")
        return dataclasses.replace(self, **changes)
