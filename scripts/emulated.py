#!/usr/bin/env python3
"""Count by qemu's user emulation what one detection does, for other processors too and without noise.

    python scripts/emulated.py instructions     of NEON, AVX2 and SSE2: how many, and how many are multiply-adds
    python scripts/emulated.py sharing          of 2, 4 and 8 threads: which cache lines pass from one to another

Plugins of qemu (scripts/emulated/) count while scripts/emulated/work.cpp detects, on the images of
scripts/instructions.py. Needed are qemu-user 7.2 and, for NEON, g++-aarch64-linux-gnu; llvm-mca adds what models of
processors say.
"""

from __future__ import annotations

import argparse
import bisect
import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from instructions import images

from mtcnn_fast.weights import load_weights

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "scripts" / "emulated"
#: Processors that llvm-mca has a model of, and how many fmla of four floats the model starts a cycle.
MODELS = {"cortex-a57": 1, "exynos-m5": 3}
#: What a function of the engine belongs to, by a part of its name; the first that fits.
STAGES = {
    "P-Net, with its resampling": r"::pnet_tile\(",
    "R-Net": r"crop_net<[^>]*kRNetStage",
    "O-Net": r"crop_net<[^>]*kONetStage",
    "crops": r"::resample_to_\w+\(|AreaColumns",
}
OTHER = "geometry, suppression, memory"
FUSED = re.compile(r"fml[as]|vfn?m(add|sub)\w*")
VECTOR_PRODUCT = re.compile(r"mulps")


@dataclass(frozen=True)
class Machine:
    """How to build for a processor and run what was built.

    Parameters
    ----------
    preset : str
        CMake's.
    emulator : str
        Program of qemu.
    tools : str
        What the names of the binary tools begin with.
    """

    preset: str
    emulator: str
    tools: str = ""

    @property
    def program(self) -> Path:
        return ROOT / "build" / self.preset / "tests/cpp/emulated_work"

    def build(self) -> None:
        run(["cmake", "--preset", self.preset])
        run(["cmake", "--build", f"build/{self.preset}", "--target", "emulated_work"])

    def symbols(self) -> list[tuple[int, str]]:
        """Return address and name of the program's functions, by address."""
        lines = run([f"{self.tools}nm", "--demangle", "--defined-only", str(self.program)]).splitlines()
        found = (re.match(r"([0-9a-f]+) [tTwWi] (.*)", line) for line in lines)
        return sorted((int(match[1], 16), match[2]) for match in found if match)


X86 = Machine("default", "qemu-x86_64")
ARM = Machine("aarch64", "qemu-aarch64", "aarch64-linux-gnu-")
MACHINES = {"neon": ARM, "avx2": X86, "sse2": X86}


@dataclass(frozen=True)
class Instruction:
    """A line of a disassembly."""

    address: int
    name: str
    operands: str
    function: str


