"""Several systems on the same images in the same order: one row of figures each."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import multiprocessing
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mtcnn_fast._paths import is_file
from mtcnn_fast.datasets.fddb import read_fddb_images
from mtcnn_fast.datasets.landmark_lists import read_landmarks
from mtcnn_fast.datasets.widerface import read_widerface_images
from mtcnn_fast.errors import DataError, MissingExtraError, file_error, missing_file
from mtcnn_fast.evaluation.fddb import score_fddb
from mtcnn_fast.evaluation.landmarks import choose_face, score_landmarks
from mtcnn_fast.evaluation.other_detectors import SYSTEMS
from mtcnn_fast.evaluation.plot_style import bars, head, make_figure, save_figure
from mtcnn_fast.evaluation.reports import as_markdown
from mtcnn_fast.evaluation.runs import Found, RunRecord, run_system
from mtcnn_fast.evaluation.systems import System, SystemOptions
from mtcnn_fast.evaluation.widerface import score_widerface
from mtcnn_fast.progress import progress_bar

#: Numbers of false positives at which the report gives FDDB's discrete ROC.
FALSE_POSITIVES = 100

#: Panels side by side in the picture of a comparison.
PANELS = 3

COLUMNS = {
    "easy": "AP easy",
    "medium": "AP medium",
    "hard": "AP hard",
    "all": "AP all",
    "fddb": "FDDB at {} FP",
    "landmarks": "landmark error",
    "not_found": "not found",
    "ms": "ms an image",
    "p95": "p95 ms",
    "cpu": "CPU ms",
    "memory": "memory MB",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Benchmark:
    """The images that systems are compared on; each pair may be left out.

    Attributes
    ----------
    widerface, fddb, landmarks : (Path, Path) or None
        Folder of images, and annotation. Images of WIDER FACE and FDDB that are missing are left out.
    every : int
        Use every n-th image of each data set.
    limit : int or None
        Largest number of images from each data set.
    false_positives : int
        Where the point of FDDB's discrete ROC lies.
    """

    widerface: tuple[Path, Path] | None = None
    fddb: tuple[Path, Path] | None = None
    landmarks: tuple[Path, Path] | None = None
    every: int = 1
    limit: int | None = None
    false_positives: int = FALSE_POSITIVES


def compare(
    names: Sequence[str], benchmark: Benchmark, options: SystemOptions, out: str | os.PathLike[str]
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Evaluate systems one after the other, each in a process of its own, so that its memory can be measured.

    Parameters
    ----------
    names : sequence of str
        Keys of `mtcnn_fast.evaluation.other_detectors.SYSTEMS`.
    benchmark : Benchmark
    options : SystemOptions
    out : path-like or str
        Folder where runs are recorded, so that a comparison that was interrupted continues.

    Returns
    -------
    rows : dict of str to dict
        For each system that could be used, its figures by the keys of `COLUMNS`, and ``label``: what was scored.
    missing : dict of str to str
        For each that could not, why; a `Failure` for one that raised, or whose process died.

    Raises
    ------
    DataError
        If the annotation or an image cannot be read.
    """
    rows: dict[str, dict[str, Any]] = {}
    missing: dict[str, str] = {}
    context = multiprocessing.get_context("spawn")
    for name in names:
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
            try:
                found = pool.submit(_evaluate_or_fail, name, benchmark, options, os.fspath(out)).result()
            except MissingExtraError as error:
                missing[name] = str(error)
                continue
            except concurrent.futures.BrokenExecutor:
                found = Failure("failed: its process died")
        if isinstance(found, Failure):
            missing[name] = found
        else:
            title, figures = found
            rows[title] = figures
    return rows, missing


class Failure(str):
    """Why a system that is there has no row."""

    __slots__ = ()


def _evaluate_or_fail(
    name: str, benchmark: Benchmark, options: SystemOptions, out: str
) -> tuple[str, dict[str, Any]] | Failure:
    try:
        return evaluate_system(name, benchmark, options, out)
    except (DataError, MissingExtraError):
        raise
    # Another package raises what it likes, and perhaps what cannot be pickled.
    except Exception as error:
        return Failure(f"failed: {type(error).__name__}: {' '.join(str(error).split())}")


def evaluate_system(name: str, benchmark: Benchmark, options: SystemOptions, out: str) -> tuple[str, dict[str, Any]]:
    """Evaluate one system in this process; return its title and its row."""
    system = SYSTEMS[name](options)
    folder = Path(out) / name.replace(":", "-")
    row: dict[str, Any] = {"label": []}
    if benchmark.widerface is not None:
        row |= _widerface(system, benchmark, folder / "widerface", row["label"])
    if benchmark.fddb is not None:
        row |= _fddb(system, benchmark, folder / "fddb", row["label"])
    if benchmark.landmarks is not None:
        row |= _landmarks(system, benchmark, folder / "landmarks", row["label"])
    return system.name, row


