"""Compile the C++ for processors and systems that this machine is not, and run its tests where something can run them.

    python scripts/ci/cross.py                    one target, which one the commit decides
    python scripts/ci/cross.py --all              all of them
    python scripts/ci/cross.py aarch64-macos      these

The compiler is Zig's, from PyPI (``pip install --group cross``): Clang with headers and libraries of every target.
Programs for musl run with its loader, those for Windows under wine, those for AArch64 and RISC-V under qemu, where
these are installed. Of every target, the programs' headers are read (scripts/ci/binaries.py), and flags and machine
code are searched for fused operations (scripts/ci/unfused.py).
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from binaries import Promise, describe

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/cross"
#: As the wheels of a release have them (pyproject.toml).
OLDEST_MACOS = "11.0"
OLDEST_GLIBC = "2.28"


@dataclass(frozen=True)
class Target:
    """One target.

    Parameters
    ----------
    name : str
        As the command line has it.
    triple : str
        As Zig spells it.
    promise : Promise
        What the programs must be.
    variables : dict
        CMake's.
    flags : str
        What the compiler gets beside the triple.
    runners : tuple of str
        Programs that can run the target's, the first that is installed is taken; empty where nothing on Linux can.
    options : tuple of str
        What a runner gets before the program.
    packages : tuple of str
        Debian's that bring a runner.
    takes_turns : bool
        Whether it is among those of which each commit gets one; the others are for `--all` and for who names them.
    """

    name: str
    triple: str
    promise: Promise
    variables: dict[str, str] = field(default_factory=dict)
    flags: str = ""
    runners: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    takes_turns: bool = True


def macos(processor: str, apples: str, other: str) -> Target:
    # The processor is the wrong one, as on a Mac that compiles for the other kind: CMAKE_OSX_ARCHITECTURES must decide.
    variables = {
        "CMAKE_SYSTEM_NAME": "Darwin",
        "CMAKE_SYSTEM_PROCESSOR": other,
        "CMAKE_OSX_ARCHITECTURES": apples,
        "CMAKE_OSX_SYSROOT": "",
        "CMAKE_INSTALL_NAME_TOOL": "true",
    }
    promise = Promise("Mach-O", apples, libraries=r"/usr/lib/libSystem\.B\.dylib", oldest=OLDEST_MACOS)
    return Target(f"{processor}-macos", f"{processor}-macos.{OLDEST_MACOS}", promise, variables)


def windows(processor: str, microsofts: str, **how: Any) -> Target:
    name = f"{processor}-windows-gnu"
    # What is part of Windows 10; nothing of a compiler's.
    promise = Promise("PE", microsofts, libraries=r"(?i)(kernel32|ntdll|api-ms-win-crt-[a-z0-9-]+)\.dll")
    return Target(name, name, promise, {"CMAKE_SYSTEM_NAME": "Windows", "CMAKE_SYSTEM_PROCESSOR": microsofts}, **how)


TARGETS = [
    windows("x86_64", "AMD64", runners=("wine64", "wine", "/usr/lib/wine/wine64"), packages=("wine64",)),
    windows("aarch64", "ARM64"),
    macos("aarch64", "arm64", other="x86_64"),
    macos("x86_64", "x86_64", other="arm64"),
    # No cross-compiling in CMake's sense: the processor and the kernel are this machine's.
    Target(
        "x86_64-linux-musl",
        "x86_64-linux-musl",
        Promise("ELF", "x86_64", libraries=r"libc\.so"),
        # A wheel for musl uses the system's, and Zig need not compile one of its own.
        flags="-dynamic",
        runners=("/lib/ld-musl-x86_64.so.1",),
        packages=("musl",),
    ),
    Target(
        "aarch64-linux",
        f"aarch64-linux-gnu.{OLDEST_GLIBC}",
        Promise("ELF", "aarch64", libraries=r"(lib(c|m|pthread|dl)|ld-linux-aarch64)\.so\.\d", oldest=OLDEST_GLIBC),
        {"CMAKE_SYSTEM_NAME": "Linux", "CMAKE_SYSTEM_PROCESSOR": "aarch64"},
        runners=("qemu-aarch64",),
        options=("-L", "/usr/aarch64-linux-gnu"),
        packages=("qemu-user", "libc6-arm64-cross"),
    ),
    # No wheel: one of the processors that get the kernels without an instruction set, whose tests take minutes. Linked
    # with its library, so that nothing of the system is needed to run it.
    Target(
        "riscv64-linux",
        "riscv64-linux-musl",
        Promise("ELF", "riscv64", libraries=""),
        {"CMAKE_SYSTEM_NAME": "Linux", "CMAKE_SYSTEM_PROCESSOR": "riscv64"},
        runners=("qemu-riscv64",),
        packages=("qemu-user",),
        takes_turns=False,
    ),
]


def zig() -> Path:
    spec = importlib.util.find_spec("ziglang")
    if spec is None or spec.origin is None:
        raise SystemExit("the compiler is missing: pip install --group cross")
    return Path(spec.origin).with_name("zig")


def write_tools(folder: Path, triple: str, flags: str) -> Path:
    """Write the compiler and the archiver of a target as programs of one word, which is what CMake asks for."""
    folder.mkdir(parents=True, exist_ok=True)
    version = subprocess.run([zig(), "version"], check=True, capture_output=True, text=True).stdout.strip()
    # The processor of a Mac is named by -arch, and by nothing else: CMAKE_OSX_ARCHITECTURES is what is tried. Zig
    # compiles its C++ library anew for each level of optimisation: CMake's own trials get that of the build.
    scripts = {
        "c++": f"""#!/bin/bash
