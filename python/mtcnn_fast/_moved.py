"""Modules under the names that they had in earlier versions, for old imports and old pickles."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_PACKAGE = "mtcnn_fast."

#: Earlier name and present name, both without the package's.
MOVED = {
    "_decode": "images.decode",
    "alignment": "faces.alignment",
    "arrays": "checks.arrays",
    "backends.numpy_nets": "backends.numpy.nets",
    "backends.numpy_ops": "backends.numpy.steps",
    "backends.stages": "faces.trace",
    "backends.torch.capacities": "backends.cascade.capacities",
    "backends.torch.cascade": "backends.cascade.run",
    "backends.torch.cuda_steps": "backends.cuda.kernels",
    "backends.torch.memory": "backends.cascade.halving",
    "backends.torch.observer": "backends.cascade.observer",
    "backends.torch.plan": "backends.cascade.plan",
    "backends.torch.staging": "backends.cuda.staging",
    "backends.torch.steps": "backends.cascade.steps",
    "backends.torch_cascade": "backends.cascade.run",
    "backends.torch_cuda_ops": "backends.cuda.kernels",
    "backends.torch_devices": "backends.torch.devices",
    "backends.torch_graphs": "backends.torch.graphs",
    "backends.torch_library": "backends.torch.operators",
    "backends.torch_ops": "backends.cascade.steps",
    "backends.torch_plan": "backends.cascade.plan",
    "batching": "images.batches",
    "crops": "faces.crops",
    "datasets.overlap": "faces.overlap",
    "drawing": "faces.drawing",
    "evaluation.explain": "faces.fates",
    "evaluation.extras": "optional",
    "evaluation.fddb_data": "datasets.fddb",
    "evaluation.given_boxes": "evaluation.landmarks_in_boxes",
    "evaluation.matching": "faces.overlap",
    "evaluation.peers": "evaluation.other_detectors",
    "evaluation.records": "datasets.detections",
    "evaluation.textfiles": "datasets.textfiles",
    "evaluation.widerface_data": "datasets.widerface",
    "face": "faces.face",
    "notebook": "faces.notebook",
    "processors": "_native",
    "stagewise": "cascade_parts",
    "training.cascade_cnn": "evaluation.cascade_cnn",
    "training.cascade_cnn.calibration": "evaluation.cascade_cnn.calibration",
    "training.cascade_cnn.detector": "evaluation.cascade_cnn.detector",
    "training.cascade_cnn.networks": "evaluation.cascade_cnn.networks",
    "training.cascade_cnn.training": "training.ablations.cascade_cnn",
    "training.cascade_cnn.weights": "evaluation.cascade_cnn.weights",
    "training.data": "datasets",
    "training.data.celeba": "datasets.celeba",
    "training.data.coco": "datasets.coco",
    "training.data.drawn": "datasets.drawn",
    "training.data.fddb": "datasets.fddb",
    "training.data.landmark_lists": "datasets.landmark_lists",
    "training.data.records": "datasets.records",
    "training.data.splits": "datasets.splits",
    "training.data.widerface": "datasets.widerface",
    "training.networks": "training.stage_networks",
    "training.options": "training.train_options",
    "training.samples.options": "training.samples.sample_options",
    "training.ablations.options": "training.ablations.ablation_options",
    "training.datasets": "training.data_sources",
    "training.files": "files",
}


class MovedModules:
    """Finds a module under its earlier name, and hands out the one that has its place now."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Answer the import system for the names in `MOVED`."""
        if name.startswith(_PACKAGE) and name.removeprefix(_PACKAGE) in MOVED:
            loader: Any = MovedModules()
            return ModuleSpec(name, loader)
        return None

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to the import system to make a module, which `exec_module` replaces."""

    def exec_module(self, module: ModuleType) -> None:
        """Put the present module in the place of the earlier one."""
        present = MOVED[module.__name__.removeprefix(_PACKAGE)]
        sys.modules[module.__name__] = importlib.import_module(_PACKAGE + present)


def install() -> None:
    """Make earlier names importable; before other finders, which would load such a module a second time."""
    if not any(finder is MovedModules for finder in sys.meta_path):
        sys.meta_path.insert(0, MovedModules)
