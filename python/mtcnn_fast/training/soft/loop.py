"""`train_windows`: R-Net or O-Net on the windows of the cascade."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn, optim
from torch.nn import functional

from mtcnn_fast.errors import TrainingError
from mtcnn_fast.training import checkpoints
from mtcnn_fast.training.logs import RunLog
from mtcnn_fast.training.soft.augmentation import Examples, examples
from mtcnn_fast.training.soft.balance import Balance
from mtcnn_fast.training.soft.forward import Net, features, heads, slopes_of
from mtcnn_fast.training.soft.metrics import evaluate_windows
from mtcnn_fast.training.soft.objective import losses
from mtcnn_fast.training.soft.options import PNetOptions, SoftOptions
from mtcnn_fast.training.soft.window_set import Ints, WindowSet

#: Steps after which windows are drawn by new errors; checkpoints lie on multiples, so that a run goes on alike.
REFRESH = 50

#: Types of convolutions and products.
DTYPES = {"bfloat16": torch.bfloat16, "off": torch.float32}
#: Settings that may change between interruption and continuation.
_FREE = ("log_every", "validate_every")


@dataclasses.dataclass(frozen=True, slots=True)
class SoftResult:
    """What a training came to; the network itself has the averaged weights.

    Attributes
    ----------
    steps : int
    seconds : float
        That this call took.
    history : tuple of dict
        A row each validation, see `mtcnn_fast.training.soft.metrics.evaluate_windows`.
    """

    steps: int
    seconds: float
    history: tuple[dict[str, float], ...]


def learning_rate(options: SoftOptions | PNetOptions, step: int) -> float:
    """Return the learning rate of a step, counted from 0."""
    if step < options.warmup:
        return options.learning_rate * (step + 1) / options.warmup
    begin = 0.0 if options.schedule == "cosine" else (1 - options.decay) * options.steps
    share = max(0.0, (step - begin) / (options.steps - begin))
    return options.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


def train_windows(
    net: Net,
    windows: WindowSet,
    validation: WindowSet | None,
    options: SoftOptions,
    out: Path | None,
    *,
    name: str = "network",
    shown: bool = True,
) -> SoftResult:
    """Train R-Net or O-Net on a processor.

    Parameters
    ----------
    net : RNet or ONet
        Trained in place; ends with the moving average of its weights.
    windows : WindowSet
    validation : WindowSet or None
        Of images that are not trained on.
    options : SoftOptions
    out : Path or None
        Folder of checkpoints and logs, from which an interrupted run goes on: to the same weights bit for bit, given
        the same number of threads. With a trapezoid `steps` may change as long as the learning rate has not fallen.
    name : str
        For the display and for messages.
    shown : bool
        Whether to show progress on standard error.

    Returns
    -------
    SoftResult

    Raises
    ------
    ConfigError
        If `out` holds a run with other settings.
    TrainingError
        If the loss is no longer a finite number.
    """
    run = _Run(net, windows, validation, options, out)
    return run.train(name, shown)


class _Run:
    """The state of one call of `train_windows`."""

    def __init__(
        self, net: Net, windows: WindowSet, validation: WindowSet | None, options: SoftOptions, out: Path | None
    ) -> None:
        self.net, self.windows, self.validation, self.options, self.out = net, windows, validation, options, out
        self.dtype = DTYPES[options.amp]
        # Copied first: its layout is the detector's, whatever the network's becomes.
        self.average = copy.deepcopy(net)
        net.to(memory_format=torch.channels_last)
        self.slopes = [slopes for slopes in slopes_of(net) if bool((slopes >= 0).all())]
        self.optimizer = adamw(net, options.learning_rate, options.weight_decay)
        self.balance = Balance(windows, options.balance, options.seed)
        self.step = 0
        self.history: list[dict[str, float]] = []
        self.sums = np.zeros(4)

    def train(self, name: str, shown: bool) -> SoftResult:
        """Train from wherever the run is to its end."""
        start = time.perf_counter()
        self._restore()
        with RunLog(self.out, name, self.options.steps, self.step, tensorboard=False, shown=shown) as log:
            if self.step == 0:
                self._validate(log)
            began, seen = time.perf_counter(), 0
            with contextlib.closing(self._batches()) as batches:
                for indices, batch in batches:
                    self._train_on(indices, batch, name)
                    seen += len(indices)
                    log.advance(self.step, self.sums[0])
                    if self.step % self.options.log_every == 0 or self.step == self.options.steps:
                        log.write("training", self._row(seen / (time.perf_counter() - began)))
                        began, seen = time.perf_counter(), 0
                    if self.step % self._look_every() == 0 or self.step == self.options.steps:
                        self._validate(log)
                        self._save()
        self.net.load_state_dict(self.average.state_dict())
        self.net.to(memory_format=torch.contiguous_format)
        return SoftResult(self.step, time.perf_counter() - start, tuple(self.history))

    def _look_every(self) -> int:
        return max(1, round(self.options.validate_every / REFRESH)) * REFRESH

    def _batches(self) -> Iterator[tuple[Ints, Examples]]:
        """Yield minibatches; a thread makes the next one meanwhile."""

        def make(step: int) -> tuple[Ints, Examples]:
            indices = self.balance.indices(step, self.options.batch_size)
            rng = np.random.default_rng([self.options.seed, step, 2])
            return indices, examples(self.windows.take(indices), self.options.warp, rng, self.dtype)

        with ThreadPoolExecutor(1, "mtcnn-fast-windows") as thread:
            pending = None
            while self.step < self.options.steps:
                step = self.step
                if step % REFRESH == 0 or pending is None:
                    # The errors are complete now: what was drawn ahead would depend on when.
                    self.balance.refresh()
                    pending = thread.submit(make, step)
                batch = pending.result()
                ahead = step + 1 < self.options.steps and (step + 1) % REFRESH != 0
                pending = thread.submit(make, step + 1) if ahead else None
                yield batch

    def _train_on(self, indices: Ints, batch: Examples, name: str) -> None:
        options = self.options
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(options, self.step)
        torch.manual_seed(options.seed * 1_000_003 + self.step)
        x = functional.dropout(features(self.net, batch.images), options.dropout)
        found = losses(heads(self.net, x), batch, options.objective)
        if not bool(torch.isfinite(found.total)):
            raise TrainingError(f"{name}: the loss of minibatch {self.step} (counted from 0) is not a finite number")
        self.optimizer.zero_grad(set_to_none=True)
        found.total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.net.parameters(), options.clip)
        self.optimizer.step()
        self.step += 1
        with torch.no_grad():
            for slopes in self.slopes:
                slopes.clamp_(min=0)
        follow(self.average, self.net, options.average, self.step)
        self.balance.errors[indices] = found.error.numpy()
        parts = (found.total, found.detection, found.box, found.landmark)
        self.sums += [float(part.detach()) for part in parts]

    def _row(self, rate: float) -> dict[str, float]:
        count = self.step % self.options.log_every or self.options.log_every
        names = ("loss", "detection", "box", "landmark")
        figures = dict(zip(names, (self.sums / count).tolist(), strict=True))
        self.sums[:] = 0
        return {
            "step": self.step,
            "learning_rate": learning_rate(self.options, self.step - 1),
            **figures,
            "samples_per_second": round(rate, 1),
        }

    def _validate(self, log: RunLog) -> None:
        if self.validation is None:
            return
        figures = evaluate_windows(self.average, self.validation, self.options.objective, self.dtype)
        self.history.append({"step": self.step, "windows": self.step * self.options.batch_size, **figures})
        log.write("validation", self.history[-1])

    def _description(self) -> dict[str, Any]:
        settings = dataclasses.asdict(self.options)
        kept = {name: value for name, value in settings.items() if name not in _FREE}
        if self.options.schedule == "trapezoid" and self.step <= (1 - self.options.decay) * self.options.steps:
            kept["steps"] = "any"
            kept["decay"] = "any"
        shapes = {name: list(value.shape) for name, value in self.net.state_dict().items()}
        return {**kept, "windows": len(self.windows), "network": shapes}

    def _save(self) -> None:
        if self.out is None:
            return
        tensors: dict[str, Tensor] = {
            **checkpoints.with_prefix("network", self.net.state_dict()),
            **checkpoints.with_prefix("average", self.average.state_dict()),
            **checkpoints.with_prefix("optimizer", checkpoints.optimizer_tensors(self.optimizer)),
            "errors": torch.from_numpy(self.balance.errors),
        }
        checkpoint = checkpoints.Checkpoint(self.step, tensors, {"history": self.history, "sums": self.sums.tolist()})
        checkpoints.save_checkpoint(self.out, checkpoint, self._description())

    def _restore(self) -> None:
        found = None if self.out is None else checkpoints.load_checkpoint(self.out, self._description())
        if found is None:
            return
        self.step = found.step
        self.net.load_state_dict(checkpoints.without_prefix("network", found.tensors))
        self.average.load_state_dict(checkpoints.without_prefix("average", found.tensors))
        checkpoints.load_optimizer(self.optimizer, checkpoints.without_prefix("optimizer", found.tensors))
        self.balance.errors[:] = found.tensors["errors"].numpy()
        self.history = list(found.state["history"])
        self.sums[:] = found.state["sums"]


def follow(average: nn.Module, net: nn.Module, share: float, step: int) -> None:
    """Move the averaged weights towards a network's after its step `step`, counted from 1."""
    # Fewer steps are averaged at first, so that the initial weights are soon forgotten.
    kept = min(share, (1 + step) / (10 + step))
    with torch.no_grad():
        for mean, value in zip(average.parameters(), net.parameters(), strict=True):
            mean.lerp_(value, 1 - kept)


def adamw(net: nn.Module, rate: float, weight_decay: float) -> optim.Optimizer:
    """Make the optimizer: weight decay is for weights of layers, not for biases and slopes."""
    layers = [value for value in net.parameters() if value.dim() > 1]
    others = [value for value in net.parameters() if value.dim() <= 1]
    groups = [{"params": layers, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return optim.AdamW(groups, lr=rate, betas=(0.9, 0.99))
