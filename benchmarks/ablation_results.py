"""What the O-Nets of benchmarks/ablations.py are worth (docs/ablations.md).

    python benchmarks/ablation_results.py windows --runs OUT --held-out WINDOWS...
    python benchmarks/ablation_results.py detect --runs OUT --data DATA
    python benchmarks/ablation_results.py tables

`windows` measures how they judge held-out windows, `detect` runs each as O-Net behind the shipped P-Net and R-Net on
WIDER FACE and FDDB; both write a CSV into ``benchmarks/results/ablations``. `tables` prints means over seeds and paired
differences from there, with what benchmarks/network_pairs.py has left. DATA has ``wider`` and ``fddb`` of the test
data; images that are not there are left out.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ablations import read_windows, thinned

from mtcnn_fast import Detector
from mtcnn_fast._types import Image
from mtcnn_fast.datasets.detections import Detections
from mtcnn_fast.datasets.fddb import read_fddb_images
from mtcnn_fast.datasets.widerface import read_widerface_images
from mtcnn_fast.evaluation.fddb import score_fddb
from mtcnn_fast.evaluation.reports import as_markdown
from mtcnn_fast.evaluation.widerface import score_widerface
from mtcnn_fast.images import load_image
from mtcnn_fast.ops import crop_pad_resize
from mtcnn_fast.training.ablations.alignment import VARIANTS
from mtcnn_fast.training.ablations.curves import write_csv
from mtcnn_fast.training.ablations.stacked_results import Estimate, difference, estimate, judgement, read_networks
from mtcnn_fast.training.ablations.stacked_samples import samples_of
from mtcnn_fast.training.ablations.stacked_training import ARMS
from mtcnn_fast.training.ablations.two_onets import candidates, finish
from mtcnn_fast.training.batches import network_input
from mtcnn_fast.training.losses import Outputs
from mtcnn_fast.training.samples.sample_set import SampleKind
from mtcnn_fast.training.stage_networks import SIZES, StageNetwork

RESULTS = Path(__file__).parent / "results" / "ablations"

#: Who gives scores, and who boxes: those trained for classification alone take the boxes of JA with the same seed.
DETECTORS = {name: VARIANTS.get(name, (name, "JA")) for name in (*ARMS, *VARIANTS)}

#: Least score of a face, so that the whole curve counts.
LOW = 0.01

FALSE_POSITIVES = (50, 100)

COMPARISONS = {
    ("with mining", "without mining"): "mining",
    ("with mining", "bootstrapping"): "mining",
    ("bootstrapping", "without mining"): "mining",
    ("JA", "No JA"): "alignment",
    ("JA", "No JA in BBR"): "alignment",
    ("R-Net", "24-Net"): "networks",
    ("O-Net", "48-Net"): "networks",
}

Networks = dict[tuple[str, int], StageNetwork]


def measure_windows(networks: Networks, held_out: Sequence[Path], most: int) -> list[dict[str, Any]]:
    samples = thinned(samples_of(read_windows(held_out))[0], most)
    chosen = np.isin(samples.kinds, (SampleKind.NEGATIVE, SampleKind.POSITIVE))
    images, faces = samples.images[chosen], samples.kinds[chosen] == SampleKind.POSITIVE
    print(f"{int(faces.sum())} positives, {int((~faces).sum())} negatives", flush=True)
    inputs = network_input(torch.from_numpy(images))
    rows = []
    for (variant, seed), network in networks.items():
        logits = outputs_of(network, inputs).logits.double().numpy()
        row = {"variant": variant, "seed": seed, **judgement(logits[:, 1] - logits[:, 0], faces)._asdict()}
        print(row, flush=True)
        rows.append(row)
    return rows


@torch.inference_mode()
def outputs_of(network: StageNetwork, inputs: torch.Tensor) -> Outputs:
    """Return what a network says, by small batches that stay in the cache."""
    parts = [network(part) for part in inputs.contiguous(memory_format=torch.channels_last).split(32)]
    return Outputs(*(torch.cat(column) for column in zip(*parts, strict=True)))


class Found:
    """The faces that every detector finds in every image of a data set."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self._first = Detector("cpu", num_threads=1)
        self.seeds = sorted({seed for _, seed in networks})
        self.by_detector: dict[tuple[str, int], dict[str, Detections]] = {
            (name, seed): {} for name in DETECTORS for seed in self.seeds
        }

    def look_at(self, key: str, image: Image) -> None:
        boxes = candidates(self._first, image)
        crops = torch.from_numpy(crop_pad_resize(image, boxes, SIZES["o"])[0])
        said = {name: outputs_of(network, crops) for name, network in self._networks.items()}
        for (name, seed), found in self.by_detector.items():
            judge, regressor = DETECTORS[name]
            faces = finish(boxes, said[judge, seed], said[regressor, seed], "corner")
            kept = faces.scores > LOW
            found[key] = Detections(faces.boxes[kept], faces.scores[kept])


def measure_wider(networks: Networks, data: Path) -> Iterator[tuple[tuple[str, int], dict[str, float]]]:
    annotated = read_widerface_images(data / "eval_tools" / "ground_truth")
    present = [image for image in annotated if image.file(data / "WIDER_val" / "images").is_file()]
    found = Found(networks)
    for number, image in enumerate(present, 1):
        found.look_at(image.key, load_image(image.file(data / "WIDER_val" / "images")))
        if number % 20 == 0:
            print(f"WIDER FACE: {number} of {len(present)}", flush=True)
    for key, faces in found.by_detector.items():
        yield key, score_widerface(present, faces).average_precision


