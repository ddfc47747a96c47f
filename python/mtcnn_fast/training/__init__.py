"""Training of the three networks as in the paper, from data sets' own files to weights that `Detector` takes.

It needs torch: ``pip install 'mtcnn-fast[train]'``. Names are loaded when they are first used, so that what reads data
sets does without it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mtcnn_fast.training.config import TrainingConfig, load_config
    from mtcnn_fast.training.loop import Result, train_network
    from mtcnn_fast.training.metrics import evaluate_network
    from mtcnn_fast.training.stage_networks import StageNetwork, initial_network, save_network
    from mtcnn_fast.training.train_options import TrainOptions
    from mtcnn_fast.training.trainer import train

__all__ = [
    "Result",
    "StageNetwork",
    "TrainOptions",
    "TrainingConfig",
    "evaluate_network",
    "initial_network",
    "load_config",
    "save_network",
    "train",
    "train_network",
]

_HOME = {
    "Result": "loop",
    "StageNetwork": "stage_networks",
    "TrainOptions": "train_options",
    "TrainingConfig": "config",
    "evaluate_network": "metrics",
    "initial_network": "stage_networks",
    "load_config": "config",
    "save_network": "stage_networks",
    "train": "trainer",
    "train_network": "loop",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
