"""Run by torchrun in each of its processes: some steps by hand, then a whole training; results go into files."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mtcnn_fast.training import StageNetwork, TrainOptions, train_network
from mtcnn_fast.training.batches import Sampler, quotas, training_batches
from mtcnn_fast.training.distributed import joined_group
from mtcnn_fast.training.samples import SampleKind
from mtcnn_fast.training.steps import Stepper
from support.training import make_set

#: An odd number of samples, so that two processes have parts of different lengths.
OPTIONS = TrainOptions(
    steps=20,
    batch_size=37,
    optimizer="sgd",
    learning_rate=0.02,
    box_lambda=0.01,
    log_every=5,
    validate_every=10,
    checkpoint_every=10,
    threads=1,
)


def steps_by_hand(group):
    """Return the loss of three steps, the gradient of each, and the indices that this process saw."""
    samples = make_set(30)
    network = StageNetwork("p", seed=3)
    stepper = Stepper(network, OPTIONS, torch.device("cpu"), group)
    sizes = quotas(OPTIONS.ratio, samples.counts, OPTIONS.batch_size)
    sampler = Sampler({kind: samples.indices_of(kind) for kind in SampleKind}, sizes, (0, 0))
    found = {"loss": [], "gradient": [], "indices": []}
    for step, minibatch in enumerate(training_batches(samples, sampler, range(3), group, OPTIONS, (0,))):
        stepper.step(minibatch, step, OPTIONS.steps, lambda: ("test", 0, np.empty(0, np.int64), None))
        found["loss"].append(stepper.last_loss)
        found["gradient"].append(torch.cat([value.grad.flatten() for value in network.parameters()]).numpy().copy())
        found["indices"].append(minibatch.indices)
    return {name: np.concatenate(v) if name == "indices" else np.array(v) for name, v in found.items()}


def whole_training(out):
    """Return the weights after `train_network`, and its history."""
    network = StageNetwork("p", seed=3)
    result = train_network(network, make_set(30), make_set(7, seed=9), OPTIONS, out, shown=False)
    weights = torch.cat([value.flatten() for value in network.state_dict().values()]).numpy()
    return {"weights": weights, "history": np.array([list(row.values()) for row in result.history])}


def main():
    out = Path(sys.argv[1])
    with joined_group("cpu") as group:
        assert group.size == 2
        found = {**steps_by_hand(group), **whole_training(out)}
        np.savez(out / f"rank-{group.rank}.npz", **found)


if __name__ == "__main__":
    main()