def measure_fddb(networks: Networks, data: Path) -> Iterator[tuple[tuple[str, int], dict[str, float]]]:
    annotated = read_fddb_images(data / "FDDB-folds")
    present = [image for image in annotated if image.file(data / "images").is_file()]
    found, sizes = Found(networks), {}
    for number, image in enumerate(present, 1):
        pixels = load_image(image.file(data / "images"))
        sizes[image.name] = (pixels.shape[1], pixels.shape[0])
        found.look_at(image.name, pixels)
        if number % 20 == 0:
            print(f"FDDB: {number} of {len(present)}", flush=True)
    for key, faces in found.by_detector.items():
        result = score_fddb(present, faces, sizes=sizes)
        figures = {}
        for point in FALSE_POSITIVES:
            figures[f"discrete_{point}"] = float(result.discrete.at(point))
            figures[f"continuous_{point}"] = float(result.continuous.at(point))
        yield key, figures


def measure_detectors(networks: Networks, data: Path) -> list[dict[str, Any]]:
    figures: dict[tuple[str, int], dict[str, float]] = {}
    for measured in (measure_fddb(networks, data / "fddb"), measure_wider(networks, data / "wider")):
        for key, found in measured:
            figures.setdefault(key, {}).update(found)
            print(key, found, flush=True)
    return [{"variant": variant, "seed": seed, **found} for (variant, seed), found in figures.items()]


def last_losses() -> list[dict[str, Any]]:
    """Return what the last look at the held-out samples gave, boxes and landmarks of the variants that learn them."""
    rows = read_rows("curves.csv")
    last = max(int(row["step"]) for row in rows)
    final = {(row["variant"], row["seed"]): row for row in rows if int(row["step"]) == last}
    return [
        {"variant": name, "seed": seed, **{key: final[judge, seed][key] for key in ("detection", "accuracy")}}
        | {key: final[regressor, seed][key] if name in VARIANTS else "" for key in ("box", "landmark")}
        for name, (judge, regressor) in DETECTORS.items()
        for seed in sorted({seed for _, seed in final})
    ]


def last_pairs() -> Iterator[list[dict[str, Any]]]:
    """Yield what the last look gave, of each stage that `benchmarks/network_pairs.py` has left."""
    for path in sorted(RESULTS.glob("pairs-*.csv")):
        rows = read_rows(path.name)
        last = max(int(row["step"]) for row in rows)
        kept = [row for row in rows if int(row["step"]) == last]
        yield [{key: value for key, value in row.items() if key != "step"} for row in kept]


def read_rows(name: str) -> list[dict[str, Any]]:
    with (RESULTS / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _written(found: Estimate, digits: int) -> str:
    return f"{found.mean:.{digits}f} ({found.low:.{digits}f} to {found.high:.{digits}f})"


def tables() -> str:
    """Return a table of means and one of differences for each of the files."""
    text = ""
    for rows in (last_losses(), read_rows("windows.csv"), read_rows("detectors.csv"), *last_pairs()):
        names = list(dict.fromkeys(row["variant"] for row in rows))
        figures = [key for key in rows[0] if key not in ("variant", "seed")]
        means = [
            [name, *(_mean([row for row in rows if row["variant"] == name], figure) for figure in figures)]
            for name in names
        ]
        text += as_markdown(["variant", *figures], means) + "\n"
        lines = []
        for one, other in COMPARISONS:
            if one not in names or other not in names:
                continue
            for figure in figures:
                if all(row.get(figure) for row in rows if row["variant"] in (one, other)):
                    found = difference(rows, figure, one, other)
                    # Two that share a network have the same figure.
                    if found.mean:
                        lines.append([f"{one} less {other}", figure, _written(found, 4), f"{found.p:.2g}"])
        text += as_markdown(["comparison", "figure", "difference (95 %)", "p"], lines) + "\n"
    return text


def _mean(rows: Sequence[dict[str, Any]], figure: str) -> str:
    values = [float(row[figure]) for row in rows if row.get(figure)]
    return _written(estimate(values), 4) if values else "-"


def _trained_for(row: dict[str, Any]) -> dict[str, Any]:
    """Leave out the losses of tasks that a variant does not learn."""
    learned = dict(zip(("detection", "box", "landmark"), ARMS[row["variant"]].alpha, strict=True))
    columns = ("variant", "seed", "step", "detection", "box", "landmark", "accuracy", "training")
    return {name: row[name] if learned.get(name, 1) else "" for name in columns}


def keep_curves(runs: Path) -> None:
    """Write the training's curves as CSV, and what else it recorded as JSON."""
    record = json.loads((runs / "curves.json").read_text(encoding="utf-8"))
    kept = [_trained_for(row) for row in record.pop("rows")]
    write_csv(RESULTS / "curves.csv", kept)
    (RESULTS / "training.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("windows", "detect", "tables"))
    parser.add_argument("--runs", type=Path, default=Path("runs/ablations"), help="OUT of benchmarks/ablations.py")
    parser.add_argument("--held-out", type=Path, nargs="+", default=[])
    parser.add_argument("--measured", type=int, default=3000, help="windows of each kind to measure on")
    parser.add_argument("--data", type=Path, default=Path("data"))
    arguments = parser.parse_args()
    if arguments.what == "tables":
        print(tables())
        return
    RESULTS.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    networks = {
        key: network.to(memory_format=torch.channels_last) for key, network in read_networks(arguments.runs).items()
    }
    if arguments.what == "windows":
        keep_curves(arguments.runs)
        write_csv(RESULTS / "windows.csv", measure_windows(networks, arguments.held_out, arguments.measured))
    else:
        write_csv(RESULTS / "detectors.csv", measure_detectors(networks, arguments.data))


if __name__ == "__main__":
    main()
