"""Checkpoints: tensors as safetensors, everything else as JSON, and nothing that is half written.

A folder holds ``checkpoint.json`` and the file of tensors that it names with its SHA-256. The JSON is replaced last, so
whenever the process is killed, there is the old checkpoint or the new one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from torch import Tensor, nn, optim

from mtcnn_fast.errors import ConfigError, DataError, file_error
from mtcnn_fast.files import write_json, written_whole

FORMAT_VERSION = 1
_JSON = "checkpoint.json"


@dataclasses.dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a run needs to go on.

    Attributes
    ----------
    step : int
        Steps that are done.
    tensors : dict of str to Tensor
    state : dict
        What JSON can hold.
    """

    step: int
    tensors: dict[str, Tensor]
    state: dict[str, Any]


def save_checkpoint(folder: Path, checkpoint: Checkpoint, run: dict[str, Any]) -> None:
    """Write a checkpoint and remove the one before.

    Parameters
    ----------
    folder : Path
    checkpoint : Checkpoint
    run : dict
        What tells this run from others: its settings. `load_checkpoint` compares it.
    """
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    data = save({name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()})
    name = f"step-{checkpoint.step:08}.safetensors"
    written_whole(folder / name, data)
    head = {
        "format_version": FORMAT_VERSION,
        "step": checkpoint.step,
        "tensors": name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "run": run,
        "state": checkpoint.state,
    }
    write_json(folder / _JSON, head)
    for old in [*folder.glob("step-*.safetensors"), *folder.glob(".*.partial")]:
        if old.name != name:
            old.unlink()


def saved_step(folder: Path) -> int | None:
    """Return the step of a folder's checkpoint; None where there is none.

    Raises
    ------
    DataError
        If it is damaged.
    """
    path = folder / _JSON
    if not path.exists():
        return None
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["step"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise file_error(DataError, error, f"the checkpoint is damaged: {error!r}", path) from error


def load_checkpoint(folder: Path, run: dict[str, Any]) -> Checkpoint | None:
    """Read a folder's checkpoint; None where there is none.

    Raises
    ------
    ConfigError
        If it belongs to a run with other settings; the message names them.
    DataError
        If it is damaged.
    """
    from safetensors.torch import load

    path = folder / _JSON
    if not path.exists():
        return None
    try:
        head = json.loads(path.read_text(encoding="utf-8"))
        if head["format_version"] != FORMAT_VERSION:
            raise DataError(f"format_version must be {FORMAT_VERSION}, got {head['format_version']!r}", path)
        data = (folder / head["tensors"]).read_bytes()
        digest, step, state, found = head["sha256"], int(head["step"]), dict(head["state"]), dict(head["run"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, DataError):
            raise
        raise file_error(DataError, error, f"the checkpoint is damaged: {error!r}", path) from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise DataError("the checkpoint is damaged: its SHA-256 is another", folder / head["tensors"])
    _compare(found, json.loads(json.dumps(run)), folder)
    return Checkpoint(step, load(data), state)


def _compare(found: dict[str, Any], run: dict[str, Any], folder: Path) -> None:
    changed = [name for name in sorted({*found, *run}) if found.get(name) != run.get(name)]
    if changed:
        differences = ", ".join(f"{name} was {found.get(name)!r} and is {run.get(name)!r}" for name in changed)
        raise ConfigError(f"{str(folder)!r} holds a run with other settings ({differences}): choose another folder")


def optimizer_tensors(optimizer: optim.Optimizer) -> dict[str, Tensor]:
    """Return the tensors of an optimizer's state by ``PARAMETER.NAME``; its settings are not among them."""
    state: dict[int, dict[str, Any]] = optimizer.state_dict()["state"]
    return {
        f"{index}.{name}": value
        for index, values in state.items()
        for name, value in values.items()
        if isinstance(value, Tensor)
    }


def load_optimizer(optimizer: optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put an optimizer's state back; the inverse of `optimizer_tensors`."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def with_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Name tensors ``prefix.NAME``."""
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def without_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a prefix by their names after it."""
    start = f"{prefix}."
    return {name[len(start) :]: value for name, value in tensors.items() if name.startswith(start)}


def cloned_state(network: nn.Module) -> dict[str, Tensor]:
    """Return a copy of a network's parameters that later steps do not change."""
    return {name: value.detach().clone() for name, value in network.state_dict().items()}