# Zig {version}
target={triple} arguments=()
while (($#)); do
    case $1 in
        -arch) [[ $2 == arm64 ]] && target=aarch64-macos.{OLDEST_MACOS} || target=$2-macos.{OLDEST_MACOS}; shift ;;
        *) arguments+=("$1") ;;
    esac
    shift
done
exec "{zig()}" c++ -target "$target" -O3 {flags} "${{arguments[@]}}"
""",
        "ar": f'#!/bin/bash\nexec "{zig()}" ar "$@"\n',
        "ranlib": f'#!/bin/bash\nexec "{zig()}" ranlib "$@"\n',
    }
    for name, text in scripts.items():
        path = folder / name
        # A file that stays as it is spares the compiler's cache.
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            path.chmod(0o755)
    return folder


def runner(target: Target) -> str | None:
    """Find what runs the target's programs; None where nothing here does."""
    return next((path for name in target.runners if (path := shutil.which(name))), None)


def run(command: Sequence[str | Path], variables: Mapping[str, str] = {}) -> str:
    done = subprocess.run(command, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stdout[-8000:]}\n{done.stderr[-8000:]}")
    return done.stdout


def build(target: Target, emulator: str | None, jobs: str) -> Path:
    folder = BUILD / target.name
    tools = write_tools(folder / "tools", target.triple, target.flags)
    variables = {
        "CMAKE_BUILD_TYPE": "Release",
        "CMAKE_CXX_COMPILER": tools / "c++",
        "CMAKE_AR": tools / "ar",
        "CMAKE_CXX_COMPILER_AR": tools / "ar",
        "CMAKE_RANLIB": tools / "ranlib",
        "CMAKE_CXX_COMPILER_RANLIB": tools / "ranlib",
        "MTCNN_FAST_PYTHON": "OFF",
        "MTCNN_FAST_TESTS": "ON",
        "MTCNN_FAST_WERROR": "ON",
        "MTCNN_FAST_CUDA": "off",
        **target.variables,
    }
    if emulator:
        variables["CMAKE_CROSSCOMPILING_EMULATOR"] = ";".join([emulator, *target.options])
    # Zig compiles the target's libraries once and keeps them.
    cache = str(BUILD / "zig")
    environment = {
        "ZIG_GLOBAL_CACHE_DIR": cache,
        "ZIG_LOCAL_CACHE_DIR": cache,
        "CCACHE_BASEDIR": str(ROOT),
        "CCACHE_COMPILERCHECK": "content",
    }
    settings = [f"-D{name}={value}" for name, value in variables.items()]
    run(["cmake", "-S", ROOT, "-B", folder / "cmake", "-G", "Ninja", *settings], environment)
    run(["cmake", "--build", folder / "cmake", "--parallel", jobs], environment)
    return folder / "cmake"


