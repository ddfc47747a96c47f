"""What the ablations have in common: a network trained with several seeds, and what its validation gave."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from mtcnn_fast._types import Indices
from mtcnn_fast.training.ablations.cascade_cnn import StageSamples
from mtcnn_fast.training.loop import train_network
from mtcnn_fast.training.samples.sample_set import SampleKind
from mtcnn_fast.training.train_options import TrainOptions


def spread(indices: Indices, most: int) -> Indices:
    """Return at most so many of the indices, evenly over them."""
    places = np.unique(np.linspace(0, len(indices) - 1, min(most, len(indices))).astype(np.int64))
    return np.asarray(indices[places])


def measured_on(samples: StageSamples, most: int, kinds: Sequence[SampleKind] = tuple(SampleKind)) -> StageSamples:
    """Return samples with at most so many of each of some kinds to measure on, spread evenly over the set."""
    chosen = [spread(samples.validation.indices_of(kind), most) for kind in kinds]
    return StageSamples(samples.training, samples.validation.subset(np.concatenate(chosen)))


def run(
    variant: str, network: nn.Module, samples: StageSamples, options: TrainOptions, out: Path | None
) -> list[dict[str, Any]]:
    """Train a network in place; return a row for each validation: variant, seed, and figures of `train_network`.

    `out` is the ablation's folder: a run that is there already is not repeated, one that was interrupted continues.
    """
    folder = None if out is None else out / "runs" / variant.lower().replace(" ", "-") / f"seed-{options.seed}"
    name = f"{variant}, seed {options.seed}"
    result = train_network(network, samples.training, samples.validation, options, folder, name=name)
    return [{"variant": variant, "seed": options.seed, **row, "step": int(row["step"])} for row in result.history]
