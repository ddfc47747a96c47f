#!/usr/bin/env python3
"""Static evidence about the CUDA module: what the compiler says of each kernel, and what the binary holds and links.

Reads the compiler's log (``-Xptxas -v``) and the built module, checks them, and writes the tables of docs/cuda.md
between the markers there, or with ``--check`` only verifies that the page has tables.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import shutil
import subprocess
import sys
from pathlib import Path

#: Of the block in docs/cuda.md.
NAME = "scripts/cuda_report.py"
KERNEL = re.compile(r"Compiling entry function '(\w+)' for '(sm_\d+)'")
SPILLS = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers(?:.*?(\d+) bytes smem)?")

#: Threads of a block, by kernel: as in the sources' __launch_bounds__.
THREADS = {
    "resize_pyramid": 256, "crop_pad_resize": 192, "scan_chunks": 1024, "nms_find_segments": 256, "nms_suppress": 512,
    "nms_copy_kept": 256, "gather": 256, "pack_faces": 256, "select_count": 256, "select_scatter": 256,
    "pnet<32x16>": 256, "pnet<16x16>": 128, "pnet_parts<8x8>": 32, "pnet_filter<32x16>": 256,
    "pnet_filter<16x16>": 128, "crop_features<24x4>": 128, "crop_features<48x2>": 192,
    "crop_features<48x1>": 192, "crop_scores": 192,
}  # fmt: skip

#: Bytes that a launch asks for beside what ptxas counts, by kernel: `PNetPlan.shared_memory`,
#: `CropNetwork.shared_memory`, and for the scores those of O-Net's features and hidden layer of eight crops.
DYNAMIC_SHARED = {
    "pnet<32x16>": 73_472, "pnet<16x16>": 42_240, "pnet_parts<8x8>": 16_416, "pnet_filter<32x16>": 48_576,
    "pnet_filter<16x16>": 27_584, "crop_features<24x4>": 32_448,
    "crop_features<48x2>": 73_984, "crop_features<48x1>": 57_088, "crop_scores": 4 * 8 * (1152 + 256),
}  # fmt: skip

#: `kMostDeclaredSharedMemory` of src/cuda/launch.h: a launch asks for shared memory where its own and this would exceed
#: what every block is granted.
MOST_DECLARED = 2048

#: Per multiprocessor: threads, blocks, bytes of shared memory (CUDA C++ Programming Guide, compute capabilities). All
#: have 65,536 registers, given out in units of 256 a warp.
LIMITS = {
    "sm_75": (1024, 16, 64 << 10), "sm_80": (2048, 32, 164 << 10), "sm_86": (1536, 16, 100 << 10),
    "sm_87": (1536, 16, 164 << 10), "sm_88": (1536, 16, 100 << 10), "sm_89": (1536, 24, 100 << 10),
    "sm_90": (2048, 32, 228 << 10), "sm_100": (2048, 32, 228 << 10), "sm_103": (2048, 32, 228 << 10),
    "sm_110": (1536, 24, 228 << 10), "sm_120": (1536, 24, 100 << 10), "sm_121": (1536, 24, 100 << 10),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Kernel:
    """What ptxas reports of one kernel on one architecture."""

    name: str
    architecture: str
    registers: int
    shared: int
    spills: int

    @property
    def threads(self) -> int:
        return THREADS.get(self.name) or THREADS[self.name.split("<")[0]]

    @property
    def declared(self) -> int:
        """Bytes of shared memory that the kernel declares."""
        return self.shared - DYNAMIC_SHARED.get(self.name, 0)

    @property
    def fits(self) -> bool:
        """Whether a block's shared memory is there: the driver keeps 1 KB of each block's."""
        return self.shared + 1024 <= LIMITS[self.architecture][2]

    @property
    def occupancy(self) -> float:
        """Share of a multiprocessor's threads that can be resident at once."""
        threads, blocks, shared = LIMITS[self.architecture]
        warps = self.threads // 32
        by_registers = 65536 // (-(-self.registers * 32 // 256) * 256 * warps)
        by_shared = shared // (self.shared + 1024) if self.shared else blocks
        return min(blocks, threads // self.threads, by_registers, by_shared) * self.threads / threads


def kernel_name(mangled: str) -> str:
    """Return the name without ``_kernel``, with what tells instances of a template apart."""
    demangled = subprocess.run(["c++filt", mangled], capture_output=True, text=True, check=True).stdout
    match = re.search(r"(\w+)_kernel", demangled)
    if match is None:
        raise SystemExit(f"not one of our kernels: {demangled}")
    if tile := re.search(r"(?:Tile|CropShape)<(\d+), (\d+)>", demangled):
        return f"{match[1]}<{tile[1]}x{tile[2]}>"
    detail = re.search(r"(float|__half|\w+Selector)>", demangled)
    return match[1] + (f"<{detail[1]}>" if detail else "")


def read_log(log: str) -> list[Kernel]:
    kernels, current, spills = [], None, 0
    for line in log.splitlines():
        if entry := KERNEL.search(line):
            current = entry.groups()
        elif found := SPILLS.search(line):
            spills = int(found[2]) + int(found[3])
        elif current and (used := USED.search(line)):
            name = kernel_name(current[0])
            shared = int(used[2] or 0) + DYNAMIC_SHARED.get(name, 0)
            kernels.append(Kernel(name, current[1], int(used[1]), shared, spills))
            current = None
    return sorted(set(kernels), key=lambda kernel: (kernel.name, int(kernel.architecture[3:])))


def cell(kernel: Kernel | None) -> str:
    """Return registers and occupancy, or a dash where another kernel takes this one's place."""
    if kernel is None:
        return ""
    return f"{kernel.registers}, {kernel.occupancy:.0%}" if kernel.fits else "—"


def kernel_table(kernels: list[Kernel]) -> str:
    """One row a kernel; for each architecture its registers and occupancy."""
    architectures = sorted({k.architecture for k in kernels}, key=lambda name: int(name[3:]))
    rows = [f"| kernel | threads | shared memory, bytes | spilled bytes | {' | '.join(architectures)} |"]
    rows.append("|---" + "|--:" * (3 + len(architectures)) + "|")
    for name in dict.fromkeys(k.name for k in kernels):
        mine = {k.architecture: k for k in kernels if k.name == name}
        first = next(iter(mine.values()))
        cells = [f"`{name}`", first.threads, max(k.shared for k in mine.values()), sum(k.spills for k in mine.values())]
        cells += [cell(mine.get(a)) for a in architectures]
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(rows)


def contents(module: Path) -> tuple[set[str], set[str]]:
    """Return the architectures with machine code and those with PTX."""
    beside = Path(sys.executable).parent.parent.glob("lib/python*/site-packages/nvidia/*/bin/cuobjdump")
    tool = shutil.which("cuobjdump") or next(map(str, beside), None)
    if tool is None:
        raise SystemExit("cuobjdump is missing: it is in the CUDA toolkit and in pip's nvidia-cuda-cuobjdump")
    listed = [subprocess.run([tool, flag, str(module)], capture_output=True, text=True, check=True).stdout
              for flag in ("--list-elf", "--list-ptx")]  # fmt: skip
    elf, ptx = (set(re.findall(r"\.(sm_\d+|compute_\d+)\.", text)) for text in listed)
    return elf, {name.replace("compute", "sm") for name in ptx}


def needed(module: Path) -> list[str]:
    """Return the shared libraries that the module asks for."""
    dynamic = subprocess.run(["readelf", "-d", str(module)], capture_output=True, text=True, check=True).stdout
    return re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)


