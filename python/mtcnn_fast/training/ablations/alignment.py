"""Joint alignment: what learning landmarks gives O-Net's other tasks (Zhang et al. 2016, figure 3b).

The paper compares two O-Nets behind the same P-Net and R-Net, one trained for landmarks too and one not, and "the
performance of bounding box regression in these two O-Nets". Its figure has three curves, which are taken here as:

- **JA**: scores and boxes of the network trained for classification, boxes and landmarks.
- **No JA**: scores and boxes of the network trained for classification and boxes.
- **No JA in BBR**: scores of the first network, boxes of the second: only box regression goes without alignment.

Both networks have the same initialisation and see the same minibatches, landmark faces among them; in the second the
weight of the landmarks' loss is zero, so that these contribute nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mtcnn_fast.detector import Detector
from mtcnn_fast.evaluation.fddb import FddbResult
from mtcnn_fast.training.ablations.cascade_cnn import StageSamples
from mtcnn_fast.training.ablations.curves import gather, write_csv
from mtcnn_fast.training.ablations.plots import plot_curves
from mtcnn_fast.training.ablations.runs import run
from mtcnn_fast.training.ablations.two_onets import compare_on_fddb
from mtcnn_fast.training.stage_networks import StageNetwork
from mtcnn_fast.training.train_options import ALPHA, TrainOptions

#: For each variant the network that gives scores, and the one that gives boxes.
VARIANTS = {"JA": ("JA", "JA"), "No JA": ("No JA", "No JA"), "No JA in BBR": ("JA", "No JA")}

#: Numbers of false positives that the table of FDDB has.
FALSE_POSITIVES = (10, 25, 50, 100, 200)


def ablate_alignment(
    samples: StageSamples,
    options: TrainOptions,
    seeds: Sequence[int],
    out: Path,
    fddb: tuple[Path, Path] | None = None,
) -> list[dict[str, Any]]:
    """Train both networks with every seed; write ``alignment.csv`` and ``alignment.png``.

    Parameters
    ----------
    samples : StageSamples
        Of O-Net.
    options : TrainOptions
        Budget and optimiser; what the ablation varies or fixes is replaced.
    seeds : sequence of int
    out : Path
    fddb : (Path, Path) or None
        Images and ``FDDB-folds``: also score the three variants as detectors, behind the shipped P-Net and R-Net, and
        write ``alignment-fddb.csv`` and ``alignment-fddb.png``.

    Returns
    -------
    list of dict
        The rows of ``alignment.csv``: ``variant``, ``seed``, ``step`` and the losses in validation ``detection``,
        ``box`` and ``both`` (as training weighs them).

    Raises
    ------
    DataError
        If there are no images of FDDB, or its annotation cannot be read.
    MissingExtraError
        If matplotlib is not installed, or scipy for FDDB.
    """
    rows: list[dict[str, Any]] = []
    scored: dict[int, dict[str, FddbResult]] = {}
    for seed in seeds:
        networks, histories = {}, {}
        for name in ("JA", "No JA"):
            detection, box, landmark = ALPHA["o"]
            alpha = (detection, box, landmark if name == "JA" else 0.0)
            networks[name] = StageNetwork("o", seed=seed)
            chosen = options.replace(seed=seed, alpha=alpha, mining="online", select="last")
            histories[name] = run(name, networks[name], samples, chosen, out)
        rows += _variant_rows(histories, seed)
        if fddb is not None:
            detector = Detector("auto")
            scored[seed] = compare_on_fddb(VARIANTS, networks, detector, *fddb, options.box_coding)
    write_csv(out / "alignment.csv", rows)
    panels = {
        "box regression": gather(rows, "box"),
        "face classification": gather(rows, "detection"),
        "both, as weighed in training": gather(rows, "both"),
    }
    title = f"O-Net with and without joint alignment, {len(seeds)} seeds: losses in validation"
    plot_curves(out / "alignment.png", panels, title)
    if scored:
        _write_fddb(out, scored)
    return rows


def _variant_rows(histories: Mapping[str, Sequence[Mapping[str, Any]]], seed: int) -> list[dict[str, Any]]:
    """Return the losses of each variant: classification from its judge, boxes from its regressor."""
    rows = []
    for variant, (judge, regressor) in VARIANTS.items():
        for judged, regressed in zip(histories[judge], histories[regressor], strict=True):
            detection, box = judged["detection"], regressed["box"]
            both = ALPHA["o"][0] * detection + ALPHA["o"][1] * box
            figures = {"detection": detection, "box": box, "both": both}
            rows.append({"variant": variant, "seed": seed, "step": judged["step"], **figures})
    return rows


def _write_fddb(out: Path, scored: Mapping[int, Mapping[str, FddbResult]]) -> None:
    rows = [
        {
            "variant": variant,
            "seed": seed,
            "step": point,
            "discrete": float(result.discrete.at(point)),
            "continuous": float(result.continuous.at(point)),
        }
        for seed, results in scored.items()
        for variant, result in results.items()
        for point in FALSE_POSITIVES
    ]
    # The column is named for what it is; the curves are drawn over it.
    table = [{"false_positives" if name == "step" else name: value for name, value in row.items()} for row in rows]
    write_csv(out / "alignment-fddb.csv", table)
    (label,) = {result.label for results in scored.values() for result in results.values()}
    panels = {"discrete score": gather(rows, "discrete"), "continuous score": gather(rows, "continuous")}
    plot_curves(
        out / "alignment-fddb.png",
        panels,
        f"O-Net with and without joint alignment, {len(scored)} seeds: true-positive rate, {label}",
        x_label="false positives",
        logarithmic=False,
    )
