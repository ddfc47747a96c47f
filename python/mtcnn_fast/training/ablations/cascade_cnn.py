"""Training of the six networks on the samples that MTCNN is trained on.

The classifiers learn as P-, R- and O-Net do, by `train_network`, from negative and positive samples. The calibration
nets learn from positives and parts which of the 45 patterns moves the window best onto its face. The paper makes their
samples from annotated faces, moved by the patterns exactly, and gives the second and third classifier the false
positives of its own stages; here both get what MTCNN's stages propose, so that all networks see the same data.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import cross_entropy

from mtcnn_fast.errors import ConfigError
from mtcnn_fast.evaluation.cascade_cnn.calibration import nearest_patterns
from mtcnn_fast.evaluation.cascade_cnn.networks import SIZES, Calibration, Classifier, seeded
from mtcnn_fast.evaluation.cascade_cnn.weights import FILE_NAME, CascadeNetworks, save_networks
from mtcnn_fast.files import write_json
from mtcnn_fast.training import checkpoints
from mtcnn_fast.training.batches import Sampler, network_input
from mtcnn_fast.training.loop import train_network
from mtcnn_fast.training.samples.augment import augment, draw
from mtcnn_fast.training.samples.sample_set import SampleBatch, SampleKind, SampleSet
from mtcnn_fast.training.train_options import TrainOptions

#: Shares of the kinds of samples, and weights of the tasks, where faces are only told from the rest.
CLASSIFICATION: dict[str, Any] = {"ratio": (3.0, 1.0, 0.0, 0.0), "alpha": (1.0, 0.0, 0.0)}

#: Samples that are evaluated in one go.
_BATCH = 1024


@dataclasses.dataclass(frozen=True, slots=True)
class StageSamples:
    """Samples of one stage: those to train on, and those of other images to measure on."""

    training: SampleSet
    validation: SampleSet


def train_cascade(
    samples: Mapping[int, StageSamples], options: Mapping[int, TrainOptions], out: Path
) -> dict[str, dict[str, float]]:
    """Train all networks; write ``cascade_cnn.safetensors``, and what validation gave as ``cascade_cnn.json``.

    Parameters
    ----------
    samples : mapping of int to StageSamples
        By the side of the window, 12, 24 and 48, made for P-, R- and O-Net.
    options : mapping of int to TrainOptions
        Alike. A calibration net is trained with the same number of steps, batch size and learning rate.
    out : Path
        Also the folder for the classifiers' checkpoints: trained ones are not trained again.

    Returns
    -------
    dict of str to dict
        For each network, by names like ``12-net`` and ``12-calibration-net``, its figures in validation: those of the
        weights that are kept.

    Raises
    ------
    ConfigError
        If a set has samples of another size, or none of a kind that is needed.
    """
    networks = CascadeNetworks({}, {})
    figures: dict[str, dict[str, float]] = {}
    for size in SIZES:
        if samples[size].training.size != size:
            raise ConfigError(f"samples of the {size}-net must be of {size} pixels, got {samples[size].training.size}")
        chosen = options[size].replace(**CLASSIFICATION)
        classifier = seeded(functools.partial(Classifier, size, nested=True), chosen.seed)
        if size > SIZES[0]:
            classifier.nest(networks.classifiers[size // 2])
        name, training, validation = f"{size}-net", samples[size].training, samples[size].validation
        result = train_network(classifier, training, validation, chosen, out / name, name=name)
        kept = result.best if chosen.select == "best" else result.history[-1]
        figures[name] = {"loss": kept["detection"], "accuracy": kept["accuracy"]}
        calibration = seeded(functools.partial(Calibration, size), chosen.seed)
        train_calibration(calibration, training, chosen, validation if chosen.select == "best" else None)
        figures[f"{size}-calibration-net"] = measure_calibration(calibration, validation)
        networks.classifiers[size], networks.calibrations[size] = classifier, calibration
    save_networks(out / FILE_NAME, networks)
    write_json(out / "cascade_cnn.json", figures)
    return figures


def train_calibration(
    network: Calibration, samples: SampleSet, options: TrainOptions, validation: SampleSet | None = None
) -> None:
    """Train a calibration net in place on as many positives as parts: multinomial logistic regression, with Adam.

    With `validation` it ends with the weights whose loss there was lowest: it learns a small set by heart.
    """
    pools = {kind: samples.indices_of(kind) for kind in (SampleKind.POSITIVE, SampleKind.PART)}
    lacking = [kind.name for kind, pool in pools.items() if not len(pool)]
    if lacking:
        raise ConfigError(f"samples of a calibration net must have positives and parts, there are no {lacking[0]} ones")
    sizes = dict.fromkeys(pools, max(1, options.batch_size // 2))
    sampler = Sampler(pools, sizes, (options.seed, 0))
    optimizer = torch.optim.Adam(network.parameters(), options.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.steps)
    lowest, best = np.inf, checkpoints.cloned_state(network)
    network.train()
    for step in range(options.steps):
        batch = samples.take(sampler.indices(step))
        if options.augment:
            batch = augment(batch, draw(len(batch.kinds), (options.seed, step)))
        optimizer.zero_grad()
        loss: Any = cross_entropy(network(network_input(torch.from_numpy(batch.images))), _labels(batch))
        loss.backward()
        optimizer.step()
        schedule.step()
        if validation is not None and ((step + 1) % options.validate_every == 0 or step + 1 == options.steps):
            found = measure_calibration(network, validation)["loss"]
            if found < lowest:
                lowest, best = found, checkpoints.cloned_state(network)
            network.train()
    if validation is not None:
        network.load_state_dict(best)
    network.eval()


@torch.inference_mode()
def measure_calibration(network: Calibration, samples: SampleSet) -> dict[str, float]:
    """Return the mean loss on positives and parts, and how often the best pattern is the likeliest (chance is 1/45)."""
    indices = np.concatenate([samples.indices_of(kind) for kind in (SampleKind.POSITIVE, SampleKind.PART)])
    loss = right = 0.0
    network.eval()
    for start in range(0, len(indices), _BATCH):
        batch = samples.take(indices[start : start + _BATCH])
        logits, labels = network(network_input(torch.from_numpy(batch.images))), _labels(batch)
        loss += float(cross_entropy(logits, labels, reduction="sum"))
        right += float((logits.argmax(dim=1) == labels).sum())
    return {"loss": loss / len(indices), "accuracy": right / len(indices)}


def window_offsets(batch: SampleBatch) -> npt.NDArray[np.float32]:
    """Return the faces' corners ``(n, 4)`` less those of what the windows show, in units of that.

    Samples hold offsets from the box that the detector decodes from. It begins ``-mirror`` of its width inside of the
    window and ends with it; P-Net's is smaller by that much, the others' are moved by a pixel.
    """
    mirror = batch.mirror[:, None]
    offsets = batch.boxes - mirror * np.array([1, 1, 0, 0], np.float32)
    if batch.images.shape[1] == SIZES[0]:
        offsets /= 1 - mirror
    return offsets


def _labels(batch: SampleBatch) -> Any:
    return torch.from_numpy(nearest_patterns(window_offsets(batch)))