def level_bytes(width: int, height: int) -> tuple[int, int, int]:
    """Return bytes read and written by the pyramid's kernel and its arithmetic, for the default scales."""
    scale, read, written, adds = 0.6, 0, 0, 0
    while min(width, height) * scale >= 12:
        w, h = int(width * scale + 1), int(height * scale + 1)
        written += 3 * 4 * w * h
        # Bins overlap by up to one row and column, so a level reads a little more than the image.
        read += 3 * (width + w) * (height + h)
        adds += 3 * (width + w) * (height + h)
        scale *= 0.709
    return read, written, adds


def roofline_table() -> str:
    rows = [
        "| image | read from L2 (all levels) | from DRAM (once) | written | integer additions | T4, µs | H200, µs |"
    ]
    rows.append("|---|--:|--:|--:|--:|--:|--:|")
    for name, width, height in (("640x480", 640, 480), ("1280x720", 1280, 720), ("1920x1080", 1920, 1080)):
        read, written, adds = level_bytes(width, height)
        dram = 3 * width * height
        # DRAM: T4 320 GB/s, H200 4.8 TB/s. Integer additions: 64 a clock and multiprocessor on both; 40 of them at
        # 1.59 GHz, 132 at 1.98 GHz (NVIDIA's data sheets and tuning guides).
        t4 = max((dram + written) / 320e9, adds / (64 * 40 * 1.59e9))
        h200 = max((dram + written) / 4.8e12, adds / (64 * 132 * 1.98e9))
        rows.append(f"| {name} | {read / 1e6:.1f} MB | {dram / 1e6:.1f} MB | {written / 1e6:.1f} MB "
                    f"| {adds / 1e6:.0f} M | {t4 * 1e6:.0f} | {h200 * 1e6:.1f} |")  # fmt: skip
    return "\n".join(rows)


