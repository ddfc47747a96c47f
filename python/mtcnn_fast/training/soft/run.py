"""What the trainings of all three networks have in common: steps, moving average, logs, checkpoints."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import math
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn, optim

from mtcnn_fast.errors import TrainingError
from mtcnn_fast.training import checkpoints
from mtcnn_fast.training.distributed import current_group, torch_device
from mtcnn_fast.training.logs import RunLog
from mtcnn_fast.training.soft.forward import Net, rising
from mtcnn_fast.training.soft.options import PNetOptions, SoftOptions

#: Types of convolutions and products.
DTYPES = {"bfloat16": torch.bfloat16, "off": torch.float32}

Batch = TypeVar("Batch")


@dataclasses.dataclass(frozen=True, slots=True)
class SoftResult:
    """What a training came to; the network itself has the averaged weights.

    Attributes
    ----------
    steps : int
    seconds : float
        That this call took.
    history : tuple of dict
        A row each validation; the first is before any step.
    """

    steps: int
    seconds: float
    history: tuple[dict[str, float], ...]


class SoftRun(Generic[Batch]):
    """One training of one network; a subclass says what its batches are and what they cost.

    Parameters
    ----------
    net : PNet, RNet or ONet
        Trained in place.
    options : SoftOptions or PNetOptions
    out : Path or None
        Folder of checkpoints and logs, from which an interrupted run goes on.
    name : str
        For the display and for messages.

    Attributes
    ----------
    average : PNet, RNet or ONet
        With the moving average of the weights.
    step : int
        Steps that are done.
    """

    #: Names of the parts of the loss, the total first.
    parts: tuple[str, ...] = ()

    def __init__(self, net: Net, options: SoftOptions | PNetOptions, out: Path | None, name: str) -> None:
        self.options, self.out, self.name = options, out, name
        self.dtype, self.device = DTYPES[options.amp], torch_device(options.device, current_group())
        self.net = net.to(self.device)
        # Copied first: its layout is the detector's, whatever the network's becomes.
        self.average = copy.deepcopy(net)
        _set_layout(net, torch.channels_last)
        #: PReLUs before a pooling that never fall, and are kept so.
        self.never_fall = rising(net)
        self.optimizer = _adamw(net, options)
        self.step = 0
        self.history: list[dict[str, float]] = []
        self.sums = np.zeros(len(self.parts))

    def batches(self) -> Generator[Batch, None, None]:
        """Yield the batch of each step from `step` on."""
        raise NotImplementedError

    def loss(self, batch: Batch) -> tuple[Tensor, ...]:
        """Return the parts of the loss of a batch, the total first."""
        raise NotImplementedError

    def measure(self) -> Mapping[str, float] | None:
        """Return figures of the averaged network on held-out data, if there are any."""
        raise NotImplementedError

    def description(self) -> dict[str, Any]:
        """Return what tells this run from others."""
        raise NotImplementedError

    def state(self) -> dict[str, Tensor]:
        """Return further tensors that a checkpoint has to keep; changes to them are changes to the run."""
        return {}

    def train(self, shown: bool) -> SoftResult:
        """Train from wherever the run is to its end; the network ends with the averaged weights."""
        start = time.perf_counter()
        self._restore()
        options = self.options
        with RunLog(self.out, self.name, options.steps, self.step, tensorboard=False, shown=shown) as log:
            if self.step == 0:
                self._validate(log)
            began, seen = time.perf_counter(), 0
            # Closed here, so that a thread that reads ahead is gone when this returns.
            with contextlib.closing(self.batches()) as batches:
                for batch in batches:
                    self._train_on(batch)
                    seen += options.batch_size
                    log.advance(self.step, float(self.sums[0]))
                    ends = self.step == options.steps
                    if self.step % options.log_every == 0 or ends:
                        log.write("training", self._row(seen / (time.perf_counter() - began)))
                        began, seen = time.perf_counter(), 0
                    if self.step % self.validate_every() == 0 or ends:
                        self._validate(log)
                        self._save()
        self.net.load_state_dict(self.average.state_dict())
        _set_layout(self.net, torch.contiguous_format)
        self.net.to(device="cpu")
        return SoftResult(self.step, time.perf_counter() - start, tuple(self.history))

    def validate_every(self) -> int:
        """Return after how many steps to validate and save."""
        return self.options.validate_every

    def _train_on(self, batch: Batch) -> None:
        options = self.options
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(options, self.step)
        parts = self.loss(batch)
        # One transfer, for which a device waits once.
        figures = torch.stack([part.detach() for part in parts]).tolist()
        if not math.isfinite(figures[0]):
            raise TrainingError(
                f"{self.name}: the loss of minibatch {self.step} (counted from 0) is not a finite number"
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss: Any = parts[0]
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), options.clip)
        self.optimizer.step()
        self.step += 1
        with torch.no_grad():
            for number in self.never_fall:
                getattr(self.net, f"prelu{number}").weight.clamp_(min=0)
        _follow(self.average, self.net, options.average, self.step)
        self.sums += figures

    def _row(self, rate: float) -> dict[str, float]:
        count = self.step % self.options.log_every or self.options.log_every
        figures = dict(zip(self.parts, (self.sums / count).tolist(), strict=True))
        self.sums[:] = 0
        rates = {"learning_rate": learning_rate(self.options, self.step - 1), "samples_per_second": round(rate, 1)}
        return {"step": self.step, **figures, **rates}

    def _validate(self, log: RunLog) -> None:
        figures = self.measure()
        if figures is not None:
            seen = self.step * self.options.batch_size
            self.history.append({"step": self.step, "samples": seen, **figures})
            log.write("validation", self.history[-1])

    def _save(self) -> None:
        if self.out is None:
            return
        tensors: dict[str, Tensor] = {
            **checkpoints.with_prefix("network", self.net.state_dict()),
            **checkpoints.with_prefix("average", self.average.state_dict()),
            **checkpoints.with_prefix("optimizer", checkpoints.optimizer_tensors(self.optimizer)),
            **self.state(),
        }
        checkpoint = checkpoints.Checkpoint(self.step, tensors, {"history": self.history, "sums": self.sums.tolist()})
        checkpoints.save_checkpoint(self.out, checkpoint, self._run_description())

    def _restore(self) -> None:
        if self.out is None:
            return
        # The description depends on the step.
        self.step = checkpoints.saved_step(self.out) or 0
        found = checkpoints.load_checkpoint(self.out, self._run_description())
        if found is None:
            return
        self.net.load_state_dict(checkpoints.without_prefix("network", found.tensors))
        self.average.load_state_dict(checkpoints.without_prefix("average", found.tensors))
        checkpoints.load_optimizer(self.optimizer, checkpoints.without_prefix("optimizer", found.tensors))
        for name, tensor in self.state().items():
            tensor.copy_(found.tensors[name])
        self.history = list(found.state["history"])
        self.sums[:] = found.state["sums"]

    def _run_description(self) -> dict[str, Any]:
        # The shapes below say how wide the network is.
        free = ("log_every", "validate_every", "width", "device")
        settings = {name: value for name, value in dataclasses.asdict(self.options).items() if name not in free}
        if self.options.schedule == "trapezoid" and self.step <= _level_steps(self.options):
            # Until the learning rate falls, a run is the same however long it will be.
            settings |= {"steps": "any", "decay": "any"}
        shapes = {name: list(value.shape) for name, value in self.net.state_dict().items()}
        return {**settings, **self.description(), "network": shapes}


def learning_rate(options: SoftOptions | PNetOptions, step: int) -> float:
    """Return the learning rate of a step, counted from 0."""
    if step < options.warmup:
        return options.learning_rate * (step + 1) / options.warmup
    begin = 0.0 if options.schedule == "cosine" else _level_steps(options)
    share = max(0.0, (step - begin) / (options.steps - begin))
    return options.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


def _level_steps(options: SoftOptions | PNetOptions) -> float:
    """Return up to which step a trapezoid's learning rate is level."""
    return (1 - options.decay) * options.steps


def _set_layout(net: nn.Module, layout: torch.memory_format) -> None:
    """Store the weights of convolutions in another order of dimensions."""
    for value in net.parameters():
        if value.dim() == 4:
            value.data = value.data.contiguous(memory_format=layout)


def _follow(average: nn.Module, net: nn.Module, share: float, step: int) -> None:
    """Move the averaged weights towards a network's after its step `step`, counted from 1."""
    # Fewer steps are averaged at first, so that the initial weights are soon forgotten.
    kept = min(share, (1 + step) / (10 + step))
    with torch.no_grad():
        for mean, value in zip(average.parameters(), net.parameters(), strict=True):
            mean.lerp_(value, 1 - kept)


def _adamw(net: nn.Module, options: SoftOptions | PNetOptions) -> optim.Optimizer:
    """Make the optimizer: weight decay is for weights of layers, not for biases and slopes."""
    layers = [value for value in net.parameters() if value.dim() > 1]
    others = [value for value in net.parameters() if value.dim() <= 1]
    groups = [{"params": layers, "weight_decay": options.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return optim.AdamW(groups, lr=options.learning_rate, betas=(0.9, 0.99))
