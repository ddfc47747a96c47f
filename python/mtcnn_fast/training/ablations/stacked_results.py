"""What the networks of `benchmarks/ablations.py` are worth: their judgement of windows, and statistics over seeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from mtcnn_fast._types import Bools, Doubles
from mtcnn_fast.errors import DataError
from mtcnn_fast.optional import require
from mtcnn_fast.training.stage_networks import StageNetwork

#: Confidence of every interval.
CONFIDENCE = 0.95

#: Factors of the logits that `judgement` tries.
_FACTORS = np.geomspace(0.1, 10, 401)

#: What a negative counts beside a positive, as in a minibatch.
_NEGATIVE_WEIGHT = 3.0

#: Share of the samples that hard example mining leaves out, and what rounding may add to a sum of weights.
_EASY = 0.3 + 1e-9


def read_networks(folder: Path) -> dict[tuple[str, int], StageNetwork]:
    """Read the O-Nets of a long ablation by variant and seed, in the order of their names.

    Raises
    ------
    DataError
        If there are none.
    """
    from safetensors.torch import load_file

    states: dict[tuple[str, int], dict[str, torch.Tensor]] = {}
    for path in sorted(folder.glob("networks-*.safetensors")):
        for name, value in load_file(path).items():
            variant, seed, parameter = name.split("/")
            states.setdefault((variant, int(seed)), {})[parameter] = value.float()
    if not states:
        raise DataError("holds no networks-*.safetensors", folder)
    networks = {}
    for key in sorted(states):
        networks[key] = StageNetwork("o")
        networks[key].net.load_state_dict(states[key])
        networks[key].eval()
    return networks


class Judgement(NamedTuple):
    """How a network tells faces from the rest.

    Attributes
    ----------
    loss : float
        Mean cross-entropy, where negatives together weigh three times as much as positives, as in a minibatch.
    accuracy : float
        Share of right classifications, weighted alike.
    ranking : float
        Share of pairs of a positive and a negative of which the positive has the higher score (the area under the
        ROC curve); a tie is half.
    rescaled_loss : float
        The loss once the logits are multiplied by the one factor that makes it least: what is left of it where a
        network is as certain as it should be.
    factor : float
        That factor; above 1 where the network is less certain than it could be.
    easy_gradient : float
        Of the gradient of the loss by the margins, the share, in absolute values, of the samples with the lowest losses
        that are 30 % by weight: what hard example mining leaves out.
    """

    loss: float
    accuracy: float
    ranking: float
    rescaled_loss: float
    factor: float
    easy_gradient: float


def judgement(margins: Doubles, faces: Bools) -> Judgement:
    """Measure a network's judgement.

    Parameters
    ----------
    margins : (n,) ndarray
        Logit of face less logit of no face.
    faces : (n,) bool ndarray
        Which windows are positives; there must be both.
    """
    weights = np.where(faces, 1 / faces.sum(), _NEGATIVE_WEIGHT / (~faces).sum())
    weights /= weights.sum()
    wrong = np.where(faces, -margins, margins)
    losses = [float(weights @ np.logaddexp(0, factor * wrong)) for factor in _FACTORS]
    least = int(np.argmin(losses))
    gradient = weights / (1 + np.exp(-wrong))
    order = np.argsort(wrong)
    easy = order[weights[order].cumsum() <= _EASY]
    negatives = np.sort(margins[~faces])
    below = [np.searchsorted(negatives, margins[faces], side).mean() for side in ("left", "right")]
    return Judgement(
        float(weights @ np.logaddexp(0, wrong)),
        float(weights @ ((margins > 0) == faces)),
        float(np.mean(below)) / len(negatives),
        losses[least],
        float(_FACTORS[least]),
        float(gradient[easy].sum() / gradient.sum()),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over seeds and its 95 % interval by Student's t; `p` of a difference, two-sided, for a mean of zero."""

    mean: float
    low: float
    high: float
    p: float


def estimate(values: Sequence[float]) -> Estimate:
    """Estimate a mean from two or more seeds.

    Raises
    ------
    MissingExtraError
        If scipy is not installed.
    """
    stats = require("scipy.stats", "statistics over seeds")
    found = stats.ttest_1samp(np.asarray(values, np.float64), 0.0)
    low, high = found.confidence_interval(CONFIDENCE)
    return Estimate(float(np.mean(values)), float(low), float(high), float(found.pvalue))


def difference(rows: Sequence[Mapping[str, Any]], figure: str, one: str, other: str) -> Estimate:
    """Estimate how much more one variant has of a figure than another, seed by seed: a paired t-test.

    Raises
    ------
    DataError
        If the two have not the same seeds.
    """
    first, second = (
        {int(row["seed"]): float(row[figure]) for row in rows if row["variant"] == variant} for variant in (one, other)
    )
    if not first or first.keys() != second.keys():
        raise DataError(f"{one!r} and {other!r} must have the same seeds, got {sorted(first)} and {sorted(second)}")
    return estimate([first[seed] - second[seed] for seed in first])
