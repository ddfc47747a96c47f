#!/usr/bin/env python3
"""Kill long commands with SIGKILL at random moments; nothing may be truncated, and all must go on.

    python scripts/kill_test.py                        50 moments of each command
    python scripts/kill_test.py --kills 10 batch train those two, ten moments each

A command first runs undisturbed, which gives its time and its result. Then it is started again and again in one folder,
and killed at a moment drawn from that time. After each death every file that has its final name is read whole. Where a
command comes to its end, its result must equal the undisturbed one; then it begins in an empty folder. ``train`` needs
torch, ``batch`` and ``video`` the extras of these names. The exit status is 1 if anything was found.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

PHOTO = Path(__file__).resolve().parents[1] / "examples" / "astronaut.jpg"
TRAINING = """
seed = 1
[data]
held_out = 0.2
[[data.sets]]
format = "drawn"
count = 10
[train]
batch_size = 28
learning_rate = 0.003
log_every = 4
validate_every = 4
checkpoint_every = 4
[samples]
total = 120
min_face = 16
min_face_size = 20
[p.train]
steps = 12
[r.train]
steps = 8
[o.samples]
thresholds = [0.1, 0.0]
[o.train]
steps = 8
batch_size = 28
"""


@dataclasses.dataclass(frozen=True)
class Command:
    """A command that is killed.

    Attributes
    ----------
    prepare : callable
        Makes what it works on; gets a folder that stays, returns the arguments without the folder of the output.
    result : callable
        Returns what must be the same at the end, from the folder of the output.
    before : callable
        What is done once in an empty folder of output.
    target : str
        The file in that folder which is given to the command; where it is empty, the folder is.
    """

    prepare: Callable[[Path], list[str]]
    result: Callable[[Path], Any]
    before: Callable[[Path, Path], None] = lambda work, out: None
    target: str = ""


def program(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "mtcnn_fast", *map(str, arguments)]


def photographs(folder: Path, count: int) -> Path:
    """Write cuttings of the example photo, each with its face."""
    folder.mkdir()
    with Image.open(PHOTO) as photo:
        photo = photo.convert("RGB")
        for number in range(count):
            photo.crop((number, number // 2, 420 + number, 400)).save(folder / f"{number:03d}.jpg")
    return folder


def files_of(out: Path) -> dict[str, str]:
    """Return the hash of each file that has its final name."""
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in finals(out)}


def finals(out: Path) -> list[Path]:
    return sorted(path for path in out.rglob("*") if path.is_file() and not path.name.startswith("."))


def detect(work: Path) -> list[str]:
    return program("detect", photographs(work / "photos", 40), "--draw", "--crops", "--align", "--out")


def batch(work: Path) -> list[str]:
    photographs(work / "photos", 120)
    return program("batch", "run", "--workers", 2, "--out")


def plan_batch(work: Path, out: Path) -> None:
    command = program("batch", "plan", work / "photos", "--shard-images", 10, "--out", out)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def verified(out: Path) -> str:
    """Return the digest of a batch in which every input has one row."""
    from mtcnn_fast.distributed import finish, verify

    finish(out)
    found = verify(out)
    assert found.ok, found.problems
    return found.digest


def evaluate(work: Path) -> list[str]:
    event = work / "images" / "0--Parade"
    event.parent.mkdir()
    photographs(event, 60)
    lines = [
        line for path in sorted(event.iterdir()) for line in (f"0--Parade/{path.name}", "1", "180 70 90 110" + " 0" * 6)
    ]
    annotations = work / "wider_face_val_bbx_gt.txt"
    annotations.write_text("\n".join(lines) + "\n")
    return program("evaluate", "widerface", "--images", work / "images", "--annotations", annotations, "--out")


def figures(out: Path) -> Any:
    """Return what an evaluation found, without how long it took."""
    names = ("precision", "average_precision", "subsets", "images", "faces", "label")
    report = json.loads((out / "result.json").read_text())
    stable = {name: value for name, value in report.items() if name in names}
    return stable, {name: digest for name, digest in files_of(out).items() if name.startswith("predictions")}


def video(work: Path) -> list[str]:
    import av

    clip = work / "clip.mp4"
    with Image.open(PHOTO) as photo, av.open(str(clip), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(60):
            frame = av.VideoFrame.from_image(photo.convert("RGB").crop((number, 0, 320 + number, 240)))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return program("video", clip, "--blur", "--track", "--out")


def frames(out: Path) -> list[tuple[int, ...]]:
    """Return the size of each frame of a video; its encoder's threads do not give the same pixels each time."""
    return [pixels.shape for pixels in decoded(out / "blurred.mp4")]


