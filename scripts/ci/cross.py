"""Compile the C++ for processors and systems that this machine is not, and run its tests where something can run them.

    python scripts/ci/cross.py                    one target, another one each day
    python scripts/ci/cross.py --all              all of them
    python scripts/ci/cross.py aarch64-macos      these

The compiler is Zig's, from PyPI (``pip install ziglang``): Clang with headers and libraries of every target. Programs
for musl run as they are, those for Windows under wine and those for AArch64 under qemu, where these are installed.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/cross"
ARCHITECTURES = {"arm64": "aarch64", "x86_64": "x86_64"}


@dataclass(frozen=True)
class Target:
    """One target of Zig's.

    Parameters
    ----------
    name : str
        As Zig spells it.
    variables : dict
        CMake's.
    runners : tuple of str
        Programs that can run the target's, the first that is installed is taken; empty where none is needed.
    runs : bool
        Whether anything on Linux can run the programs.
    skip : str
        Regular expression of tests that are left out, since the emulator takes minutes for them.
    """

    name: str
    variables: dict[str, str] = field(default_factory=dict)
    runners: tuple[str, ...] = ()
    runs: bool = True
    skip: str = ""


def macos(architecture: str) -> Target:
    # The processor is the wrong one, as on a Mac that compiles for the other kind: CMAKE_OSX_ARCHITECTURES must decide.
    variables = {
        "CMAKE_SYSTEM_NAME": "Darwin",
        "CMAKE_SYSTEM_PROCESSOR": {"arm64": "x86_64", "x86_64": "arm64"}[architecture],
        "CMAKE_OSX_ARCHITECTURES": architecture,
        "CMAKE_OSX_SYSROOT": "",
        "CMAKE_INSTALL_NAME_TOOL": "true",
    }
    return Target(f"{ARCHITECTURES[architecture]}-macos", variables, runs=False)


def windows(processor: str) -> dict[str, str]:
    return {"CMAKE_SYSTEM_NAME": "Windows", "CMAKE_SYSTEM_PROCESSOR": processor}


TARGETS = [
    Target("aarch64-windows-gnu", windows("ARM64"), runs=False),
    macos("x86_64"),
    Target("x86_64-windows-gnu", windows("AMD64"), runners=("wine64", "wine", "/usr/lib/wine/wine64")),
    Target("x86_64-linux-musl"),
    Target(
        "aarch64-linux",
        {"CMAKE_SYSTEM_NAME": "Linux", "CMAKE_SYSTEM_PROCESSOR": "aarch64"},
        runners=("qemu-aarch64",),
        skip="engine_steps|ops",
    ),
    macos("arm64"),
]


def zig() -> Path:
    spec = importlib.util.find_spec("ziglang")
    if spec is None or spec.origin is None:
        raise SystemExit("the compiler is missing: pip install ziglang")
    return Path(spec.origin).with_name("zig")


def write_tools(folder: Path, target: str) -> Path:
    """Write the compiler and the archiver of a target as programs of one word, which is what CMake asks for."""
    folder.mkdir(parents=True, exist_ok=True)
    version = subprocess.run([zig(), "version"], check=True, capture_output=True, text=True).stdout.strip()
    # Apple's compilers take the processor from -arch, Zig's from -target.
    scripts = {
        "c++": f"""#!/bin/bash
# Zig {version}
target={target} arguments=()
while (($#)); do
    case $1 in
        -arch) [[ $2 == arm64 ]] && target=aarch64-macos || target=$2-macos; shift ;;
        *) arguments+=("$1") ;;
    esac
    shift
done
exec "{zig()}" c++ -target "$target" "${{arguments[@]}}"
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


def runner(target: Target) -> tuple[str | None, str]:
    """Find what runs the target's programs: its path or None, and why none does."""
    if not target.runs:
        return None, "nothing on Linux runs its programs"
    for name in target.runners:
        path = shutil.which(name)
        if path is not None:
            return path, ""
    return None, f"{target.runners[0]} is not installed" if target.runners else ""


def run(command: Sequence[str | Path], **variables: str) -> None:
    environment = os.environ | variables
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stdout[-8000:]}\n{done.stderr[-8000:]}")


def build(target: Target, emulator: str | None, jobs: str) -> Path:
    folder = BUILD / target.name
    tools = write_tools(folder / "tools", target.name)
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
        variables["CMAKE_CROSSCOMPILING_EMULATOR"] = emulator
    settings = [f"-D{name}={value}" for name, value in variables.items()]
    run(["cmake", "-S", ROOT, "-B", folder / "cmake", "-G", "Ninja", *settings])
    run(
        ["cmake", "--build", folder / "cmake", "--parallel", jobs],
        CCACHE_BASEDIR=str(ROOT),
        CCACHE_COMPILERCHECK="content",
    )
    return folder / "cmake"


def test(target: Target, folder: Path) -> str:
    """Run the tests; return what they say of themselves."""
    wine = {"WINEPREFIX": str(BUILD / "wine"), "WINEDEBUG": "-all"}
    skip = ["--exclude-regex", target.skip] if target.skip else []
    command = ["ctest", "--test-dir", str(folder), "--output-on-failure", "--no-tests=error", *skip]
    done = subprocess.run(command, env=os.environ | wine, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{target.name}: its tests failed\n{done.stdout}\n{done.stderr}")
    (summary,) = [line for line in done.stdout.splitlines() if "tests passed" in line]
    return summary + (f" (left out: {target.skip})" if target.skip else "")


def chosen(names: list[str], every: bool) -> list[Target]:
    if every:
        return TARGETS
    if names:
        known = {target.name: target for target in TARGETS}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise SystemExit(f"no target {unknown[0]}; there are: {', '.join(known)}")
        return [known[name] for name in names]
    return [TARGETS[datetime.date.today().toordinal() % len(TARGETS)]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--all", action="store_true", help="every target")
    parser.add_argument("--jobs", default=os.environ.get("JOBS", "2"))
    arguments = parser.parse_args()
    for target in chosen(arguments.targets, arguments.all):
        start = time.monotonic()
        emulator, problem = runner(target)
        folder = build(target, emulator, arguments.jobs)
        built = time.monotonic() - start
        result = f"tests skipped: {problem}" if problem else test(target, folder)
        print(f"{target.name}: built in {built:.0f} s; {result} ({time.monotonic() - start:.0f} s in all)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
