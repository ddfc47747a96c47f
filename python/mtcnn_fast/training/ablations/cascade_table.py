"""12-, 24- and 48-Net beside P-, R- and O-Net: speed and accuracy (Zhang et al. 2016, table I).

The plain networks of Li et al. 2015, without smaller ones inside, against those of MTCNN with the same window. All are
trained for face classification alone, on the same samples, in the same minibatches, for the same number of steps.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mtcnn_fast.evaluation.cascade_cnn.networks import Classifier, seeded
from mtcnn_fast.evaluation.reports import as_markdown
from mtcnn_fast.files import written_whole
from mtcnn_fast.training.ablations.cascade_cnn import CLASSIFICATION, StageSamples
from mtcnn_fast.training.ablations.curves import write_csv
from mtcnn_fast.training.ablations.plots import plot_bars
from mtcnn_fast.training.ablations.runs import run
from mtcnn_fast.training.stage_networks import StageNetwork
from mtcnn_fast.training.train_options import TrainOptions

#: Pairs with the same window, by the stage whose samples they are trained on.
PAIRS = {"p": ("12-Net", "P-Net"), "r": ("24-Net", "R-Net"), "o": ("48-Net", "O-Net")}

PASSES = 300

#: What the paper reports: seconds of 300 forward passes on its GPU, and accuracy in validation.
PUBLISHED = {
    "12-Net": (0.038, 0.944),
    "P-Net": (0.031, 0.946),
    "24-Net": (0.738, 0.951),
    "R-Net": (0.458, 0.954),
    "48-Net": (3.577, 0.932),
    "O-Net": (1.347, 0.954),
}


def make_network(name: str, seed: int) -> nn.Module:
    """Make one of the six networks with new parameters, all initialised in the same way."""
    stage = next(stage for stage, pair in PAIRS.items() if name in pair)
    if name in ("P-Net", "R-Net", "O-Net"):
        return StageNetwork(stage, landmarks=False, seed=seed)
    return seeded(lambda: Classifier(int(name.partition("-")[0])), seed)


def ablate_networks(
    samples: Mapping[str, StageSamples], options: Mapping[str, TrainOptions], seeds: Sequence[int], out: Path
) -> list[dict[str, Any]]:
    """Train and time the networks; write ``networks.csv``, ``networks.md`` and ``networks.png``.

    Parameters
    ----------
    samples : mapping of str to StageSamples
        By stage: ``p``, ``r``, ``o``; a stage that is not there is left out.
    options : mapping of str to TrainOptions
        Budget and optimiser of each stage; what the comparison fixes is replaced.
    seeds : sequence of int
    out : Path

    Returns
    -------
    list of dict
        The rows of the CSV, one a network and seed: ``network``, ``seed``, ``parameters``, ``accuracy``, ``loss`` (both
        in validation, after the last step) and ``seconds`` of 300 forward passes.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    rows = []
    for stage in samples:
        # The window is 12, 24 or 48 pixels; the two networks that share it are timed in turn.
        networks = {name: make_network(name, seeds[0]) for name in PAIRS[stage]}
        seconds = time_passes(networks, samples[stage].training.size)
        for seed in seeds:
            for name in PAIRS[stage]:
                network = make_network(name, seed)
                chosen = options[stage].replace(seed=seed, mining="none", select="last", **CLASSIFICATION)
                last = run(name, network, samples[stage], chosen, out)[-1]
                count = sum(parameter.numel() for parameter in network.parameters())
                figures = {"accuracy": last["accuracy"], "loss": last["detection"], "seconds": seconds[name]}
                rows.append({"network": name, "seed": seed, "parameters": count, **figures})
    write_csv(out / "networks.csv", rows)
    written_whole(out / "networks.md", table(rows).encode())
    _plot(out / "networks.png", rows)
    return rows


@torch.inference_mode()
def time_passes(networks: Mapping[str, nn.Module], size: int, repeats: int = 5) -> dict[str, float]:
    """Return for each network the seconds of 300 forward passes of one window each, with one thread.

    Seconds of the processor, so that waiting for it on a busy machine does not count; the median of several rounds, in
    which the networks take turns.
    """
    window = torch.zeros(1, 3, size, size, dtype=torch.float32, device="cpu")
    # As the networks of the Cascade CNN store it: the faster way for all of them.
    window = window.contiguous(memory_format=torch.channels_last)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rounds: dict[str, list[float]] = {name: [] for name in networks}
        for number in range(repeats + 1):
            for name, network in networks.items():
                network.eval()
                start = time.process_time()
                for _ in range(PASSES):
                    network(window)
                # The first round warms up.
                if number:
                    rounds[name].append(time.process_time() - start)
    finally:
        torch.set_num_threads(threads)
    return {name: float(np.median(values)) for name, values in rounds.items()}


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the comparison in Markdown: means over the seeds, beside what the paper reports."""
    columns = ["network", "parameters", "300 passes, s", "accuracy", "lowest", "highest", "paper: s", "paper: accuracy"]
    body = []
    for name, group in _by_network(rows).items():
        accuracies = [row["accuracy"] for row in group]
        spread = [float(np.mean(accuracies)), min(accuracies), max(accuracies)]
        body.append([name, group[0]["parameters"], group[0]["seconds"], *spread, *PUBLISHED[name]])
    return as_markdown(columns, body)


def _by_network(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["network"], []).append(row)
    return groups


def _plot(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    groups = _by_network(rows)
    seeds = len({row["seed"] for row in rows})
    panels = {
        f"seconds of {PASSES} forward passes, one thread": {n: [g[0]["seconds"]] for n, g in groups.items()},
        "accuracy in validation": {name: [row["accuracy"] for row in group] for name, group in groups.items()},
    }
    plot_bars(path, panels, f"Networks of the Cascade CNN and of MTCNN, {seeds} seeds")
