"""24-Net beside R-Net, or 48-Net beside O-Net, with many seeds at once, on a GPU (docs/ablations.md).

    python benchmarks/network_pairs.py r --training WINDOWS... --held-out WINDOWS... --out OUT

WINDOWS are folders that ``mtcnn-fast train`` with ``recipe = "soft"`` leaves, such as
``runs/wider/windows/r-0/training`` and ``held_out``. OUT gets ``pairs-r.csv``, a row each network, seed and look at the
held-out windows, and ``pairs-r.json``, what it was trained on. ``benchmarks/ablation_results.py tables`` reads those in
``benchmarks/results/ablations``.
"""

from __future__ import annotations

import json
import time

import numpy as np
import torch
from ablations import counted, parser_of, read_windows, say, thinned

from mtcnn_fast.training.ablations.cascade_table import PAIRS
from mtcnn_fast.training.ablations.curves import write_csv
from mtcnn_fast.training.ablations.side_by_side import SideBySide, SideBySideOptions
from mtcnn_fast.training.ablations.stacked_samples import samples_of
from mtcnn_fast.training.samples.sample_set import SampleBatch, SampleKind


def classified(samples: SampleBatch) -> SampleBatch:
    """Return the negatives and positives."""
    which = np.isin(samples.kinds, (SampleKind.NEGATIVE, SampleKind.POSITIVE))
    return SampleBatch(*(column[which] for column in samples))


def main() -> None:
    parser = parser_of(__doc__ or "", out="runs/pairs", every=2000, batch_size=112)
    parser.add_argument("stage", choices=("r", "o"))
    arguments = parser.parse_args()
    stage = arguments.stage
    training, held_out = (
        classified(samples_of(read_windows(folders, stage), stage)[0])
        for folders in (arguments.training, arguments.held_out)
    )
    held_out = thinned(held_out, arguments.measured)
    say(f"training {counted(training)}, held out {counted(held_out)}")
    options = SideBySideOptions(
        seeds=tuple(range(arguments.seeds)),
        steps=arguments.steps,
        batch_size=arguments.batch_size,
        every=arguments.every,
        seconds=arguments.seconds,
    )
    run = SideBySide(PAIRS[stage], training, held_out, options, torch.device(arguments.device), say)
    start = time.perf_counter()
    steps = run.run()
    record = {
        "device": torch.cuda.get_device_name() if run.device.type == "cuda" else "processor",
        "steps": steps,
        "of": options.steps,
        "seconds": round(time.perf_counter() - start, 1),
        "batch_size": options.batch_size,
        "learning_rate": options.learning_rate,
        "samples": {"training": counted(training), "held_out": counted(held_out)},
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_csv(arguments.out / f"pairs-{stage}.csv", run.rows)
    (arguments.out / f"pairs-{stage}.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    for row in run.rows[-len(run.names) :]:
        say(str(row))


if __name__ == "__main__":
    main()