def inspect(target: Target, folder: Path) -> list[str]:
    """Read what was built; return what it is."""
    suffix = ".exe" if target.promise.format == "PE" else ""
    programs = [path for path in sorted((folder / "tests/cpp").glob(f"test_*{suffix}")) if path.suffix == suffix]
    if not programs:
        raise SystemExit(f"{target.name}: no test was built in {folder}")
    found = sorted({describe(path, target.promise) for path in programs})
    unfused = run([sys.executable, ROOT / "scripts/ci/unfused.py", folder])
    return [f"{len(programs)} programs: {'; '.join(found)}", unfused.strip()]


def test(target: Target, emulator: str | None, folder: Path, jobs: str) -> list[str]:
    """Run the tests; return what they say of themselves."""
    if emulator is None:
        missing = f"{target.runners[0]} is not installed" if target.runners else "nothing on Linux runs its programs"
        return [f"tests not run: {missing}"]
    # Outside the clone: wine links the whole machine into its folder, and builds of the package follow such links.
    with tempfile.TemporaryDirectory(prefix="wine-", ignore_cleanup_errors=True) as prefix:
        environment: dict[str, str] = {}
        if target.promise.format == "PE":
            # No .NET and no browser: our programs need neither, and wine would look for them.
            environment = {"WINEPREFIX": prefix, "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml="}
            # Programs that start at the same time would each make the folder.
            run([emulator, "wineboot", "--init"], environment)
        said = run(
            ["ctest", "--test-dir", folder, "--output-on-failure", "--no-tests=error", "--parallel", jobs], environment
        )
    return [line.strip() for line in said.splitlines() if "Passed" in line or "tests passed" in line]


def commit_turn() -> int:
    """Return a number that one commit always has and that differs from one commit to the next."""
    return int(run(["git", "rev-parse", "HEAD"]).strip(), 16)


def chosen(names: list[str], every: bool) -> list[Target]:
    if every:
        return TARGETS
    if names:
        known = {target.name: target for target in TARGETS}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise SystemExit(f"no target {unknown[0]}; there are: {', '.join(known)}")
        return [known[name] for name in names]
    turns = [target for target in TARGETS if target.takes_turns]
    return [turns[commit_turn() % len(turns)]]


class Clock:
    """Seconds since the one before, of the clock and of the processors."""

    def __init__(self) -> None:
        self.last = self.now()

    @staticmethod
    def now() -> tuple[float, float]:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.monotonic(), children.ru_utime + children.ru_stime

    def lap(self) -> str:
        now = self.now()
        wall, processor = (after - before for after, before in zip(now, self.last, strict=True))
        self.last = now
        return f"{wall:.0f} s, {processor:.0f} s of processors"


def check(target: Target, jobs: str) -> None:
    emulator = runner(target)
    print(f"--- {target.name}", flush=True)
    clock = Clock()
    folder = build(target, emulator, jobs)
    print(f"built ({clock.lap()})", flush=True)
    print(*inspect(target, folder), f"inspected ({clock.lap()})", sep="\n", flush=True)
    print(*test(target, emulator, folder, jobs), f"tested ({clock.lap()})", sep="\n", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--all", action="store_true", help="every target")
    parser.add_argument("--packages", action="store_true", help="only name Debian's packages that run the programs")
    parser.add_argument("--jobs", default=os.environ.get("JOBS", "2"))
    arguments = parser.parse_args()
    targets = chosen(arguments.targets, arguments.all)
    if arguments.packages:
        print(*(package for target in targets for package in target.packages))
        return 0
    for target in targets:
        check(target, arguments.jobs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
