"""Where ``mtcnn-fast evaluate`` takes detections from: files, or a detector that runs over images."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from mtcnn_fast._paths import exists, is_file, is_folder
from mtcnn_fast.cli.exit_codes import resumable
from mtcnn_fast.cli.settings import bad_option, make_detector
from mtcnn_fast.errors import DataError
from mtcnn_fast.evaluation.runs import Found, RunRecord, run_system
from mtcnn_fast.evaluation.systems import DetectorSystem, System
from mtcnn_fast.optional import require
from mtcnn_fast.progress import progress_bar
from mtcnn_fast.weights import load_weights


@dataclasses.dataclass(frozen=True, slots=True)
class EvaluationSource:
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
        click.UsageError
            If neither or both sources are given, or a run has no folder to write to.
        MissingExtraError
            If what plotting and reading need is not installed.
        """
        if (self.detections is None) == (self.images is None):
            raise click.UsageError("give one of --detections and --images", click.get_current_context())
        if self.images is not None and self.out is None:
            raise bad_option("a run needs a folder to write to", "--out")
        if self.out is not None:
            if exists(self.out) and not is_folder(self.out):
                raise bad_option(f"{str(self.out)!r} is not a folder", "--out")
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
        present = [key for key, path in paths.items() if is_file(path)]
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
            raise bad_option("a run needs a folder to write to", "--out")
        settings = {"dataset": dataset, "system": system.name, "settings": system.settings}
        advice = f"the same command continues the run in {str(self.out)!r}"
        with resumable(advice), progress_bar(len(files)) as progress:
            found, speed = run_system(system, files, RunRecord(self.out / "run", settings), progress.advance)
        return found, {**settings, "speed": None if speed is None else speed.to_dict()}


def detector_system(settings: dict[str, Any]) -> System:
    """Make the detector that the options describe, as something to evaluate."""
    return DetectorSystem(make_detector(settings), load_weights(settings.get("weights")))