def render(kernels: list[Kernel], elf: set[str], ptx: set[str], libraries: list[str]) -> str:
    names = ", ".join(sorted(elf, key=lambda name: int(name[3:])))
    summary = f"Machine code: {names}. PTX: {', '.join(sorted(ptx))}. Shared libraries: {', '.join(libraries)}."
    return "\n\n".join([summary, kernel_table(kernels), "### Limits on paper: the pyramid", roofline_table()])


def main() -> None:
    from page_block import read_block, write_block

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", type=Path, required=True, help="what the build printed")
    parser.add_argument("--module", type=Path, required=True, help="the built _cuda")
    parser.add_argument("--architectures", nargs="+", required=True, help="that must be there, such as sm_75")
    parser.add_argument("--page", type=Path, help="page to write the tables to")
    parser.add_argument("--check", type=Path, help="page that must have tables")
    arguments = parser.parse_args()

    kernels = read_log(arguments.log.read_text())
    elf, ptx = contents(arguments.module)
    libraries = needed(arguments.module)
    problems = [f"{k.name} spills {k.spills} bytes on {k.architecture}" for k in kernels if k.spills]
    problems += [f"{k.name} declares {k.declared} bytes of shared memory: src/cuda/launch.h allows {MOST_DECLARED}"
                 for k in kernels if k.name in DYNAMIC_SHARED and k.declared > MOST_DECLARED]  # fmt: skip
    problems += [f"no kernels of {name} in the log" for name in arguments.architectures
                 if not any(k.architecture == name for k in kernels)]  # fmt: skip
    problems += [f"no machine code for {name}" for name in arguments.architectures if name not in elf]
    problems += [] if ptx else ["no PTX for newer devices"]
    problems += [f"links {name}" for name in libraries if re.search("cuda|torch|c10", name)]
    text = render(kernels, elf, ptx, libraries)
    print(text)
    if arguments.page:
        write_block(arguments.page, NAME, text)
    if arguments.check and len(read_block(arguments.check, NAME)) < len(text) // 2:
        problems.append(f"{arguments.check} has no tables: run this with --page")
    if problems:
        raise SystemExit("\n".join(problems))


if __name__ == "__main__":
    main()
