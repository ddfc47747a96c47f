"""Read what a compiled program is and needs, whatever the system it is for, and compare that with what it must be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import lief


@dataclass(frozen=True)
class Promise:
    """What programs of a target must be.

    Parameters
    ----------
    format : str
        ELF, Mach-O or PE.
    processor : str
        As the format's own documents spell it.
    libraries : str
        Regular expression of the shared libraries that may be needed: what every such system has.
    oldest : str or None
        Oldest version of macOS or glibc with which they must start.
    """

    format: str
    processor: str
    libraries: str
    oldest: str | None = None


PROCESSORS = {
    lief.ELF.ARCH.X86_64: "x86_64",
    lief.ELF.ARCH.AARCH64: "aarch64",
    lief.ELF.ARCH.RISCV: "riscv64",
    lief.MachO.Header.CPU_TYPE.X86_64: "x86_64",
    lief.MachO.Header.CPU_TYPE.ARM64: "arm64",
    lief.PE.Header.MACHINE_TYPES.AMD64: "AMD64",
    lief.PE.Header.MACHINE_TYPES.ARM64: "ARM64",
}


def read(path: Path) -> tuple[str, str, list[str], str | None]:
    """Return format, processor, needed libraries and the oldest version of macOS or glibc that will do."""
    program = lief.parse(path)
    if isinstance(program, lief.ELF.Binary):
        return "ELF", PROCESSORS[program.header.machine_type], list(program.libraries), glibc(program)
    if isinstance(program, lief.PE.Binary):
        return "PE", PROCESSORS[program.header.machine], [each.name for each in program.imports], None
    if isinstance(program, lief.MachO.Binary):
        libraries = [each.name for each in program.libraries]
        version = ".".join(map(str, program.build_version.minos[:2]))
        return "Mach-O", PROCESSORS[program.header.cpu_type], libraries, version
    raise SystemExit(f"{path} is no program of a kind that is known here")


def glibc(program: lief.ELF.Binary) -> str | None:
    """Find the newest version of glibc whose functions a program calls."""
    wanted = (each.name for library in program.symbols_version_requirement for each in library.get_auxiliary_symbols())
    versions = [name.removeprefix("GLIBC_") for name in wanted if name.startswith("GLIBC_")]
    return max(versions, key=numbers, default=None)


def numbers(version: str | None) -> tuple[int, ...]:
    return tuple(map(int, version.split("."))) if version else ()


def describe(path: Path, promise: Promise) -> str:
    """Say what a program is; end with the difference where it is not what was promised."""
    kind, processor, libraries, oldest = read(path)
    if (kind, processor) != (promise.format, promise.processor) or numbers(oldest) > numbers(promise.oldest):
        raise SystemExit(f"{path.name}: {kind} for {processor}, system {oldest}, where {promise} was expected")
    foreign = [name for name in libraries if not re.fullmatch(promise.libraries, name)]
    if foreign:
        raise SystemExit(f"{path.name} needs {', '.join(foreign)}, which not every system has")
    system = f", {'macOS' if kind == 'Mach-O' else 'glibc'} {oldest} or later" if oldest else ""
    return f"{kind} for {processor}{system}, needs {', '.join(sorted(libraries)) or 'no library'}"
