"""A loop over the minibatches of an epoch, with metrics, as facenet-pytorch's examples use it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor


class Logger:
    """Prints loss and metrics on a line that is written over with each minibatch.

    Parameters
    ----------
    mode : str
        Beginning of the line.
    length : int
        Number of minibatches.
    calculate_mean : bool
        Whether values are sums so far, to be divided by the number of minibatches.
    """

    def __init__(self, mode: str, length: int, calculate_mean: bool = False) -> None:
        self.mode = mode
        self.length = length
        self.calculate_mean = calculate_mean

    def fn(self, x: Any, i: int) -> Any:
        """Return the value to show after minibatch `i`, counted from 0."""
        return x / (i + 1) if self.calculate_mean else x

    def __call__(self, loss: Any, metrics: Mapping[str, Any], i: int) -> None:
        """Print the values after minibatch `i`, counted from 0."""
        values = [f"loss: {self.fn(loss, i):9.4f}"]
        values += [f"{name}: {self.fn(value, i):9.4f}" for name, value in metrics.items()]
        end = "\n" if i + 1 == self.length else ""
        print(f"\r{self.mode} | {i + 1:5d}/{self.length:<5d}| {' | '.join(values)}   ", end=end)


class BatchTimer:
    """A metric: the time since its last call.

    Parameters
    ----------
    rate : bool
        Whether to return a number in a second, not seconds.
    per_sample : bool
        Whether to count samples, not minibatches.
    """

    def __init__(self, rate: bool = True, per_sample: bool = True) -> None:
        self.start = time.time()
        self.end: float | None = None
        self.rate = rate
        self.per_sample = per_sample

    def __call__(self, y_pred: Any, y: Any) -> Tensor:
        """Return the rate, or the time, of a minibatch with these predictions."""
        now = time.time()
        elapsed = now - self.start
        self.start = now
        if self.per_sample:
            elapsed /= len(y_pred)
        return torch.tensor(1 / elapsed if self.rate else elapsed, dtype=torch.float32, device="cpu")


def accuracy(logits: Tensor, y: Tensor) -> Tensor:
    """Return the share of rows of ``(N, classes)`` whose largest logit is that of the class `y`."""
    return (logits.argmax(dim=1) == y).float().mean()


_TIMED: Mapping[str, Callable[[Any, Any], Tensor]] = {"time": BatchTimer()}


def pass_epoch(
    model: Any,
    loss_fn: Callable[[Any, Any], Any],
    loader: Any,
    optimizer: Any = None,
    scheduler: Any = None,
    batch_metrics: Mapping[str, Callable[[Any, Any], Tensor]] = _TIMED,
    show_running: bool = True,
    device: Any = "cpu",
    writer: Any = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Train or evaluate a network on every minibatch of a loader.

    Parameters
    ----------
    model : nn.Module
        In training mode it is trained, else evaluated.
    loss_fn : callable
        Loss of predictions and targets.
    loader : DataLoader
        Of pairs of inputs and targets; not empty.
    optimizer, scheduler
        Of torch; needed in training, or None. The scheduler steps once.
    batch_metrics : mapping of str to callable
        Further values of predictions and targets.
    show_running : bool
        Whether to print means so far, not the values of each minibatch.
    device : torch.device or str
        Where inputs and targets are moved.
    writer : SummaryWriter or None
        Of tensorboard, with attributes `iteration` and `interval`.

    Returns
    -------
    loss : Tensor
        Mean over the minibatches.
    metrics : dict of str to Tensor
        Likewise.
    """
    mode = "Train" if model.training else "Valid"
    log = Logger(mode, len(loader), calculate_mean=show_running)
    sums: dict[str, Any] = {}
    for i, (x, y) in enumerate(loader):
        inputs, targets = x.to(device), y.to(device)
        predictions = model(inputs)
        loss = loss_fn(predictions, targets)
        if model.training:
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        values = {"": loss.detach().cpu()}
        values |= {name: metric(predictions, targets).detach().cpu() for name, metric in batch_metrics.items()}
        for name, value in values.items():
            sums[name] = sums.get(name, 0) + value
        if writer is not None and model.training:
            if writer.iteration % writer.interval == 0:
                _write(writer, mode, values)
            writer.iteration += 1
        shown = dict(sums if show_running else values)
        log(shown.pop(""), shown, i)
    if model.training and scheduler is not None:
        scheduler.step()
    means = {name: value / len(loader) for name, value in sums.items()}
    if writer is not None and not model.training:
        _write(writer, mode, means)
    return means.pop(""), means


def _write(writer: Any, mode: str, values: Mapping[str, Tensor]) -> None:
    for name, value in values.items():
        writer.add_scalars(name or "loss", {mode: value}, writer.iteration)


def collate_pil(x: Iterable[tuple[Any, Any]]) -> tuple[list[Any], list[Any]]:
    """Gather pairs into a list of images and a list of targets, for images that no tensor can hold together."""
    pairs = list(x)
    return [image for image, _ in pairs], [target for _, target in pairs]
