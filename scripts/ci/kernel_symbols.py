"""Check that object files of the engine's kernels export one symbol each.

A function that several instruction sets share by name, such as a template of the standard library that was not inlined,
is a weak symbol: the linker keeps one body of it, perhaps the one with instructions that an older processor lacks.

    python scripts/ci/kernel_symbols.py FOLDER        all kernels_*.o below a folder
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

#: Letters that nm gives to symbols that other files do not see or that are not defined here.
LOCAL = set("abdrtNUn")


def problems(path: Path) -> list[str]:
    isa = path.name.removeprefix("kernels_").split(".")[0]
    lines = subprocess.run(["nm", "-C", str(path)], check=True, capture_output=True, text=True).stdout.splitlines()
    # The address, which undefined symbols lack, takes the first 16 columns.
    symbols = [(line[17], line[19:]) for line in lines]
    exported = [name for kind, name in symbols if kind not in LOCAL]
    expected = f"mtcnn_fast::engine::kKernels_{isa}"
    found = [f"exports {name}" for name in exported if name != expected]
    if exported.count(expected) != 1:
        found.append(f"does not export {expected}")
    found += [f"calls {name}" for kind, name in symbols if kind == "U" and "::" in name]
    return [f"{path.name} {problem}" for problem in found]


def main() -> int:
    objects = sorted(Path(sys.argv[1]).rglob("kernels_*.o"))
    if not objects:
        print(f"no kernels_*.o below {sys.argv[1]}")
        return 1
    found = [problem for path in objects for problem in problems(path)]
    print(*found or [f"{path.name}: one exported symbol, no shared code" for path in objects], sep="\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
