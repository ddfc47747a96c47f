"""What is compiled for a run: the measurement of the processor's peak, and the speed prototype if it is at hand."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

from scenes import ROOT, SIZES, Scene

HERE = Path(__file__).resolve().parent
CXX = os.environ.get("CXX", "g++")


class Peak:
    """Measures the rate of fused multiply-adds, in GFLOP/s, for each instruction set and number of threads."""

    def __init__(self, folder: Path, threads: list[int], milliseconds: int = 100) -> None:
        self.threads = threads
        self.milliseconds = milliseconds
        self.rates: dict[tuple[str, int], list[float]] = defaultdict(list)
        self._program = folder / "peak"
        subprocess.run(
            [CXX, "-std=c++17", "-O2", "-pthread", "-o", str(self._program), str(HERE / "peak.cpp")], check=True
        )
        self.isas = self._run().split()

    def measure(self) -> None:
        for isa in self.isas:
            for threads in self.threads:
                self.rates[isa, threads].append(float(self._run(isa, threads, self.milliseconds)))

    def best(self, isa: str, threads: int) -> float:
        """Return the highest of the measured rates: a peak is what can be reached."""
        return max(self.rates[isa if isa in self.isas else self.isas[-1], threads])

    def _run(self, *arguments) -> str:
        command = [str(self._program), *map(str, arguments)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@dataclasses.dataclass(frozen=True)
class PrototypeTimes:
    """Seconds over one turn of repetitions."""

    best: float
    median: float
    faces: int


class Prototype:
    """Runs the speed prototype, whose program takes all sizes in one go, on the scenes of this benchmark.

    Its threads are pinned and wait actively; on a busy machine it suffers from that.
    """

    LINE = re.compile(r"VW(\d+) alg(\d) (\d+)x(\d+) t=(\d) total min ([\d.]+) med ([\d.]+) .* faces (\d+)")
    #: The variant that is compared: Winograd in both of P-Net's later layers, its fastest.
    ALGORITHM = "4"

    def __init__(self, source: Path, folder: Path, faces: list[int]) -> None:
        if not (source / "full.cpp").is_file():
            raise FileNotFoundError("its sources are not at hand")
        self.times: dict[tuple[str, str, int], list[PrototypeTimes]] = defaultdict(list)
        self._programs = {}
        for lanes, name in ((8, "prototype, AVX2"), (16, "prototype, AVX-512")):
            if lanes == 16 and " avx512f " not in Path("/proc/cpuinfo").read_text():
                continue
            program = folder / f"prototype_vw{lanes}"
            if not program.exists() or program.stat().st_mtime < (source / "full.cpp").stat().st_mtime:
                options = ["-O3", "-std=c++17", "-march=native", "-w", f"-DVW={lanes}"]
                subprocess.run([CXX, *options, "-o", str(program), str(source / "full.cpp"), "-pthread"], check=True)
            self._programs[name] = program
        self._folders = {}
        for count in faces:
            place = self._folders[count] = folder / f"prototype_{count}"
            place.mkdir(exist_ok=True)
            for file in [*source.glob("*.w"), *source.glob("*net.txt")]:
                shutil.copyfile(file, place / file.name)
            for width, height in SIZES:
                pixels = Scene(count, width, height).render().tobytes()
                (place / f"img_{width}x{height}.rgb").write_bytes(pixels)

    @property
    def names(self) -> list[str]:
        return list(self._programs)

    def measure(self, repetitions: int) -> None:
        environment = {**os.environ, "ONLY": self.ALGORITHM}
        for count, folder in self._folders.items():
            for name, program in self._programs.items():
                command = [str(program), str(repetitions)]
                done = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
                for found in self.LINE.finditer(done.stdout):
                    _, _, width, height, threads, best, median, faces = found.groups()
                    scene = Scene(count, int(width), int(height))
                    times = PrototypeTimes(float(best) / 1e3, float(median) / 1e3, int(faces))
                    self.times[name, scene.key, int(threads)].append(times)


PROTOTYPE = ROOT.parent / "shared" / "prototype"