def _run(
    system: System, folder: Path, files: Mapping[str, Path], benchmark: Benchmark, speed_of: dict[str, Any]
) -> dict[str, Found]:
    present = [(key, path) for key, path in files.items() if is_file(path)][:: benchmark.every][: benchmark.limit]
    if not present:
        first = next(iter(files.values()))
        message = f"none of {len(files)} annotated images is there, such as {first}"
        raise file_error(DataError, missing_file(first), message)
    settings = {"system": system.name, "settings": system.settings}
    with progress_bar(len(present), label=system.name) as progress:
        found, speed = run_system(system, present, RunRecord(folder, settings), progress.advance)
    if speed is not None:
        speed_of |= {"ms": speed.mean_ms, "p95": speed.p95_ms, "cpu": speed.cpu_ms, "memory": speed.peak_memory_mb}
    return found


def _widerface(system: System, benchmark: Benchmark, folder: Path, label: list[str]) -> dict[str, Any]:
    images_folder, annotation = benchmark.widerface or (Path(), Path())
    images = read_widerface_images(annotation)
    row: dict[str, Any] = {}
    files = {image.key: image.file(images_folder) for image in images}
    found = _run(system, folder, files, benchmark, row)
    scored = [image for image in images if image.key in found]
    result = score_widerface(scored, {key: item.detections for key, item in found.items()}, of_images=len(images))
    label.append(result.label)
    return {**result.average_precision, **row}


def _fddb(system: System, benchmark: Benchmark, folder: Path, label: list[str]) -> dict[str, Any]:
    images_folder, annotation = benchmark.fddb or (Path(), Path())
    images = read_fddb_images(annotation)
    row: dict[str, Any] = {}
    files = {image.name: image.file(images_folder) for image in images}
    found = _run(system, folder, files, benchmark, row)
    scored = [image for image in images if image.name in found]
    detections = {name: item.detections for name, item in found.items()}
    result = score_fddb(scored, detections, sizes={name: item.size for name, item in found.items()})
    label.append(result.label)
    # Time and memory are told of the first set that was run.
    return {"fddb": float(result.discrete.at(benchmark.false_positives)), **({} if benchmark.widerface else row)}


def _landmarks(system: System, benchmark: Benchmark, folder: Path, label: list[str]) -> dict[str, Any]:
    images_folder, annotation = benchmark.landmarks or (Path(), Path())
    faces = {face.path: face for face in read_landmarks(annotation)}
    row: dict[str, Any] = {}
    found = _run(system, folder, {path: images_folder / path for path in faces}, benchmark, row)
    points = {path: choose_face(item.detections, faces[path].box) for path, item in found.items()}
    result = score_landmarks([faces[path] for path in found], points)
    label.append(f"landmarks: {result.faces:,} of {len(faces):,} faces of {annotation.stem}")
    without = result.missed == result.faces
    error = None if without else result.to_dict()["inter_ocular"]["mean"]
    first = benchmark.widerface is None and benchmark.fddb is None
    return {"landmarks": error, "not_found": None if without else result.missed, **(row if first else {})}


def table(
    rows: Mapping[str, Mapping[str, Any]], missing: Mapping[str, str], false_positives: int = FALSE_POSITIVES
) -> str:
    """Return the comparison in Markdown, with what was scored and which systems are missing."""
    columns = [key for key in COLUMNS if any(key in row for row in rows.values())]
    body = [[name, *(row.get(key) for key in columns)] for name, row in rows.items()]
    labels = list(dict.fromkeys(label for row in rows.values() for label in row["label"]))
    parts = [*labels, "", as_markdown(["system", *(COLUMNS[key].format(false_positives) for key in columns)], body)]
    parts += [f"- not compared: {name}: {reason}" for name, reason in missing.items()]
    return "\n".join(parts).rstrip() + "\n"


def plot_comparison(
    path: str | os.PathLike[str], rows: Mapping[str, Mapping[str, Any]], false_positives: int = FALSE_POSITIVES
) -> None:
    """Draw a bar for each system and figure, a panel a figure.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    columns = [key for key in COLUMNS if any(row.get(key) is not None for row in rows.values())]
    wide = min(len(columns), PANELS)
    high = -(-len(columns) // PANELS)
    height = (0.32 * len(rows) + 0.9) * high
    figure, axes = make_figure(wide, 2.1 * wide + 1.8, height, rows=high, share_y=True)
    for key, ax in zip(columns, axes, strict=False):
        bars(ax, {name: row.get(key) for name, row in rows.items()}, _short)
        head(ax, COLUMNS[key].format(false_positives))
    for ax in axes[len(columns) :]:
        ax.remove()
    # The axis is shared: turning one turns all, so that the first system is on top.
    axes[0].invert_yaxis()
    save_figure(figure, path)


def _short(value: float) -> str:
    """Write a value in three or four figures."""
    return f"{value:.3f}" if value < 1 else f"{value:.3g}" if value < 100 else f"{value:,.0f}"
