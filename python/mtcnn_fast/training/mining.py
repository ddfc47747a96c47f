"""Bootstrapping, the classical way to find hard examples: train, collect the false positives, train again.

Sung and Poggio, "Example-based learning for view-based human face detection", 1998. It is here for comparison with the
online mining of MTCNN, which is `losses.hard_examples`.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import nn

from mtcnn_fast._types import Indices
from mtcnn_fast.training.batches import network_input, ordered_batches
from mtcnn_fast.training.distributed import ProcessGroup
from mtcnn_fast.training.losses import Outputs
from mtcnn_fast.training.samples.sample_set import SampleKind, SampleSet
from mtcnn_fast.training.train_options import TrainOptions

#: Samples that a network sees at once where no gradient is wanted.
EVALUATION_BATCH = 1024


def rounds(options: TrainOptions) -> list[range]:
    """Return the steps of each round: one with all of them, unless mining is offline."""
    count = min(options.rounds, options.steps) if options.mining == "offline" else 1
    edges = [options.steps * i // count for i in range(count + 1)]
    return [range(start, stop) for start, stop in itertools.pairwise(edges)]


def first_negatives(samples: SampleSet, options: TrainOptions) -> Indices:
    """Return the negatives that training begins with: all, or for offline mining a random share of them, ascending."""
    negatives = samples.indices_of(SampleKind.NEGATIVE)
    if options.mining != "offline" or not len(negatives):
        return negatives
    count = max(1, round(options.first_negatives * len(negatives)))
    rng = np.random.default_rng((options.seed, 2))
    return np.sort(rng.choice(negatives, count, replace=False))


def with_false_positives(
    network: nn.Module, samples: SampleSet, active: Indices, device: torch.device, group: ProcessGroup
) -> Indices:
    """Add the negatives that the network takes for faces.

    Parameters
    ----------
    network : Module
        As trained so far.
    samples : SampleSet
    active : ndarray of int64
        The negatives that it was trained on.
    device : torch.device
    group : ProcessGroup
        Each process looks at its part.

    Returns
    -------
    ndarray of int64
        Ascending.
    """
    others = np.setdiff1d(samples.indices_of(SampleKind.NEGATIVE), active)
    if not len(others):
        return active
    part = others[group.part(len(others))]
    scores = [torch.zeros(0, dtype=torch.float32, device=device)]
    with torch.inference_mode():
        for minibatch in ordered_batches(samples, part, EVALUATION_BATCH, "corner"):
            outputs = Outputs(*network(network_input(minibatch.images.to(device))))
            scores.append(outputs.logits[:, 1].float() - outputs.logits[:, 0].float())
        found = group.gather(torch.cat(scores), len(others)).cpu().numpy()
    return np.union1d(active, others[found > 0])
