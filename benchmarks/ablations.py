"""The ablations of O-Net with many seeds at once, on a GPU: hard examples and joint alignment (docs/ablations.md).

    python benchmarks/ablations.py --training WINDOWS... --held-out WINDOWS... --out OUT --seconds 170
    python benchmarks/ablations.py --training WINDOWS... --held-out WINDOWS... --check

WINDOWS are folders of O-Net windows that ``mtcnn-fast train`` with ``recipe = "soft"`` leaves, such as
``runs/wider/windows/o-0/training`` and ``held_out``. OUT gets ``curves.json``, and the networks as
``networks-*.safetensors``: float16, named ``VARIANT/SEED/PARAMETER``.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from mtcnn_fast.training import losses
from mtcnn_fast.training.ablations.runs import spread
from mtcnn_fast.training.ablations.stacked_samples import samples_of
from mtcnn_fast.training.ablations.stacked_training import ARMS, StackedOptions, StackedTraining
from mtcnn_fast.training.losses import Outputs, Targets
from mtcnn_fast.training.samples.geometry import Stage
from mtcnn_fast.training.samples.sample_set import SampleBatch, SampleKind
from mtcnn_fast.training.soft.window_set import Windows, WindowSet
from mtcnn_fast.training.stage_networks import StageNetwork

PARTS = ("training", "held_out")

#: Bytes of a file of networks, at most.
LARGEST = 15 << 20

START = time.perf_counter()


def say(text: str) -> None:
    print(f"{time.perf_counter() - START:7.1f} s  {text}", flush=True)


def read_windows(folders: Sequence[Path], stage: Stage = "o") -> Windows:
    windows = WindowSet.concatenate([WindowSet.open(folder, stage) for folder in folders])
    return windows.take(np.arange(len(windows)))


def thinned(samples: SampleBatch, most: int) -> SampleBatch:
    """Return at most so many of each kind, evenly over the set."""
    which = np.concatenate([spread(np.flatnonzero(samples.kinds == kind), most) for kind in SampleKind])
    return SampleBatch(*(column[which] for column in samples))


def counted(samples: SampleBatch) -> dict[str, int]:
    return {kind.name.lower(): int((samples.kinds == kind).sum()) for kind in SampleKind}


def load(arguments: argparse.Namespace) -> list[SampleBatch]:
    """Return the samples of both parts, those to measure on thinned out."""
    found = []
    for part, most in zip(PARTS, (arguments.most, arguments.measured), strict=True):
        samples, _ = samples_of(read_windows(getattr(arguments, part)))
        found.append(thinned(samples, most) if most else samples)
        say(f"{part}: {counted(found[-1])}")
    return found


def save(training: StackedTraining, steps: int, seconds: float, samples: list[SampleBatch], out: Path) -> None:
    from safetensors.torch import save_file

    out.mkdir(parents=True, exist_ok=True)
    options = training.options
    device = torch.cuda.get_device_name() if training.device.type == "cuda" else "processor"
    record = {
        "device": device,
        "type": str(training.networks.dtype),
        "steps": steps,
        "seconds": round(seconds, 1),
        "batch_size": options.batch_size,
        "learning_rate": options.learning_rate,
        "decay": options.decay,
        "samples": {part: counted(each) for part, each in zip(PARTS, samples, strict=True)},
        "rows": [{key: _rounded(value) for key, value in row.items()} for row in training.rows],
    }
    (out / "curves.json").write_text(json.dumps(record) + "\n")
    parts: list[dict[str, torch.Tensor]] = [{}]
    size = 0
    for place, (name, seed) in enumerate(training.names):
        tensors = {f"{name}/{seed}/{key}": value.half() for key, value in training.networks.tensors(place).items()}
        more = sum(2 * value.numel() for value in tensors.values())
        if size + more > LARGEST:
            parts.append({})
            size = 0
        parts[-1].update(tensors)
        size += more
    for number, tensors in enumerate(parts):
        save_file(tensors, out / f"networks-{number}.safetensors")


def _rounded(value: object) -> object:
    return float(f"{value:.6g}") if isinstance(value, float) else value


def check(training: StackedTraining) -> bool:
    """Compare a captured step with one that is not, and the losses with those of single networks in float32."""
    options, device = training.options, training.device
    training.fill(range(options.every), options.every)
    start = time.perf_counter()
    training.prepare()
    say(f"prepared in {time.perf_counter() - start:.1f} s")
    before = training.networks.values.detach().clone()
    found = []
    for step in (training.step, training.replay):
        training.restart(before)
        for _ in range(3):
            step()
        found.append((training.loss_sums.clone(), training.networks.values.detach().clone()))
    training.restart(before)
    (eager_losses, eager), (graph_losses, graph) = found
    moved = float((eager - before).abs().mean())
    apart = float((eager - graph).abs().mean())
    loss_apart = float((eager_losses - graph_losses).abs().max() / eager_losses.abs().max())
    say(
        f"three steps: parameters move {moved:.2e}, "
        f"graph and single kernels differ by {apart:.2e}, losses by {loss_apart:.1e}"
    )
    images, targets = training.minibatch()
    stacked = training.network_losses(training.networks.outputs(images), targets).tolist()
    worst = 0.0
    for place, ((name, _), value) in enumerate(zip(training.names, stacked, strict=True)):
        expected = single_loss(training, place, images[place], targets)
        worst = max(worst, abs(value - expected) / expected)
        if place < len(ARMS):
            say(f"loss of {name}: {value:.5f}, of a single network in float32 {expected:.5f}")
    milliseconds = 1000 * training.seconds_a_step(100)
    say(f"{milliseconds:.3f} ms a step of {len(stacked)} networks")
    if device.type == "cuda":
        say(f"memory {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
    good = moved > 0 and apart < 0.1 * moved and loss_apart < 0.01 and worst < 0.03
    say(f"check {'passed' if good else 'FAILED'}: losses differ by {100 * worst:.2f} % at most")
    return good


def single_loss(training: StackedTraining, place: int, images: torch.Tensor, targets: Targets) -> float:
    network = StageNetwork("o")
    network.net.load_state_dict(training.networks.tensors(place))
    count = training.options.batch_size
    own = Targets(*(part.unflatten(0, (-1, count))[place] for part in targets))
    with torch.no_grad():
        outputs = Outputs(*network.to(images.device)(images[..., :3].permute(0, 3, 1, 2).float()))
        each = losses.sample_losses(outputs, own)
        arm = training.arms[place]
        hard = losses.hard_examples(each.detection, each.in_detection, arm.keep)
        return float(losses.overall_loss(each, hard, arm.alpha, count))


def parser_of(description: str, *, out: str, every: int, batch_size: int) -> argparse.ArgumentParser:
    """Return a parser with the arguments of every training of many networks, with these defaults."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--training", type=Path, nargs="+", required=True)
    parser.add_argument("--held-out", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, default=Path(out))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30_000)
    parser.add_argument("--seconds", type=float, default=math.inf, help="for the training; fewer steps if need be")
    parser.add_argument("--every", type=int, default=every, help="steps between measurements, 4 or more")
    parser.add_argument("--batch-size", type=int, default=batch_size)
    parser.add_argument("--measured", type=int, default=3000, help="samples of each kind to measure on")
    parser.add_argument("--device", default="cuda")
    return parser


def main() -> int:
    parser = parser_of(__doc__ or "", out="runs/ablations", every=1000, batch_size=64)
    parser.add_argument("--most", type=int, default=0, help="samples of each kind to train on; 0 for all")
    parser.add_argument("--type", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument("--no-graphs", action="store_true")
    parser.add_argument("--check", action="store_true", help="only compare a step with what it should be")
    arguments = parser.parse_args()
    samples = load(arguments)
    options = StackedOptions(
        seeds=tuple(range(arguments.seeds)),
        steps=arguments.steps,
        seconds=arguments.seconds,
        every=arguments.every,
        batch_size=arguments.batch_size,
        graphs=not arguments.no_graphs,
    )
    training = StackedTraining(
        samples[0], samples[1], options, torch.device(arguments.device), getattr(torch, arguments.type), say
    )
    say(f"{len(training.names)} networks")
    good = check(training)
    if not good:
        training.be_plain()
        good = check(training)
    if arguments.check or not good:
        return 0 if good else 1
    start = time.perf_counter()
    steps = training.run()
    save(training, steps, time.perf_counter() - start, samples, arguments.out)
    say("saved")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
