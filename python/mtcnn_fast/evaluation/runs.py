"""Running a detector over a data set so that it can be interrupted and continued."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from mtcnn_fast.datasets.detections import Detections
from mtcnn_fast.errors import DataError, ImageError
from mtcnn_fast.evaluation.speed import Speed, Timing, peak_memory_mb
from mtcnn_fast.evaluation.systems import System
from mtcnn_fast.files import write_json, written_whole
from mtcnn_fast.images import load_image


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a run knows about an image.

    Attributes
    ----------
    detections : Detections
    size : (width, height)
        Of the image.
    timing : Timing
    """

    detections: Detections
    size: tuple[int, int]
    timing: Timing

    def to_dict(self, key: str) -> dict[str, Any]:
        """Return it as plain objects, for a line of the run's record."""
        landmarks = self.detections.landmarks
        return {
            "image": key,
            "size": list(self.size),
            "boxes": self.detections.boxes.tolist(),
            "scores": self.detections.scores.tolist(),
            "landmarks": None if landmarks is None else landmarks.tolist(),
            "timing": dataclasses.asdict(self.timing),
        }

    @classmethod
    def from_dict(cls, line: Mapping[str, Any]) -> Found:
        """Undo `to_dict`."""
        detections = Detections(line["boxes"], line["scores"], line["landmarks"])
        width, height = line["size"]
        return cls(detections, (width, height), Timing(**line["timing"]))


class RunRecord:
    """The images that a run has done, kept in a folder: settings in ``run.json``, results in ``images.jsonl``.

    Parameters
    ----------
    folder : path-like or str
        Made if it does not exist.
    settings : mapping
        What the results depend on.

    Attributes
    ----------
    done : dict of str to Found
        Results of this run and of earlier ones with the same settings, by image.

    Raises
    ------
    DataError
        If the folder holds a run with other settings, or a damaged one.
    """

    def __init__(self, folder: str | os.PathLike[str], settings: Mapping[str, Any]) -> None:
        folder = Path(folder)
        self._lines = folder / "images.jsonl"
        self.done: dict[str, Found] = {}
        folder.mkdir(parents=True, exist_ok=True)
        # The same round through JSON as what it is compared with.
        plain = json.loads(json.dumps(settings))
        path = folder / "run.json"
        if path.exists():
            _check_same(path, plain)
            self._read()
        else:
            write_json(path, plain)

    def _read(self) -> None:
        if not self._lines.exists():
            return
        text = self._lines.read_bytes()
        # A run that was killed may have left half a line, which is done anew.
        whole = text[: text.rfind(b"\n") + 1]
        if len(whole) < len(text):
            written_whole(self._lines, whole)
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                values = json.loads(line)
                self.done[values["image"]] = Found.from_dict(values)
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(f"is no record of an image ({error})", self._lines, number) from error

    def open(self) -> TextIO:
        """Open the record to add to it."""
        return self._lines.open("a", encoding="utf-8")


def _check_same(path: Path, settings: dict[str, Any]) -> None:
    try:
        before = json.loads(path.read_bytes())
    except ValueError as error:
        raise DataError(f"is no record of a run ({error})", path) from error
    for name in dict.fromkeys([*before, *settings]):
        if before.get(name) != settings.get(name):
            raise DataError(
                f"the folder holds a run with {name} {before.get(name)!r}, this one has {settings.get(name)!r};"
                " give another folder, or remove it",
                path,
            )


def run_system(
    system: System,
    images: Sequence[tuple[str, Path]],
    record: RunRecord,
    advance: Callable[[], None] = lambda: None,
) -> tuple[dict[str, Found], Speed | None]:
    """Detect in every image that the record does not have yet.

    Parameters
    ----------
    system : System
    images : sequence of (str, Path)
        For each image what it is called, and its file.
    record : RunRecord
        Results are added one by one.
    advance : callable
        Called after each image, also those that were done before.

    Returns
    -------
    found : dict of str to Found
        By name, for all `images`.
    speed : Speed or None
        Over all `images`, also those of earlier runs. The first image of a process is detected twice, the first time
        without being timed. None if there are no images.

    Raises
    ------
    DataError
        If a file cannot be read as an image.
    """
    found = {}
    warm = False
    with record.open() as lines:
        for key, path in images:
            if key not in record.done:
                if not warm:
                    _detect(system, key, path)
                    warm = True
                record.done[key] = _detect(system, key, path)
                lines.write(json.dumps(record.done[key].to_dict(key)) + "\n")
                lines.flush()
            found[key] = record.done[key]
            advance()
    timings = [item.timing for item in found.values()]
    return found, Speed.of(timings) if timings else None


def _detect(system: System, key: str, path: Path) -> Found:
    start = time.perf_counter()
    try:
        image = load_image(path)
    except ImageError as error:
        raise DataError(str(error), path) from error
    loaded = time.perf_counter()
    spent = time.process_time()
    detections, stages = system.find(image, key)
    done, cpu = time.perf_counter(), time.process_time() - spent
    size = image.shape[1], image.shape[0]
    return Found(detections, size, Timing(loaded - start, done - loaded, dict(stages), cpu, peak_memory_mb()))