def decoded(path: Path) -> list[np.ndarray]:
    import av

    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def train(work: Path) -> list[str]:
    config = work / "train.toml"
    config.write_text(TRAINING)
    return program("train", "--config", config, "--quiet", "--out")


def weights(out: Path) -> Any:
    from safetensors.numpy import load_file

    return {
        f"{path.name}:{name}": hashlib.sha256(tensor.tobytes()).hexdigest()
        for path in sorted((out / "weights").glob("*.safetensors"))
        for name, tensor in sorted(load_file(path).items())
    }


COMMANDS = {
    "detect": Command(detect, files_of),
    "batch": Command(batch, verified, plan_batch),
    "video": Command(video, frames, target="blurred.mp4"),
    "evaluate": Command(evaluate, figures),
    "train": Command(train, weights),
}


def read_whole(path: Path) -> None:
    """Read a file as what its name says; anything that is raised means that it is torn."""
    if path.suffix in (".jpg", ".png"):
        with Image.open(path) as image:
            image.load()
    elif path.suffix == ".json":
        json.loads(path.read_bytes())
    elif path.suffix == ".jsonl":
        # A log grows line by line: its last line may be half, which its reader drops.
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                json.loads(line)
    elif path.suffix == ".parquet":
        import pyarrow.parquet as pq

        pq.ParquetFile(path).read()
    elif path.suffix == ".mp4":
        assert len(decoded(path)) == 60, f"{len(decoded(path))} frames of 60"
    elif path.suffix == ".safetensors":
        from safetensors.numpy import load_file

        load_file(path)
    elif path.suffix in (".npy", ".npz"):
        np.load(path, allow_pickle=False)


def torn(out: Path) -> list[str]:
    found = []
    for path in finals(out):
        try:
            read_whole(path)
        except Exception as error:
            found.append(f"{path.relative_to(out)} is torn: {type(error).__name__}: {error}")
    return found


def finished(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Let a process run for a time, then kill it; tell whether it came to its end."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


def kill_often(name: str, kills: int, rng: random.Random, folder: Path) -> list[str]:
    """Run the experiment with a command, print its figures, and return what was found."""
    command = COMMANDS[name]
    work, out = folder / "work", folder / "out"
    work.mkdir(parents=True)
    arguments = command.prepare(work)
    undisturbed = folder / "undisturbed"
    undisturbed.mkdir()
    command.before(work, undisturbed)
    began = time.monotonic()
    subprocess.run(
        [*arguments, undisturbed / command.target], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    duration = time.monotonic() - began
    expected = command.result(undisturbed)
    assert expected, "the undisturbed run has no result"
    found: list[str] = []
    dead = ends = 0
    while dead < kills or out.exists():
        if not out.exists():
            out.mkdir()
            command.before(work, out)
        log = (folder / "log").open("wb")
        process = subprocess.Popen([*arguments, out / command.target], stdout=log, stderr=log)
        # The last round is not killed, so that it shows that all of it goes on.
        if finished(process, rng.uniform(0, duration) if dead < kills else 10 * duration + 60):
            if process.returncode != 0:
                found.append(f"does not go on: {(folder / 'log').read_text()[-500:]}")
            elif command.result(out) != expected:
                found.append("ends with another result than undisturbed")
            ends += 1
            shutil.rmtree(out)
        else:
            dead += 1
            if dead % 10 == 0:
                print(f"{name}: {dead} kills so far, {len(found)} faults", file=sys.stderr, flush=True)
        found += torn(out) if out.exists() else []
        if len(found) > 5:
            break
    print(
        f"{name}: {dead} kills in runs of {duration:.1f} s, {ends} came to their end, {len(found)} faults", flush=True
    )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("commands", nargs="*", choices=[*COMMANDS, []], default=[])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    status = 0
    for name in options.commands or COMMANDS:
        with tempfile.TemporaryDirectory() as folder:
            for fault in kill_often(name, options.kills, random.Random(options.seed), Path(folder)):
                print(f"  {fault}")
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
