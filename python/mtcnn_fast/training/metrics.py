"""How well a network does on samples: the losses of each task, and the share of right classifications."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from mtcnn_fast.training.batches import network_input, ordered_batches
from mtcnn_fast.training.distributed import ProcessGroup, current_group
from mtcnn_fast.training.losses import (
    BOX_KINDS,
    DETECTION_KINDS,
    LANDMARK_KINDS,
    Outputs,
    SampleLosses,
    Targets,
    sample_losses,
)
from mtcnn_fast.training.mining import EVALUATION_BATCH
from mtcnn_fast.training.samples.sample_set import SampleKind, SampleSet
from mtcnn_fast.training.train_options import TrainOptions

#: Columns of the sums: a task each, and right classifications.
_TASKS = {"detection": DETECTION_KINDS, "box": BOX_KINDS, "landmark": LANDMARK_KINDS, "accuracy": DETECTION_KINDS}


def kind_sums(outputs: Outputs, losses: SampleLosses, targets: Targets) -> Tensor:
    """Sum losses and right classifications by kind of sample.

    Returns
    -------
    Tensor of float64, shape (4, 5)
        A row each `SampleKind`: losses of detection, box and landmarks, right classifications, samples.
    """
    faces = targets.kinds == int(SampleKind.POSITIVE)
    right = ((outputs.logits[:, 1] > outputs.logits[:, 0]) == faces) & losses.in_detection
    zero = torch.zeros_like(losses.detection)
    parts = (losses.detection, losses.box, losses.landmark, right, torch.ones_like(zero))
    columns = torch.stack([(zero if part is None else part).detach().double() for part in parts], dim=1)
    return columns.new_zeros(len(SampleKind), len(parts)).index_add_(0, targets.kinds, columns)


def summary(sums: Tensor, ratio: tuple[float, ...], alpha: tuple[float, ...]) -> dict[str, float]:
    """Weigh the kinds of samples as a minibatch does, whatever their numbers.

    Parameters
    ----------
    sums : Tensor of shape (4, 5)
        Of `kind_sums`.
    ratio, alpha : tuple of float
        Of the kinds in a minibatch, and of the tasks in the loss.

    Returns
    -------
    dict of str to float
        ``loss``, what training without mining minimises; ``detection``, ``box`` and ``landmark``, the mean loss of a
        sample that takes part in the task; ``accuracy``, the share of right classifications. Zero for a task that no
        sample takes part in.
    """
    table = sums.cpu().numpy()
    present = [kind for kind in SampleKind if table[kind, 4] > 0 and ratio[kind] > 0]
    shares = {kind: ratio[kind] / sum(ratio[other] for other in present) for kind in present}
    means: dict[str, float] = {}
    loss = 0.0
    for column, (task, kinds) in enumerate(_TASKS.items()):
        taking_part = [kind for kind in kinds if kind in shares]
        weight = sum(shares[kind] for kind in taking_part)
        total = float(sum(shares[kind] * table[kind, column] / table[kind, 4] for kind in taking_part))
        means[task] = total / weight if weight else 0.0
        if task != "accuracy":
            loss += alpha[column] * total
    return {"loss": loss, **means}


def evaluate_network(
    network: nn.Module,
    samples: SampleSet,
    options: TrainOptions,
    *,
    device: torch.device | None = None,
    group: ProcessGroup | None = None,
) -> dict[str, float]:
    """Measure a network on all samples of a set, without augmentation.

    Parameters
    ----------
    network : Module
        Returns `Outputs`, or a tuple like it.
    samples : SampleSet
    options : TrainOptions
        `ratio`, `alpha` and `box_coding` matter.
    device : torch.device, optional
        Where the network is; the CPU by default.
    group : ProcessGroup, optional
        Of processes that share the work.

    Returns
    -------
    dict of str to float
        See `summary`.
    """
    device = device or torch.device("cpu")
    group = group or current_group()
    everything = np.arange(len(samples), dtype=np.int64)
    sums = torch.zeros(len(SampleKind), len(_TASKS) + 1, dtype=torch.float64, device=device)
    training = network.training
    network.eval()
    with torch.inference_mode():
        part = everything[group.part(len(everything))]
        for minibatch in ordered_batches(samples, part, EVALUATION_BATCH, options.box_coding):
            targets = Targets(*(tensor.to(device) for tensor in minibatch.targets))
            outputs = Outputs(*network(network_input(minibatch.images.to(device))))
            sums += kind_sums(outputs, sample_losses(outputs, targets), targets)
    network.train(training)
    return summary(group.sum(sums), options.ratio, options.alpha)
