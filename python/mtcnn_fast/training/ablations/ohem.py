"""Online hard example mining on and off: the loss of O-Net in validation (Zhang et al. 2016, figure 3a).

As in the paper, two O-Nets are trained for face classification alone, with the same initialisation, minibatches and
fixed learning rate; one takes its gradient of the hardest 70 % of each minibatch, the other of all. The loss in
validation is the mean cross-entropy over all samples, easy ones too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mtcnn_fast.training.ablations.cascade_cnn import CLASSIFICATION, StageSamples
from mtcnn_fast.training.ablations.curves import gather, write_csv
from mtcnn_fast.training.ablations.plots import plot_curves
from mtcnn_fast.training.ablations.runs import run
from mtcnn_fast.training.stage_networks import StageNetwork
from mtcnn_fast.training.train_options import Mining, TrainOptions

VARIANTS: dict[str, Mining] = {"with mining": "online", "without mining": "none"}


def ablate_ohem(samples: StageSamples, options: TrainOptions, seeds: Sequence[int], out: Path) -> list[dict[str, Any]]:
    """Train both variants with every seed; write ``ohem.csv`` and ``ohem.png``.

    Parameters
    ----------
    samples : StageSamples
        Of O-Net.
    options : TrainOptions
        Budget and optimiser; what the ablation varies or fixes is replaced.
    seeds : sequence of int
    out : Path

    Returns
    -------
    list of dict
        The rows of the CSV: ``variant``, ``seed``, ``step``, ``detection`` (the loss) and ``accuracy``.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    rows = []
    for seed in seeds:
        for variant, mining in VARIANTS.items():
            chosen = options.replace(mining=mining, seed=seed, select="last", **CLASSIFICATION)
            rows += run(variant, StageNetwork("o", seed=seed), samples, chosen, out)
    columns = ("variant", "seed", "step", "detection", "accuracy")
    rows = [{name: row[name] for name in columns} for row in rows]
    write_csv(out / "ohem.csv", rows)
    panels = {
        "face classification: loss in validation": gather(rows, "detection"),
        "face classification: accuracy in validation": gather(rows, "accuracy"),
    }
    plot_curves(out / "ohem.png", panels, f"O-Net with and without hard example mining, {len(seeds)} seeds")
    return rows
