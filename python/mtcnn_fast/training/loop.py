"""`train_network`: one network, one set of samples, the plain loop."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mtcnn_fast.training import checkpoints, mining
from mtcnn_fast.training.batches import Sampler, quotas, training_batches
from mtcnn_fast.training.distributed import ProcessGroup, current_group, torch_device
from mtcnn_fast.training.logs import RunLog
from mtcnn_fast.training.metrics import evaluate_network, summary
from mtcnn_fast.training.samples.sample_set import SampleKind, SampleSet
from mtcnn_fast.training.steps import Stepper
from mtcnn_fast.training.train_options import TrainOptions

#: Settings that another run in the same folder may have: they change neither the weights nor what is measured.
_FREE = ("device", "threads", "log_every", "checkpoint_every", "tensorboard")


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """What a training came to; the network itself was trained in place.

    Attributes
    ----------
    steps : int
        That were done, fewer than asked for if it stopped early.
    best_step : int
        After which the loss in validation was lowest; the last step without validation.
    stopped_early : bool
    seconds : float
        This call took.
    history : tuple of dict
        A row each validation, the first before any step: ``step``, ``loss``, ``detection``, ``box``, ``landmark`` and
        ``accuracy``, see `mtcnn_fast.training.metrics.summary`.
    """

    steps: int
    best_step: int
    stopped_early: bool
    seconds: float
    history: tuple[dict[str, float], ...]

    @property
    def best(self) -> dict[str, float]:
        """The row of `history` after `best_step`; empty without validation."""
        return next((row for row in self.history if row["step"] == self.best_step), {})


def train_network(
    network: nn.Module,
    samples: SampleSet,
    validation: SampleSet | None,
    options: TrainOptions,
    out: Path | None,
    *,
    resume: bool = True,
    name: str = "network",
    shown: bool = True,
) -> Result:
    """Train a network on samples.

    Parameters
    ----------
    network : Module
        Takes normalised windows ``(n, 3, S, S)`` and returns ``(logits (n, 2), boxes (n, 4) or None, landmarks (n, 10)
        or None)``. It is trained in place, and ends with the weights that ``options.select`` says.
    samples : SampleSet
    validation : SampleSet or None
        Samples of other images. Without any, the last weights are taken and training does not stop early.
    options : TrainOptions
    out : Path or None
        The folder for checkpoints and logs; None writes nothing.
    resume : bool
        Go on from the checkpoint in `out`, if there is one. On the CPU the weights come out bit for bit as if there had
        been no interruption, given the same number of threads.
    name : str
        For the display and for messages.
    shown : bool
        Whether to show progress on standard error.

    Returns
    -------
    Result

    Raises
    ------
    ConfigError
        If a setting does not suit the network or the samples, or `out` holds a run with other settings.
    TrainingError
        If a loss or a gradient is no longer a finite number; it names the minibatch, and `out` gets a report.
    """
    return _Training(network, samples, validation, options, out, name, shown).run(resume)


class _Training:
    """The state of one call of `train_network`."""

    def __init__(
        self,
        network: nn.Module,
        samples: SampleSet,
        validation: SampleSet | None,
        options: TrainOptions,
        out: Path | None,
        name: str,
        shown: bool,
    ) -> None:
        self.group: ProcessGroup = current_group()
        self.device = torch_device(options.device, self.group)
        if options.threads is not None:
            torch.set_num_threads(options.threads)
        self.network = network.to(self.device).train()
        self.samples = samples
        self.validation = validation if validation is not None and len(validation) else None
        self.options = options
        self.out = out
        self.name = name
        self.shown = shown and self.group.leads
        self.rounds = mining.rounds(options)
        self.negatives = mining.first_negatives(samples, options)
        self.stepper = Stepper(self.network, options, self.device, self.group)
        self.step = 0
        self.best: dict[str, torch.Tensor] = {}
        self.best_loss = float("inf")
        self.best_step = 0
        self.worse = 0
        self.history: list[dict[str, float]] = []

    def run(self, resume: bool) -> Result:
        start = time.perf_counter()
        if resume:
            self._restore()
        with self._log() as log:
            # So that training which only makes good weights worse ends with those it began with.
            if self.validation is not None and self.step == 0:
                self._validate(log)
            for number, steps in enumerate(self.rounds):
                if self.step < steps.stop and not self._stops_early():
                    self._round(number, steps, log)
        self._finish()
        seconds = time.perf_counter() - start
        return Result(self.step, self.best_step, self._stops_early(), seconds, tuple(self.history))

    def _log(self) -> RunLog:
        out = self.out if self.group.leads else None
        board = self.options.tensorboard
        return RunLog(out, self.name, self.options.steps, self.step, tensorboard=board, shown=self.shown)

    def _round(self, number: int, steps: range, log: RunLog) -> None:
        if number and self.step == steps.start:
            self._bootstrap()
        sampler = self._sampler(number)
        # A step is numbered within its round, so that each round's learning rate rises and falls anew.
        numbers = range(self.step - steps.start, len(steps))
        batches = training_batches(
            self.samples,
            sampler,
            numbers,
            self.group,
            self.options,
            (self.options.seed, number, 3),
        )
        began, seen = time.perf_counter(), 0
        # Closed here, so that the thread that reads ahead is gone when this returns.
        with contextlib.closing(batches):
            for in_round, minibatch in zip(numbers, batches, strict=True):
                self.stepper.step(minibatch, in_round, len(steps), self._describe(sampler, in_round))
                self.step += 1
                seen += self.options.batch_size
                log.advance(self.step, self.stepper.last_loss)
                if self.step % self.options.log_every == 0 or self.step == steps.stop:
                    rate = seen / (time.perf_counter() - began)
                    log.write("training", self._training_row(rate))
                    began, seen = time.perf_counter(), 0
                self._look_up(steps, log)
                if self._stops_early():
                    return

    def _look_up(self, steps: range, log: RunLog) -> None:
        """Validate and save where it is time to."""
        ends = self.step == steps.stop
        validates = self.validation is not None and (self.step % self.options.validate_every == 0 or ends)
        if validates:
            self._validate(log)
        if self.step % self.options.checkpoint_every == 0 or ends or self._stops_early():
            self._save()

    def _training_row(self, rate: float) -> dict[str, float]:
        figures = summary(self.stepper.take_sums(), self.options.ratio, self.options.alpha)
        learning_rate = self.stepper.learning_rate
        return {"step": self.step, "learning_rate": learning_rate, **figures, "samples_per_second": round(rate, 1)}

    def _sampler(self, number: int) -> Sampler:
        pools = {kind: self.samples.indices_of(kind) for kind in SampleKind} | {SampleKind.NEGATIVE: self.negatives}
        counts = {kind: len(pool) for kind, pool in pools.items()}
        sizes = quotas(self.options.ratio, counts, self.options.batch_size)
        return Sampler(pools, sizes, (self.options.seed, number))

    def _describe(self, sampler: Sampler, in_round: int) -> Any:
        return lambda: (self.name, self.step, sampler.indices(in_round), self.out)

    def _bootstrap(self) -> None:
        """Collect false positives and begin again with an optimizer that knows nothing of the round before."""
        self.network.eval()
        self.negatives = mining.with_false_positives(
            self.network, self.samples, self.negatives, self.device, self.group
        )
        self.network.train()
        self.stepper.forget()

    def _validate(self, log: RunLog) -> None:
        assert self.validation is not None
        figures = evaluate_network(self.network, self.validation, self.options, device=self.device, group=self.group)
        self.history.append({"step": self.step, **figures})
        log.write("validation", self.history[-1])
        if figures["loss"] < self.best_loss:
            self.best_loss, self.best_step, self.worse = figures["loss"], self.step, 0
            self.best = checkpoints.cloned_state(self.network)
        else:
            self.worse += 1

    def _stops_early(self) -> bool:
        return self.options.patience is not None and self.worse >= self.options.patience

    def _finish(self) -> None:
        if self.validation is None:
            self.best_step = self.step
        elif self.options.select == "best" and self.best:
            self.network.load_state_dict(self.best)
        self.network.eval()

    def _run_description(self) -> dict[str, Any]:
        settings = {name: value for name, value in dataclasses.asdict(self.options).items() if name not in _FREE}
        shapes = {name: list(value.shape) for name, value in self.network.state_dict().items()}
        counts = {kind.name.lower(): count for kind, count in self.samples.counts.items()}
        return {**settings, "samples": counts, "network": shapes}

    def _save(self) -> None:
        if self.out is None:
            return
        if self.group.leads:
            tensors = {
                **checkpoints.with_prefix("network", self.network.state_dict()),
                **checkpoints.with_prefix("best", self.best),
                **checkpoints.with_prefix("optimizer", checkpoints.optimizer_tensors(self.stepper.optimizer)),
                "negatives": torch.from_numpy(self.negatives),
            }
            state = {
                "best_loss": self.best_loss if self.best else None,
                "best_step": self.best_step,
                "worse": self.worse,
                "history": self.history,
                "scaler": self.stepper.scaler.state_dict(),
            }
            checkpoint = checkpoints.Checkpoint(self.step, tensors, state)
            checkpoints.save_checkpoint(self.out, checkpoint, self._run_description())
        self.group.wait()

    def _restore(self) -> None:
        found = None if self.out is None else checkpoints.load_checkpoint(self.out, self._run_description())
        if found is None:
            return
        self.step = found.step
        self.network.load_state_dict(checkpoints.without_prefix("network", found.tensors))
        best = checkpoints.without_prefix("best", found.tensors)
        self.best = {name: value.to(self.device) for name, value in best.items()}
        checkpoints.load_optimizer(self.stepper.optimizer, checkpoints.without_prefix("optimizer", found.tensors))
        self.stepper.scaler.load_state_dict(found.state["scaler"])
        self.negatives = found.tensors["negatives"].numpy()
        if self.best:
            self.best_loss = float(found.state["best_loss"])
        self.best_step, self.worse = int(found.state["best_step"]), int(found.state["worse"])
        self.history = list(found.state["history"])
