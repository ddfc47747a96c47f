"""`train`: the whole cascade, from a configuration to a folder of weights that `Detector` takes."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from mtcnn_fast.checks import Choice
from mtcnn_fast.datasets.records import FaceRecord
from mtcnn_fast.errors import ConfigError, DataError, file_error, missing_file
from mtcnn_fast.files import write_json
from mtcnn_fast.training.comparison import compare_weights
from mtcnn_fast.training.config import TrainingConfig
from mtcnn_fast.training.distributed import ProcessGroup, joined_group
from mtcnn_fast.training.loop import Result, train_network
from mtcnn_fast.training.samples import SampleSet, make_samples
from mtcnn_fast.training.samples.geometry import Stage
from mtcnn_fast.training.samples.recall import stage_recall
from mtcnn_fast.training.stage_networks import initial_network, save_network
from mtcnn_fast.weights.spec import NETWORKS

STAGES: tuple[str, ...] = (*NETWORKS, "all")


def train(
    config: TrainingConfig, out: str | os.PathLike[str], stage: str = "all", *, shown: bool = True
) -> dict[str, dict[str, Any]]:
    """Train the cascade, or one network of it.

    What was interrupted goes on when this is called again with the same arguments, and what is finished is left as it
    is. Under torchrun all processes call this; the first one makes samples and writes files.

    Parameters
    ----------
    config : TrainingConfig
    out : path-like or str
        The folder for everything: ``weights/`` with ``p``, ``r`` and ``o.safetensors``; for each network
        ``p/result.json``, logs and checkpoint, and its samples in ``samples/p``; after the last network
        ``recall.json``, see `mtcnn_fast.training.samples.recall.stage_recall`, and ``comparison.json``, see
        `mtcnn_fast.training.comparison.compare_weights`. What ``recipe = "soft"`` writes is described in
        `mtcnn_fast.training.soft.pipeline`.
    stage : {"p", "r", "o", "all"}
        A network needs those before it: trained in `out`, or given by ``config.init``.
    shown : bool
        Whether to show progress on standard error.

    Returns
    -------
    dict of str to dict
        What ``result.json`` holds, by network.

    Raises
    ------
    ConfigError
        If a setting is not accepted, `out` holds a run with other settings, or a network before is missing.
    DataError
        If data cannot be read, or gives no samples.
    TrainingError
        If a loss is no longer a number.
    """
    Choice(STAGES)("stage", stage)
    names = NETWORKS if stage == "all" else (stage,)
    with joined_group(config.stage(names[0]).train.device) as group:
        if config.recipe == "soft":
            if group.size > 1:
                raise ConfigError("recipe 'soft' trains in one process: start it without torchrun")
            results = _train_soft(config, Path(out), names, shown)
            _compare(config, Path(out), names)
            return results
        run = _Cascade(config, Path(out), group, shown)
        results = {name: run.stage(name) for name in names}
        if names[-1] == NETWORKS[-1] and group.leads:
            run.measure_recall()
            _compare(config, Path(out), names)
        return results


def _compare(config: TrainingConfig, out: Path, names: Sequence[str]) -> None:
    """Write down how the finished weights compare on the validation images, if the configuration names any."""
    path = out / "comparison.json"
    if config.validation is None or names[-1] != NETWORKS[-1] or path.exists():
        return
    write_json(path, compare_weights(config.validation, out / "weights"))


def _train_soft(config: TrainingConfig, out: Path, names: Sequence[str], shown: bool) -> dict[str, dict[str, Any]]:
    from mtcnn_fast.training.soft.pipeline import train_soft

    out.mkdir(parents=True, exist_ok=True)
    _keep_description(out, config)
    return train_soft(config, out, names, shown=shown)


class _Cascade:
    """One call of `train`."""

    def __init__(self, config: TrainingConfig, out: Path, group: ProcessGroup, shown: bool) -> None:
        self.config = config
        self.out = out
        self.group = group
        self.shown = shown
        self.weights = out / "weights"
        self._records: tuple[list[FaceRecord], list[FaceRecord]] | None = None
        if group.leads:
            self.weights.mkdir(parents=True, exist_ok=True)
            _keep_description(out, config)
            self._put_initial_weights()
        group.wait()

    def stage(self, name: str) -> dict[str, Any]:
        """Train a network unless that is done, and return what there is to say about it."""
        report = self.out / name / "result.json"
        if report.exists():
            found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
            return found
        self._check_previous(name)
        settings = self.config.stage(name).train
        start = time.perf_counter()
        training, validation = self._samples(name)
        making = time.perf_counter() - start
        network = initial_network(
            name,
            self.config.init,
            self.config.box_coding,
            landmarks=self.config.landmarks,
            seed=self.config.seed,
        )
        result = train_network(
            network, training, validation, settings, self.out / name, name=f"{name.upper()}-Net", shown=self.shown
        )
        summary = _summary(result, training, validation, making)
        if self.group.leads:
            save_network(network, self.weights / f"{name}.safetensors", self.config.box_coding)
            write_json(report, summary)
        self.group.wait()
        return summary

    def measure_recall(self) -> None:
        """Write down which share of the faces held out each network keeps, beside those of the weights shipped."""
        path = self.out / "recall.json"
        records = [record for record in self._read()[1] if record.complete]
        if path.exists() or not records:
            return
        weights = {"trained": self.weights, "shipped": None}
        found = {name: stage_recall(records, where, workers=self.config.workers) for name, where in weights.items()}
        write_json(path, found)

    def _read(self) -> tuple[list[FaceRecord], list[FaceRecord]]:
        if self._records is None:
            self._records = self.config.data.records(self.out / "drawn", self.config.seed)
        return self._records

    def _put_initial_weights(self) -> None:
        """Begin with the weights of another detector, so that any of its networks can be trained alone."""
        if self.config.init == "random":
            return
        for name in NETWORKS:
            path = self.weights / f"{name}.safetensors"
            if not path.exists():
                network = initial_network(name, self.config.init, self.config.box_coding)
                save_network(network, path, self.config.box_coding)

    def _check_previous(self, name: str) -> None:
        for before in NETWORKS[: NETWORKS.index(name)]:
            if not (self.weights / f"{before}.safetensors").exists():
                message = (
                    f"stage {name!r} needs the weights of {before.upper()}-Net, and there are none in "
                    f"{str(self.weights)!r}: train stage {before!r} first, or say init = 'shipped'"
                )
                raise file_error(ConfigError, missing_file(self.weights / f"{before}.safetensors"), message)

    def _samples(self, name: str) -> tuple[SampleSet, SampleSet | None]:
        """Make the samples, in the first process, and open them in all."""
        if self.group.leads:
            self._make(name)
        self.group.wait()
        folder = self.out / "samples" / name
        validation = folder / "validation"
        opened = SampleSet.open(validation, verify=False) if validation.exists() else None
        return SampleSet.open(folder / "training", verify=False), opened

    def _make(self, name: str) -> None:
        options = self.config.stage(name).samples
        held_out = self.config.data.held_out
        # As many a picture as among those trained on.
        fewer = max(1, round(options.total * held_out / (1 - held_out)))
        parts = {"training": options, "validation": dataclasses.replace(options, total=fewer)}
        for (part, settings), records in zip(parts.items(), self._read(), strict=True):
            if records:
                make_samples(
                    cast("Stage", name),
                    records,
                    self.out / "samples" / name / part,
                    weights=None if name == "p" else self.weights,
                    options=settings,
                    seed=self.config.seed,
                    workers=self.config.workers,
                    progress=self.shown,
                )


def _keep_description(out: Path, config: TrainingConfig) -> None:
    """Write down the settings, and refuse to mix those of two runs that would give other samples."""
    path = out / "config.json"
    described = json.loads(json.dumps(dataclasses.asdict(config), default=str))
    if path.exists():
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DataError(f"not JSON: {error}", path) from error
        # Runs of before there was a choice.
        found.setdefault("recipe", "paper")
        for key in ("recipe", "seed", "init", "box_coding", "landmarks"):
            if found.get(key) != described[key]:
                raise ConfigError(
                    f"{str(out)!r} holds a run with {key} {found.get(key)!r}, now it is {described[key]!r}: "
                    "choose another folder"
                )
    write_json(path, described)


def _summary(result: Result, training: SampleSet, validation: SampleSet | None, making: float) -> dict[str, Any]:
    counts = {
        part: {kind.name.lower(): count for kind, count in samples.counts.items()}
        for part, samples in (("training", training), ("validation", validation))
        if samples is not None
    }
    return {
        "steps": result.steps,
        "best_step": result.best_step,
        "stopped_early": result.stopped_early,
        "seconds_making_samples": round(making, 1),
        "seconds_training": round(result.seconds, 1),
        "samples": counts,
        "before": dict(result.history[0]) if result.history else {},
        "validation": dict(result.best),
    }
