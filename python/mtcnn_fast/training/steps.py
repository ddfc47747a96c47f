"""One step of training: forward, losses over all processes, backward, update, and a look at whether all is finite."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn, optim

from mtcnn_fast.errors import ConfigError, TrainingError
from mtcnn_fast.files import write_json
from mtcnn_fast.training import losses
from mtcnn_fast.training.batches import Minibatch, network_input
from mtcnn_fast.training.distributed import ProcessGroup
from mtcnn_fast.training.metrics import kind_sums
from mtcnn_fast.training.train_options import TrainOptions

#: The name of the network, the step, the indices of the whole minibatch, the folder for a report.
Description = Callable[[], tuple[str, int, npt.NDArray[np.int64], Path | None]]

_AMP = {"off": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def learning_rate(options: TrainOptions, step: int, steps: int) -> float:
    """Return the learning rate of step `step` out of `steps`, counted from 0."""
    if step < options.warmup:
        return options.learning_rate * (step + 1) / options.warmup
    if options.schedule == "cosine":
        return options.learning_rate * 0.5 * (1 + math.cos(math.pi * step / steps))
    if options.schedule == "step":
        return options.learning_rate * options.gamma ** sum(step >= share * steps for share in options.milestones)
    return options.learning_rate


class Stepper:
    """Trains a network a minibatch at a time.

    Parameters
    ----------
    network : Module
    options : TrainOptions
    device : torch.device
    group : ProcessGroup

    Attributes
    ----------
    optimizer : Optimizer
    scaler : GradScaler
        Keeps the small gradients of float16 from vanishing; disabled in the other types.
    learning_rate, last_loss : float
        Of the last step; the loss is that of the minibatch over all processes.

    Raises
    ------
    ConfigError
        If `box_lambda` is wanted of a network that does not say which its box weights are.
    """

    def __init__(self, network: nn.Module, options: TrainOptions, device: torch.device, group: ProcessGroup) -> None:
        self.options = options
        self.optimizer = _optimizer(network, options)
        self.scaler = torch.amp.GradScaler(device.type, enabled=options.amp == "float16")
        self.learning_rate = 0.0
        self.last_loss = math.nan
        self._network = network
        self._wrapped = group.wrap(network, device)
        self._device = device
        self._group = group
        self._sums: Tensor | None = None
        if options.box_lambda and not hasattr(network, "box_weights"):
            raise ConfigError("box_lambda needs a network with a method box_weights")

    def step(self, minibatch: Minibatch, step: int, steps: int, describe: Description) -> None:
        """Train on one minibatch.

        Parameters
        ----------
        minibatch : Minibatch
            This process's part.
        step, steps : int
            Number of the step, counted from 0, and how many there are.
        describe : callable
            For the report, should the loss not be finite.

        Raises
        ------
        TrainingError
            If the loss or a gradient is not a finite number.
        """
        self.learning_rate = learning_rate(self.options, step, steps)
        for settings in self.optimizer.param_groups:
            settings["lr"] = self.learning_rate
        loss, per_sample = self._forward(minibatch)
        self.last_loss = float(self._group.sum(loss.detach().clone()))
        if not math.isfinite(self.last_loss):
            self._fail("loss", per_sample, describe)
        self.optimizer.zero_grad(set_to_none=True)
        # The wrapped network averages over the processes what is to be added up.
        scaled: Any = self.scaler.scale(self._group.size * loss + self._ridge())
        scaled.backward()
        # Gradients scaled too far are part of float16's life: the scaler leaves out the step and scales less.
        if not self.scaler.is_enabled() and not self._gradients_are_finite():
            self._fail("gradient", per_sample, describe)
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def forget(self) -> None:
        """Begin again with an optimizer that knows nothing of the steps before."""
        self.optimizer = _optimizer(self._network, self.options)

    def take_sums(self) -> Tensor:
        """Return the sums of `kind_sums` since the last call, over all processes."""
        assert self._sums is not None
        sums, self._sums = self._group.sum(self._sums), None
        return sums

    def _forward(self, minibatch: Minibatch) -> tuple[Tensor, Tensor]:
        """Return this process's part of the loss, and each of its samples' loss over all tasks."""
        targets = losses.Targets(*(tensor.to(self._device) for tensor in minibatch.targets))
        images = network_input(minibatch.images.to(self._device))
        with torch.autocast(self._device.type, _AMP[self.options.amp], enabled=self.options.amp != "off"):
            outputs = losses.Outputs(*self._wrapped(images))
        found = losses.sample_losses(outputs, targets)
        sums = kind_sums(outputs, found, targets)
        self._sums = sums if self._sums is None else self._sums + sums
        alpha = self.options.alpha
        count = self.options.batch_size
        loss = losses.overall_loss(found, self._hard(found, count), (alpha[0], alpha[1], alpha[2]), count)
        every = [part for part in (found.detection, found.box, found.landmark) if part is not None]
        return loss, torch.stack(every).sum(dim=0).detach()

    def _hard(self, found: losses.SampleLosses, count: int) -> Tensor:
        if self.options.mining != "online":
            return found.in_detection
        # No loss is negative, so that -1 says that a sample is not to be classified. One that is not a number is kept:
        # it must not go unnoticed.
        candidates = torch.where(found.in_detection, found.detection, -1.0)
        whole = self._group.gather(candidates, count)
        return losses.hard_examples(whole, ~(whole < 0), self.options.keep)[self._group.part(count)]

    def _ridge(self) -> Tensor | float:
        if not self.options.box_lambda:
            return 0.0
        weights: Any = self._network.box_weights
        return losses.ridge(weights(), self.options.box_lambda)

    def _gradients_are_finite(self) -> bool:
        gradients = [parameter.grad for parameter in self._network.parameters() if parameter.grad is not None]
        return bool(torch.isfinite(torch.stack(torch._foreach_norm(gradients)).sum()))

    def _fail(self, what: str, per_sample: Tensor, describe: Description) -> NoReturn:
        name, step, indices, out = describe()
        values = self._group.gather(per_sample, len(indices)).cpu().numpy()
        bad = indices[~np.isfinite(values)]
        report: dict[str, Any] = {
            "network": name,
            "step": step,
            "what": what,
            "learning_rate": self.learning_rate,
            "samples_with_such_losses": bad.tolist(),
            "minibatch": indices.tolist(),
            "largest_parameter": max(float(value.detach().abs().max()) for value in self._network.parameters()),
        }
        place = ""
        if out is not None and self._group.leads:
            write_json(out / "not-finite.json", report)
            place = f"; {out / 'not-finite.json'} names all of them"
        named = bad if len(bad) else indices
        raise TrainingError(
            f"{name}: the {what} of minibatch {step} (counted from 0) is not a finite number at learning rate "
            f"{self.learning_rate:g}, with {len(bad)} of {len(indices)} samples at fault: indices "
            f"{', '.join(map(str, named[:8]))}{', ...' if len(named) > 8 else ''}{place}"
        )


def _optimizer(network: nn.Module, options: TrainOptions) -> optim.Optimizer:
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if options.optimizer == "sgd":
        return optim.SGD(
            parameters, lr=options.learning_rate, momentum=options.momentum, weight_decay=options.weight_decay
        )
    return optim.Adam(parameters, lr=options.learning_rate, weight_decay=options.weight_decay)
