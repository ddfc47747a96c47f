#!/usr/bin/env python3
"""Count the instructions of fixed pieces of work by callgrind, and compare them with the committed counts.

    python scripts/instructions.py            fails where a count has grown by more than 2 %
    python scripts/instructions.py --write    renews benchmarks/results/instructions.json

A count does not depend on how busy the machine is. It depends on the compiler: where another one than the baseline's
compiled the module, the counts are printed and not judged. valgrind knows no AVX-512, so SSE2 and AVX2 are counted.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from mtcnn_fast import Detector, _cpu, ops

ROOT = Path(__file__).resolve().parent.parent
PHOTO = ROOT / "examples" / "astronaut.jpg"
BASELINE = ROOT / "benchmarks" / "results" / "instructions.json"
ISAS = ("sse2", "avx2")
ALLOWED = 1.02
# Callgrind writes its counts and starts anew when the program enters this function, which nothing else here calls.
MARK = "getppid"


def images() -> dict[str, npt.NDArray[np.uint8]]:
    """Return the photographs that are searched: a face that fills its image, and the whole picture."""
    photo = np.asarray(Image.open(PHOTO).convert("RGB"))
    return {"160x160": photo[40:200, 150:310].copy(), "512x512": photo}


def pieces() -> dict[str, object]:
    """Name the pieces of work: functions without arguments, which have run once and do the same each time."""
    searched = images()
    photo = searched["512x512"]
    scales = [0.6 * 0.709**k for k in range(8)]
    random = np.random.default_rng(0)
    corners = random.integers(0, 400, (800, 2)).astype(np.float32)
    boxes = np.hstack([corners, corners + random.integers(12, 96, (800, 1)).astype(np.float32)]).astype(np.float32)
    scores = random.permutation(800).astype(np.float32) / 800
    found: dict[str, object] = {}
    for isa in ISAS:
        os.environ["MTCNN_FAST_ISA"] = isa
        detector = Detector("cpu", num_threads=1)
        for size, image in searched.items():
            found[f"detect {size}, {isa}"] = lambda detector=detector, image=image: detector.detect(image)
    found["ops.resize_pyramid"] = lambda: ops.resize_pyramid(photo, scales, num_threads=1)
    found["ops.crop_pad_resize"] = lambda: ops.crop_pad_resize(photo, boxes[:200], 24, num_threads=1)
    found["ops.batched_nms"] = lambda: ops.batched_nms(boxes, scores, np.zeros(800, np.int64), 0.5)
    for work in found.values():
        work()
    return found


def work() -> None:
    """Do every piece once, with a mark before and after each; what callgrind runs."""
    for piece in pieces().values():
        os.getppid()
        piece()
    os.getppid()


def count() -> dict[str, int]:
    """Run this program under callgrind; return the instructions of each piece."""
    names = list(pieces())
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "counts"
        command = ["valgrind", "--tool=callgrind", "--quiet", f"--callgrind-out-file={out}", f"--dump-before={MARK}",
                   sys.executable, __file__, "--work"]  # fmt: skip
        # Hashes decide the order of sets and with it a few instructions.
        environment = {**os.environ, "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        subprocess.run(command, check=True, env=environment)
        # Part 1 ends at the first mark: the start and the first run of each piece.
        texts = [(Path(f"{out}.{part}")).read_text() for part in range(2, len(names) + 2)]
    totals = [re.search(r"^totals: (\d+)", text, re.MULTILINE) for text in texts]
    return {name: int(total[1]) for name, total in zip(names, totals, strict=True) if total}


def compiler() -> str:
    """Return what the compiler wrote into the module about itself."""
    found = re.search(rb"GCC: \([^)]*\) [\d.]+|clang version [\d.]+", Path(_cpu.__file__).read_bytes())
    return found[0].decode() if found else "unknown"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="renew the committed counts")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work()
        return 0
    counts = count()
    if options.write:
        BASELINE.write_text(json.dumps({"compiler": compiler(), "instructions": counts}, indent=1) + "\n")
    baseline = json.loads(BASELINE.read_text())
    before = baseline["instructions"]
    print(f"{'millions of instructions':28} {'baseline':>9} {'now':>9}")
    for name, now in counts.items():
        print(f"{name:28} {before.get(name, 0) / 1e6:9.2f} {now / 1e6:9.2f}  {now / before.get(name, now) - 1:+.2%}")
    if baseline["compiler"] != compiler():
        print(f"not judged: the baseline is of {baseline['compiler']}, this module of {compiler()}")
        return 0
    if set(before) != set(counts):
        print("the baseline counts other pieces of work: renew it by --write")
        return 1
    grown = [name for name, now in counts.items() if now > ALLOWED * before[name]]
    for name in grown:
        print(f"{name} takes more than 2 % more instructions; if that is meant, renew the baseline by --write")
    return int(bool(grown))


if __name__ == "__main__":
    sys.exit(main())
