"""`train_soft`: the cascade by the soft-label recipe, from data sets to calibrated weights."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mtcnn_fast.datasets.records import FaceRecord
from mtcnn_fast.errors import ConfigError, file_error, missing_file
from mtcnn_fast.files import write_json
from mtcnn_fast.training.samples.geometry import Stage
from mtcnn_fast.training.soft.calibration import calibrate
from mtcnn_fast.training.soft.forward import initialise
from mtcnn_fast.training.soft.loop import train_windows
from mtcnn_fast.training.soft.mining import mine
from mtcnn_fast.training.soft.options import SoftOptions
from mtcnn_fast.training.soft.pnet import train_pnet
from mtcnn_fast.training.soft.run import SoftResult
from mtcnn_fast.training.soft.tiles import cut_tiles, open_tiles
from mtcnn_fast.training.soft.window_set import WindowSet
from mtcnn_fast.training.stage_networks import (
    StageNetwork,
    initial_network,
    network_of,
    save_network,
    save_weights,
    wider,
)
from mtcnn_fast.training.widening import scaled_widths
from mtcnn_fast.weights import Weights, load_first_networks, load_weights

if TYPE_CHECKING:
    from mtcnn_fast.nets.modules import PNet
    from mtcnn_fast.training.config import TrainingConfig

_PARTS = ("training", "held_out")


def train_soft(config: TrainingConfig, out: Path, names: Sequence[str], *, shown: bool) -> dict[str, dict[str, Any]]:
    """Train networks by the soft-label recipe.

    What was interrupted goes on, and what is finished is left as it is.

    Parameters
    ----------
    config : TrainingConfig
        With `soft`.
    out : Path
        ``weights/`` with the calibrated weights once O-Net is trained, ``trained/`` with them as they were trained;
        ``p/0/result.json`` and so on for each network and round, with logs and checkpoint; ``tiles/`` and ``windows/``
        with what they learn from; ``calibration.json``.
    names : sequence of str
        Letters of the networks. One needs those before it: trained in `out`, or given by ``config.init``.
    shown : bool
        Whether to show progress on standard error.

    Returns
    -------
    dict of str to dict
        What the last round's ``result.json`` holds, by network.
    """
    run = _Pipeline(config, out, shown)
    results = {}
    for number in range(len(run.soft.proposers)):
        for name in names:
            if name == "p" and number:
                continue
            results[name] = run.stage(cast("Stage", name), number)
    if "o" in names:
        run.calibrate()
    return results


class _Pipeline:
    """One call of `train_soft`."""

    def __init__(self, config: TrainingConfig, out: Path, shown: bool) -> None:
        assert config.soft is not None
        if config.box_coding != "corner":
            raise ConfigError(f"box_coding must be 'corner' with recipe 'soft', got {config.box_coding!r}")
        self.config, self.soft, self.out, self.shown = config, config.soft, out, shown
        self.workers = config.workers or 1
        self._records: tuple[list[FaceRecord], list[FaceRecord]] | None = None

    def stage(self, name: Stage, number: int) -> dict[str, Any]:
        """Train a network in a round unless that is done, and return what there is to say about it."""
        report = self._folder(name, number) / "result.json"
        if report.exists():
            found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
            return found
        start = time.perf_counter()
        network = self._network(name, number)
        train = self._train_pnet if name == "p" else self._train_on_windows
        result, making = train(name, number, network, start)
        save_network(network, self._folder(name, number) / f"{name}.safetensors", "corner")
        save_network(network, self.out / "trained" / f"{name}.safetensors", "corner")
        summary = _summary(result, making)
        write_json(report, summary)
        return summary

    def calibrate(self) -> None:
        """Write the weights whose thresholds let through what those of the shipped weights do."""
        path = self.out / "calibration.json"
        if path.exists():
            return
        weights, report = self._calibrated("o")
        save_weights(weights, self.out / "weights")
        write_json(path, report)

    def _calibrated(self, last: Stage) -> tuple[Weights, dict[str, dict[str, float]]]:
        """Return the weights so far and the report of `calibrate`; without held-out images they are as trained."""
        weights, records = self._trained(last), [record for record in self._read()[1] if record.complete]
        if not records:
            return weights, {}
        options = self.soft.calibration
        return calibrate(weights, load_weights(None), records, options, last=last, workers=self.workers)

    def _folder(self, name: Stage, number: int) -> Path:
        return self.out / name / str(number)

    def _read(self) -> tuple[list[FaceRecord], list[FaceRecord]]:
        if self._records is None:
            self._records = self.config.data.records(self.out / "drawn", self.config.seed)
        return self._records

    def _network(self, name: Stage, number: int) -> StageNetwork:
        """Make the network that a round begins with: that of the round before, or the initial one made wider."""
        if number:
            return network_of(self._trained(name), name, landmarks=False)
        seed = self.config.seed
        network = initial_network(name, self.config.init, "corner", landmarks=False, seed=seed)
        factor = 1.0 if name == "p" else self._options(name).width
        if self.config.init == "random":
            if factor != 1:
                widths = scaled_widths(name, network.widths, factor)
                network = StageNetwork(name, landmarks=False, seed=seed, widths=widths)
            initialise(network.net, seed)
            return network
        return network if factor == 1 else wider(network, factor, seed=seed)

    def _options(self, name: Stage) -> SoftOptions:
        return self.soft.r if name == "r" else self.soft.o

    def _trained(self, last: Stage) -> Weights:
        """Return the weights so far; networks after `last` are the shipped ones and of no use."""
        wanted = "pro"[: "pro".index(last) + 1]
        folder = self.out / "trained"
        for name in wanted:
            path = folder / f"{name}.safetensors"
            if not path.exists() and self.config.init != "random":
                save_network(initial_network(name, self.config.init, "corner", landmarks=False), path, "corner")
            if not path.exists():
                message = (
                    f"the weights of {name.upper()}-Net are needed, and there are none in {str(folder)!r}: "
                    f"train stage {name!r} first, or say init = 'shipped'"
                )
                raise file_error(ConfigError, missing_file(path), message)
        return load_first_networks(folder, wanted)

    def _train_pnet(self, name: Stage, number: int, network: StageNetwork, start: float) -> tuple[SoftResult, float]:
        for part, records in zip(_PARTS, self._read(), strict=True):
            if records:
                folder = self.out / "tiles" / part
                cut_tiles(records, folder, self.soft.tiles, seed=self.config.seed, workers=self.workers)
        tiles = open_tiles(self.out / "tiles" / _PARTS[0])
        validation = open_tiles(self.out / "tiles" / _PARTS[1]) if self._read()[1] else None
        making = time.perf_counter() - start
        net = cast("PNet", network.net)
        return train_pnet(net, tiles, validation, self.soft.p, self._folder(name, number), shown=self.shown), making

    def _train_on_windows(
        self, name: Stage, number: int, network: StageNetwork, start: float
    ) -> tuple[SoftResult, float]:
        self._mine(name, number)
        rounds = [self.out / "windows" / f"{name}-{each}" for each in range(number + 1)]
        windows = WindowSet.concatenate([WindowSet.open(folder / _PARTS[0], name) for folder in rounds])
        validation = WindowSet.open(rounds[-1] / _PARTS[1], name) if self._read()[1] else None
        making = time.perf_counter() - start
        options = self._options(name)
        # Another order of the windows in each round.
        options = dataclasses.replace(options, seed=options.seed + number)
        result = train_windows(
            network.net,
            windows,
            validation,
            options,
            self._folder(name, number),
            name=f"{name.upper()}-Net",
            shown=self.shown,
        )
        return result, making

    def _mine(self, name: Stage, number: int) -> None:
        weights = self._proposers(name, number)
        for part, records in zip(_PARTS, self._read(), strict=True):
            if records:
                mine(
                    records,
                    weights,
                    self.out / "windows" / f"{name}-{number}" / part,
                    self.soft.mining,
                    stages=(name,),
                    seed=self.config.seed + number,
                    workers=self.workers,
                    progress=self.shown,
                )

    def _proposers(self, name: Stage, number: int) -> Weights:
        """Return the networks that propose a round's windows; those trained here are calibrated once and kept."""
        if self.soft.proposers[number] == "shipped":
            return load_weights(None)
        folder = self.out / "windows" / f"{name}-{number}" / "proposers"
        # The last file to be written.
        if not (folder / "o.safetensors").exists():
            # Soft labels give other scores than the shipped networks': thresholds are to let as much through.
            save_weights(self._calibrated("p" if name == "r" else "r")[0], folder)
        return load_weights(folder)


def _summary(result: SoftResult, making: float) -> dict[str, Any]:
    return {
        "steps": result.steps,
        "seconds_making_samples": round(making, 1),
        "seconds_training": round(result.seconds, 1),
        "before": dict(result.history[0]) if result.history else {},
        "validation": dict(result.history[-1]) if result.history else {},
    }
