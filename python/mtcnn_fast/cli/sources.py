"""Where ``mtcnn-fast evaluate`` takes detections from: files, or a detector that runs over images."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from mtcnn_fast.cli.settings import make_detector
from mtcnn_fast.errors import DataError
from mtcnn_fast.evaluation.runs import Found, RunRecord, run_system
from mtcnn_fast.evaluation.systems import DetectorSystem, System
from mtcnn_fast.optional import require
from mtcnn_fast.progress import progress_bar
from mtcnn_fast.weights import load_weights


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """Stored detections or images, as the options of a command say.

    Attributes
    ----------
    detections, images : Path or None
        One of them.
    out : Path or None
        Where results are written; needed for a run.
    allow_partial : bool
        Whether images that are missing, or have no detections, are left out.
    """

    detections: Path | None
    images: Path | None
    out: Path | None
    allow_partial: bool

    def check(self) -> None:
        """Refuse options that do not go together, and what would fail only after a long run.

        Raises
        ------
        typer.BadParameter
            If neither or both sources are given, or a run has no folder to write to.
        MissingExtraError
            If what plotting and reading need is not installed.
        """
        if (self.detections is None) == (self.images is None):
            raise typer.BadParameter("give one of them", param_hint="--detections or --images")
        if self.images is not None and self.out is None:
            raise typer.BadParameter("a run needs a folder to write to", param_hint="--out")
        if self.out is not None:
            if self.out.exists() and not self.out.is_dir():
                raise typer.BadParameter(f"{str(self.out)!r} is not a folder", param_hint="--out")
            require("matplotlib.figure", "plotting")
            self.out.mkdir(parents=True, exist_ok=True)

    def keep_known(self, keys: Sequence[str], found: Collection[str]) -> list[str]:
        """Return the images that have detections.

        Raises
        ------
        DataError
            If one has none, unless that is allowed; or none has any.
        """
        return self._keep(keys, [key for key in keys if key in found], "have no detections", self.detections)

    def files(self, paths: Mapping[str, Path]) -> list[tuple[str, Path]]:
        """Return the images whose files there are, and the files.

        Raises
        ------
        DataError
            If one is missing, unless that is allowed; or all are.
        """
        present = [key for key, path in paths.items() if path.is_file()]
        return [(key, paths[key]) for key in self._keep(list(paths), present, "are missing", self.images)]

    def _keep(self, keys: Sequence[str], present: list[str], what: str, where: Path | None) -> list[str]:
        if len(present) < len(keys) and not (self.allow_partial and present):
            kept = frozenset(present)
            first = next(key for key in keys if key not in kept)
            remedy = "; --allow-partial scores the others" if present else ""
            missing = len(keys) - len(present)
            raise DataError(f"{missing:,} of {len(keys):,} images {what}, the first is {first!r}{remedy}", where)
        return present

    def run(
        self, system: System, dataset: str, files: Sequence[tuple[str, Path]]
    ) -> tuple[dict[str, Found], dict[str, Any]]:
        """Run a detector over images, with progress, continuing what is in the folder.

        Returns
        -------
        found : dict of str to Found
        about : dict
            What a report says of the run: the system, its settings and speed.
        """
        if self.out is None:
            raise typer.BadParameter("a run needs a folder to write to", param_hint="--out")
        settings = {"dataset": dataset, "system": system.name, "settings": system.settings}
        with progress_bar(len(files), Console(stderr=True)) as advance:
            found, speed = run_system(system, files, RunRecord(self.out / "run", settings), advance)
        return found, {**settings, "speed": None if speed is None else speed.to_dict()}


def detector_system(settings: dict[str, Any]) -> System:
    """Make the detector that the options describe, as something to evaluate."""
    return DetectorSystem(make_detector(settings), load_weights(settings["weights"]))
