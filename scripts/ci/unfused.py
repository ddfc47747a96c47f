"""Check that no compiled file of ours fuses a multiplication with an addition where the result must be exact.

    python scripts/ci/unfused.py FOLDER        a build folder of CMake

Each command of ``compile_commands.json`` must forbid it, and the machine code of the object files must not do it. The
kernels' files are left out of the second part: the networks fuse by intrinsics, and GCC converts unsigned numbers by a
fused operation whose product is exact. For them the test `contraction` runs code compiled with the same flags.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

#: Disassemblers by the machine number of an ELF header.
DISASSEMBLERS = {0x3E: ["objdump"], 0xB7: ["aarch64-linux-gnu-objdump", "objdump"]}
#: Mnemonics of fused operations, x86-64 and AArch64.
FUSED = re.compile(r"\s(vfn?m(?:add|sub)\w*|fn?m(?:add|sub)|fml[as]l?2?)\s")
#: Flags of GCC and Clang that loosen floating-point arithmetic.
LOOSE = {"-Ofast", "-ffast-math", "-funsafe-math-optimizations", "-fassociative-math", "-freciprocal-math"}
#: What may fuse: kernels of the networks, and the control of the test that looks for fusing.
KERNELS = "kernels_"
CONTROL = "contraction_control"


def flag_problems(folder: Path) -> Iterator[str]:
    """Name the commands that allow fusing or other liberties."""
    commands = json.loads((folder / "compile_commands.json").read_text(encoding="utf-8"))
    for command in commands:
        words = command.get("arguments") or shlex.split(command["command"])
        if CONTROL in command.get("output", "") or any(CONTROL in word for word in words):
            continue
        file = Path(command["file"]).name
        # nvcc has a flag of its own.
        wanted = "--fmad=false" if file.endswith(".cu") else "-ffp-contract=off"
        contracts = [word for word in words if word.startswith(("-ffp-contract", "--fmad"))]
        if contracts[-1:] != [wanted]:
            yield f"{file} is compiled without {wanted} as the last word on fusing, got {contracts}"
        yield from (f"{file} is compiled with {word}" for word in words if word in LOOSE)


def disassembler(path: Path) -> list[str] | None:
    """Find a program for the file's processor; None where there is none, or the file is not ELF."""
    header = path.read_bytes()[:20]
    if not header.startswith(b"\x7fELF"):
        return None
    for program in DISASSEMBLERS.get(header[18], []):
        if shutil.which(program):
            return [program, "--disassemble", "--demangle", "--no-show-raw-insn", str(path)]
    return None


def fused_functions(listing: str) -> dict[str, str]:
    """Map each function of a disassembly that holds a fused operation to the first of them."""
    found: dict[str, str] = {}
    function = ""
    for line in listing.splitlines():
        if line.endswith(">:"):
            function = line[line.index("<") + 1 : -2]
        elif (match := FUSED.search(line + " ")) is not None:
            found.setdefault(function, match[1])
    return found


def code_problems(path: Path, command: list[str]) -> Iterator[str]:
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for function, operation in fused_functions(listing).items():
        yield f"{path.name}: {function} uses {operation}"


def main() -> int:
    folder = Path(sys.argv[1])
    found = list(flag_problems(folder))
    objects = [
        path for path in sorted(folder.rglob("*.o")) if CONTROL not in str(path) and not path.name.startswith(KERNELS)
    ]
    # The control shows that a fused operation would be seen.
    controls = [path for path in sorted(folder.rglob("*.o")) if CONTROL in str(path)]
    read = 0
    for path in objects:
        command = disassembler(path)
        if command is not None:
            read += 1
            found += code_problems(path, command)
    for path in controls:
        command = disassembler(path)
        if command is not None and not list(code_problems(path, command)):
            found.append(f"{path.name}: the control fuses nothing, so that this check proves nothing")
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{len(objects)} object files, {read} disassembled (the others have another format): {len(found)} faults")
    return int(bool(found) or not objects)


if __name__ == "__main__":
    sys.exit(main())
