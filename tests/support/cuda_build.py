"""Builds `mtcnn_fast._cuda` for the emulated device: the project's own sources, g++, and the headers in its place."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: The tree that is built; the mutation tests name another.
SOURCE = Path(os.environ.get("MTCNN_FAST_EMULATION_SOURCE", ROOT / "src"))
EMULATION = ROOT / "tests" / "cuda" / "emulation"
BUILD = ROOT / "build" / "emulation"

COMMON = [
    *("-std=c++20", "-O1", "-g1", "-fPIC", "-fvisibility=hidden", "-fno-strict-aliasing", "-ffp-contract=off"),
    *("-Wall", "-Wextra", "-Werror"),
]
SANITIZERS = [
    *("-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"),
]

#: Flags by variant: for kernels, for the emulated device, for linking. `race` sees every access of a kernel: the
#: compiler inserts calls at each, and the emulated device answers them instead of ThreadSanitizer's runtime. `plain` is
#: fast and sees nothing.
VARIANTS: dict[str, tuple[list[str], list[str], list[str]]] = {
    "plain": ([], [], []),
    "race": (["-fsanitize=thread"], [], []),
    "asan": (SANITIZERS, SANITIZERS, SANITIZERS),
}


def compiler() -> str | None:
    """Return the C++ compiler, or None where there is none."""
    return shutil.which(os.environ.get("CXX", "g++"))


def includes(source: Path) -> list[Path]:
    import pybind11

    python = sysconfig.get_paths()["include"]
    return [EMULATION, source, Path(pybind11.get_include()), Path(python)]


def build_module(variant: str, source: Path = SOURCE) -> Path:
    """Build (or find) the module of a variant from the tree `source`, which is laid out like ``src``."""
    kernel_flags, device_flags, link_flags = VARIANTS[variant]
    parts = [
        *((file, source, ["-x", "c++", *kernel_flags]) for file in sorted((source / "cuda").glob("*.cu"))),
        *((file, source, []) for file in sorted((source / "cuda").glob("*.cpp"))),
        *((file, source, device_flags) for file in sorted(EMULATION.glob("*.cpp"))),
    ]
    return _link([_compile(*part) for part in parts], variant, link_flags)


def build_probe(variant: str) -> Path:
    """Build (or find) the library of small kernels, most of them wrong, that show what the emulated device notices."""
    kernel_flags, device_flags, link_flags = VARIANTS[variant]
    objects = [_compile(EMULATION.parent / "probe.cu", SOURCE, ["-x", "c++", *kernel_flags])]
    objects += [_compile(file, SOURCE, device_flags) for file in sorted(EMULATION.glob("*.cpp"))]
    return _link(objects, f"probe-{variant}", link_flags)


def declared_shared(library: Path) -> dict[int, int]:
    """Return the bytes of shared memory that kernels declare, by the kernels' places in a library.

    On the emulated device shared memory is static, and the symbol of a function's static variable begins with the
    function's own.
    """
    listed = subprocess.run(["nm", "-S", str(library)], check=True, capture_output=True, text=True).stdout
    symbols = [words for line in listed.splitlines() if len(words := line.split()) == 4]
    places = {name: int(place, 16) for place, _, kind, name in symbols if kind in "tTwW"}
    found: dict[int, int] = {}
    for _, size, kind, name in symbols:
        if kind not in "bBdDuV" or not name.startswith("_ZZ"):
            continue
        ends = [match.start() for match in re.finditer("E", name)]
        owners = [places[owner] for end in reversed(ends) if (owner := "_Z" + name[3:end]) in places]
        if owners:
            # Rounded up, as the device's compiler aligns them.
            found[owners[0]] = found.get(owners[0], 0) + -(-int(size, 16) // 16) * 16
    return found


def _link(objects: Sequence[Path], name: str, flags: Sequence[str]) -> Path:
    module = BUILD / f"{name}-{_digest(objects)}" / "_cuda.so"
    with _locked(module):
        if not module.exists():
            _run([_required_compiler(), "-shared", "-Wl,-Bsymbolic", *flags, *map(str, objects)], module)
    return module


def _compile(file: Path, source: Path, flags: Sequence[str]) -> Path:
    """Compile one file, unless an object of the same content and flags is there."""
    # Another Python has another ABI.
    words = [str(sys.implementation.cache_tag), *COMMON, *flags]
    target = BUILD / "objects" / f"{file.stem}-{_digest(_with_headers(file, source), *words)}.o"
    with _locked(target):
        if not target.exists():
            paths = [f"-I{path}" for path in includes(source)]
            _run([_required_compiler(), *COMMON, *paths, *flags, "-c", str(file)], target)
    return target


def _with_headers(file: Path, source: Path) -> list[Path]:
    """Return a file and the headers of ours that it includes, directly or not."""
    found = [file]
    for known in found:
        for name in re.findall(r'#include ["<]([^">]+)[">]', known.read_text()):
            places = (known.parent / name, EMULATION / name, source / name)
            found += [place for place in places if place.is_file() and place not in found][:1]
    return found


def _digest(files: Sequence[Path], *words: str) -> str:
    digest = hashlib.sha256(repr(words).encode())
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def _required_compiler() -> str:
    found = compiler()
    if found is None:
        raise RuntimeError("the emulated device needs a C++ compiler (g++, or what CXX names)")
    return found


def _run(command: list[str], target: Path) -> None:
    """Run a compiler or linker; `target` appears only when it is complete."""
    partial = target.with_suffix(f".{os.getpid()}.partial")
    done = subprocess.run([*command, "-o", str(partial)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
    partial.rename(target)


@contextlib.contextmanager
def _locked(target: Path) -> Iterator[None]:
    """Let one process at a time make a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