def run(command: Sequence[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done.stdout


def write_input(path: Path, image: npt.NDArray[np.uint8]) -> None:
    """Write the networks and an image as work.cpp reads them."""
    weights = load_weights()
    with path.open("wb") as file:
        for number, network in enumerate((weights.pnet, weights.rnet, weights.onet)):
            for name, tensor in network.items():
                sides = " ".join(map(str, tensor.shape))
                file.write(f"tensor {number} {name} {tensor.ndim} {sides}\n".encode())
                file.write(np.ascontiguousarray(tensor, np.float32).tobytes())
        file.write(f"image {image.shape[0]} {image.shape[1]}\n".encode())
        file.write(image.tobytes())


def observe(
    machine: Machine, plugin: str, image: npt.NDArray[np.uint8], isa: str, threads: int, before: int
) -> list[str]:
    """Detect under emulation with one of our plugins, after `before` others; return the lines that it writes."""
    with tempfile.TemporaryDirectory() as folder:
        library, out, data = (Path(folder) / name for name in ("plugin.so", "out", "input"))
        flags = ["-std=c++20", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden"]
        run([os.environ.get("CXX", "c++"), *flags, str(SOURCES / f"{plugin}.cpp"), "-o", str(library)])
        write_input(data, image)
        addresses = {name: address for address, name in machine.symbols()}
        marks = f"begin={addresses['counting_begins']:x},end={addresses['counting_ends']:x}"
        work = [str(machine.program), str(data), isa, str(threads), str(before)]
        run([machine.emulator, "-plugin", f"{library},{marks},out={out}", *work])
        return out.read_text().splitlines()


def disassembly(machine: Machine) -> Iterator[Instruction]:
    text = run([f"{machine.tools}objdump", "-dC", "--no-show-raw-insn", str(machine.program)])
    function = ""
    for line in text.splitlines():
        if line.endswith(">:"):
            function = line[line.index("<") + 1 : -2]
        elif match := re.match(r"\s+([0-9a-f]+):\s+(\S+)\s*(.*)", line):
            yield Instruction(int(match[1], 16), match[2], match[3], function)


def stage_of(function: str) -> str:
    return next((stage for stage, pattern in STAGES.items() if re.search(pattern, function)), OTHER)


def runs_of(lines: Sequence[str]) -> Counter[int]:
    """Return how often each address ran, from the blocks of the plugin."""
    runs: Counter[int] = Counter()
    for line in lines:
        times, *addresses = line.split()
        for address in addresses:
            runs[int(address, 16)] += int(times)
    return runs


def inner_loops(code: list[Instruction], runs: Counter[int]) -> list[list[Instruction]]:
    """Find the loops without a branch in them that hold multiply-adds, those with most instructions run first."""
    places = {each.address: place for place, each in enumerate(code)}
    loops = []
    for end, last in enumerate(code):
        target = re.match(r"([0-9a-f]+) <", last.operands)
        if not re.match(r"b\.|j", last.name) or not target or not runs[last.address]:
            continue
        start = places.get(int(target[1], 16), end + 1)
        body = code[start : end + 1]
        if len({runs[each.address] for each in body}) == 1 and any(FUSED.match(each.name) for each in body):
            loops.append(body)
    return sorted(loops, key=lambda body: -len(body) * runs[body[0].address])


def cycles(body: Sequence[Instruction], model: str) -> float | None:
    """Return the cycles that a model of llvm-mca gives to a turn of the loop; None without llvm-mca."""
    if not shutil.which("llvm-mca"):
        return None
    text = "\n".join(f"{each.name} {each.operands}" for each in body[:-1])
    command = ["llvm-mca", "-mtriple=aarch64", f"-mcpu={model}", "-iterations=1000", "-instruction-info=false"]
    said = subprocess.run(command, input=text, check=True, capture_output=True, text=True).stdout
    total = re.search(r"Total Cycles: +(\d+)", said)
    return int(total[1]) / 1000 if total else None


def show_loops(code: list[Instruction], runs: Counter[int], most: int = 6) -> None:
    all_fused = sum(runs[each.address] for each in code if FUSED.match(each.name))
    loops = inner_loops(code, runs)
    inside = {each.address for body in loops for each in body}
    fused_inside = sum(runs[each.address] for each in code if each.address in inside and FUSED.match(each.name))
    share = fused_inside / sum(runs[address] for address in inside)
    print(f"\n{fused_inside / all_fused:.0%} of the multiply-adds run in {len(loops)} loops without a branch, and are")
    print(f"{share:.0%} of the instructions there. The largest loops:\n")
    peaks_of = " | ".join(f"of the peak, {model}" for model in MODELS)
    print(f"| loop of | of all instructions | instructions | multiply-adds | {peaks_of} |")
    print("|---|---:|---:|---:|" + "---:|" * len(MODELS))
    for body in loops[:most]:
        fused = sum(bool(FUSED.match(each.name)) for each in body)
        part = len(body) * runs[body[0].address] / runs.total()
        took = [(cycles(body, model), rate) for model, rate in MODELS.items()]
        peaks = [f"{fused / rate / turn:.0%}" if turn else "-" for turn, rate in took]
        stage = stage_of(body[0].function).partition(",")[0]
        print(f"| {stage} | {part:.1%} | {len(body)} | {fused}, {fused / len(body):.0%} | {' | '.join(peaks)} |")


def show_instructions(isas: Sequence[str], size: str) -> None:
    image = images()[size]
    counts: dict[str, Counter[str]] = {}
    fused: dict[str, Counter[str]] = {}
    kept = {}
    for isa in isas:
        machine = MACHINES[isa]
        machine.build()
        code = list(disassembly(machine))
        runs = runs_of(observe(machine, "executed", image, isa, 1, 1))
        kept[isa] = code, runs
        counts[isa], fused[isa] = Counter(), Counter()
        product = VECTOR_PRODUCT if isa == "sse2" else FUSED
        for each in code:
            counts[isa][stage_of(each.function)] += runs[each.address]
            fused[isa][stage_of(each.function)] += runs[each.address] * bool(product.match(each.name))
    print(f"\nMillions of instructions of a detection on {size}, and the share of multiply-adds (SSE2: of products)\n")
    print("| | " + " | ".join(isa.upper() for isa in isas) + " |\n|---|" + "---:|" * len(isas))
    for stage in (*STAGES, OTHER):
        cells = [
            f"{counts[isa][stage] / 1e6:.2f}, {fused[isa][stage] / max(1, counts[isa][stage]):.0%}" for isa in isas
        ]
        print(f"| {stage} | {' | '.join(cells)} |")
    totals = [f"{counts[isa].total() / 1e6:.2f}, {fused[isa].total() / counts[isa].total():.0%}" for isa in isas]
    print(f"| all | {' | '.join(totals)} |")
    if "neon" in kept:
        show_loops(*kept["neon"])


def show_sharing(threads: Sequence[int], size: str, isa: str, most: int = 12) -> None:
    machine = MACHINES[isa]
    machine.build()
    symbols = machine.symbols()
    starts = [address for address, _ in symbols]
    image = images()[size]
    kernel = set(STAGES)
    print(f"\nA detection on {size}, {isa.upper()}: lines lost to another thread and fetched again\n")
    columns = "accesses, {} | bytes another wrote | other bytes"
    print(f"| threads | {columns.format('kernels')} | {columns.format('all other code')} | futex calls |")
    print("|" + "---:|" * 8)
    details = []
    for number in threads:
        sums = {True: [0, 0, 0], False: [0, 0, 0]}
        by_function: Counter[str] = Counter()
        futexes = 0
        for line in observe(machine, "sharing", image, isa, number, 8):
            words = line.split()
            if words[0] == "call":
                futexes += int(words[2]) * (words[1] == ("98" if machine is ARM else "202"))
            elif words[0] != "thread":
                values = [int(word) for word in words[1:]]
                function = symbols[bisect.bisect(starts, int(words[0], 16)) - 1][1]
                total = sums[stage_of(function) in kernel]
                for place, value in enumerate(values):
                    total[place] += value
                by_function[function] += values[2]
        print(f"| {number} | " + " | ".join(f"{value:,}" for value in sums[True] + sums[False]) + f" | {futexes} |")
        details.append((number, by_function))
    for number, by_function in details:
        print(f"\nother bytes, {number} threads, by function:")
        for function, times in by_function.most_common(most):
            if times:
                print(f"{times:6}  {function[:140]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("instructions", "sharing"))
    parser.add_argument("--size", choices=tuple(images()), default="160x160", help="image")
    parser.add_argument("--isa", nargs="+", choices=tuple(MACHINES), default=None, help="instruction sets")
    parser.add_argument("--threads", nargs="+", type=int, default=[2, 4, 8], help="of `sharing`")
    options = parser.parse_args()
    if options.what == "instructions":
        show_instructions(options.isa or list(MACHINES), options.size)
    else:
        show_sharing(options.threads, options.size, (options.isa or ["avx2"])[0])


if __name__ == "__main__":
    main()
