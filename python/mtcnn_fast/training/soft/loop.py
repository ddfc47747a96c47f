"""`train_windows`: R-Net or O-Net on the windows of the cascade."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mtcnn_fast._types import Indices
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.nets.modules import ONet
from mtcnn_fast.training.soft.augmentation import WindowBatch, window_batch
from mtcnn_fast.training.soft.balance import Balance
from mtcnn_fast.training.soft.forward import Net, features, heads
from mtcnn_fast.training.soft.metrics import evaluate_windows
from mtcnn_fast.training.soft.objective import losses
from mtcnn_fast.training.soft.options import SoftOptions
from mtcnn_fast.training.soft.run import SoftResult, SoftRun
from mtcnn_fast.training.soft.teacher import Teacher
from mtcnn_fast.training.soft.window_set import WindowSet

#: Steps after which windows are drawn by new errors; checkpoints lie on multiples, so that a run goes on alike.
REFRESH = 50


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
    """Train R-Net or O-Net.

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
        If `out` holds a run with other settings, or a teacher has nothing to tell: no landmarks, and no share of boxes.
    TrainingError
        If the loss is no longer a finite number.
    """
    return _WindowRun(net, windows, validation, options, out, name).train(shown)


class _Step(NamedTuple):
    indices: Indices
    batch: WindowBatch


class _WindowRun(SoftRun[_Step]):
    """The state of one call of `train_windows`."""

    parts = ("loss", "detection", "box", "landmark")

    def __init__(
        self,
        net: Net,
        windows: WindowSet,
        validation: WindowSet | None,
        options: SoftOptions,
        out: Path | None,
        name: str,
    ) -> None:
        super().__init__(net, options, out, name)
        self.settings, self.windows, self.validation = options, windows, validation
        self.balance = Balance(windows, options.balance, options.seed)
        #: All windows' images, where the network is trained on another device than they are read on.
        self.images = None if self.device.type == "cpu" else windows.images_on(self.device)
        self._seen: list[tuple[Indices, Tensor]] = []
        self.teacher: Teacher | None = None
        if options.teacher.weights != "none":
            if not isinstance(net, ONet) and not options.teacher.boxes:
                raise ConfigError("teacher.boxes must be greater than 0 for networks without landmarks, got 0.0")
            self.teacher = Teacher(net, windows, options.teacher, self.dtype, self.device)

    def batches(self) -> Generator[_Step, None, None]:
        """Yield minibatches; a thread makes the next one meanwhile."""

        def make(step: int) -> _Step:
            indices = self.balance.indices(step, self.settings.batch_size)
            rng = np.random.default_rng([self.settings.seed, step, 2])
            if self.images is None:
                taken, images = self.windows.take(indices), None
            else:
                taken, images = self.windows.described(indices), self.images[torch.from_numpy(indices).to(self.device)]
            asked = self.teacher is not None
            return _Step(indices, window_batch(taken, self.settings.warp, rng, self.dtype, images, upright=asked))

        with ThreadPoolExecutor(1, "mtcnn-fast-windows") as thread:
            pending = None
            while self.step < self.settings.steps:
                step = self.step
                if step % REFRESH == 0 or pending is None:
                    # The errors are complete now: what was drawn ahead would depend on when.
                    self._remember()
                    self.balance.refresh()
                    pending = thread.submit(make, step)
                batch = pending.result()
                ahead = step + 1 < self.settings.steps and (step + 1) % REFRESH != 0
                pending = thread.submit(make, step + 1) if ahead else None
                yield batch

    def loss(self, batch: _Step) -> tuple[Tensor, ...]:
        """Return the parts of the loss, and remember what is still wrong with each window."""
        torch.manual_seed(self.settings.seed * 1_000_003 + self.step)
        x = functional.dropout(features(self.net, batch.batch.images, self.never_fall), self.settings.dropout)
        wanted = batch.batch if self.teacher is None else self.teacher.taught(batch.batch)
        found = losses(heads(self.net, x), wanted, self.settings.objective)
        self._seen.append((batch.indices, found.error))
        return found.total, found.detection, found.box, found.landmark

    def _remember(self) -> None:
        """Keep the errors of the last steps, from whichever device they are on."""
        for indices, errors in self._seen:
            self.balance.errors[indices] = errors.cpu().numpy()
        self._seen.clear()

    def measure(self) -> Mapping[str, float] | None:
        """Return the figures of `evaluate_windows`."""
        if self.validation is None:
            return None
        return evaluate_windows(self.average, self.validation, self.settings.objective, self.dtype, self.device)

    def state(self) -> dict[str, Tensor]:
        """Return the windows' last errors."""
        self._remember()
        return {"errors": torch.from_numpy(self.balance.errors)}

    def description(self) -> dict[str, Any]:
        """Return how many windows there are."""
        return {"windows": len(self.windows)}

    def validate_every(self) -> int:
        """Return the setting, rounded to what a run can go on from."""
        return max(1, round(self.settings.validate_every / REFRESH)) * REFRESH
