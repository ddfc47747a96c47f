"""Check that no compiled file of ours fuses a multiplication with an addition where the result must be exact.

    python scripts/ci/unfused.py FOLDER        a build folder of CMake

Each command of ``compile_commands.json`` must forbid it, and the machine code of the object files must not do it. The
kernels' files are left out of the second part: the networks fuse by intrinsics, and GCC converts unsigned numbers by a
fused operation whose product is exact. For them the test `contraction` runs code compiled with the same flags.

objdump reads ELF of x86-64 and AArch64. Object files of macOS, Windows and RISC-V are read by lief and capstone
(``pip install --group cross``).
"""

from __future__ import annotations

import bisect
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
#: Mnemonics of fused operations, x86-64, AArch64 and RISC-V.
FUSED = re.compile(r"\s(vfn?m(?:add|sub)\w*|fn?m(?:add|sub)(?:\.[sd])?|fml[as]l?2?)\s")
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


def foreign_functions(path: Path) -> dict[str, str] | None:
    """Do for Mach-O, COFF and RISC-V what objdump does for others; None for other files and without the packages."""
    try:
        import capstone
        import lief
    except ImportError:
        return None
    arm, x86 = (capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM), (capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    # Of each symbol: the number of its section, its address and its name.
    if lief.is_macho(str(path)):
        read = lief.parse(path)
        processor = arm if read.header.cpu_type == lief.MachO.Header.CPU_TYPE.ARM64 else x86
        code = [each.name == "__text" for each in read.sections]
        symbols = [(symbol.numberof_sections - 1, symbol.value, symbol.name) for symbol in read.symbols]
    elif lief.is_coff(str(path)):
        read = lief.COFF.parse(path)
        processor = arm if read.header.machine == lief.PE.Header.MACHINE_TYPES.ARM64 else x86
        code = [each.has_characteristic(lief.PE.Section.CHARACTERISTICS.MEM_EXECUTE) for each in read.sections]
        symbols = [(symbol.section_idx - 1, symbol.value, symbol.name) for symbol in read.symbols]
    elif lief.is_elf(str(path)):
        read = lief.parse(path)
        if read.header.machine_type != lief.ELF.ARCH.RISCV:
            return None
        processor = (capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV64 | capstone.CS_MODE_RISCVC)
        code = [each.has(lief.ELF.Section.FLAGS.EXECINSTR) for each in read.sections]
        # Those without a type mark places in a function.
        named = [symbol for symbol in read.symbols if symbol.type == lief.ELF.Symbol.TYPE.FUNC]
        symbols = [(symbol.shndx, symbol.value, symbol.name) for symbol in named]
    else:
        return None
    decoder = capstone.Cs(*processor)
    decoder.skipdata = True
    found: dict[str, str] = {}
    for number, (section, executable) in enumerate(zip(read.sections, code, strict=True)):
        if executable:
            names = sorted((value, name) for where, value, name in symbols if where == number)
            for address, _, operation, _ in decoder.disasm_lite(bytes(section.content), section.virtual_address):
                if FUSED.search(f" {operation} "):
                    function = names[bisect.bisect(names, (address, "\uffff")) - 1][1]
                    found.setdefault(function, operation)
    return found


def fused(path: Path) -> dict[str, str] | None:
    """Map functions of an object file to a fused operation in them; None where nothing here reads the file."""
    command = disassembler(path)
    if command is None:
        return foreign_functions(path)
    return fused_functions(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> int:
    folder = Path(sys.argv[1])
    found = list(flag_problems(folder))
    files = [path for path in sorted(folder.rglob("*")) if path.suffix in {".o", ".obj"}]
    objects = [path for path in files if CONTROL not in str(path) and not path.name.startswith(KERNELS)]
    read = 0
    for path in objects:
        functions = fused(path)
        if functions is not None:
            read += 1
            found += [f"{path.name}: {function} uses {operation}" for function, operation in functions.items()]
    # The control shows that a fused operation would be seen.
    controls = [path for path in files if CONTROL in str(path)]
    found += [
        f"{path.name}: the control fuses nothing, so that this check proves nothing"
        for path in controls
        if fused(path) == {}
    ]
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{len(objects)} object files, {read} disassembled (nothing here reads the others): {len(found)} faults")
    return int(bool(found) or not objects)


if __name__ == "__main__":
    sys.exit(main())
