"""``python -m mtcnn_fast.compat script.py …`` runs a program that imports facenet_pytorch or mtcnn, unchanged."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from mtcnn_fast._paths import exists
from mtcnn_fast.compat.aliases import install

USAGE = """usage: python -m mtcnn_fast.compat script.py [argument ...]
       python -m mtcnn_fast.compat -m module [argument ...]

Run a Python program in which facenet_pytorch and mtcnn are the ones of mtcnn_fast.compat."""


def main(arguments: list[str]) -> None:
    """Run what the arguments of the command line name, as ``python`` itself would."""
    if arguments[:1] in (["-h"], ["--help"]):
        print(USAGE)
        return
    module = arguments[:1] == ["-m"]
    program = arguments[1:] if module else arguments
    if not program or program[0].startswith("-"):
        sys.exit(USAGE)
    if not module and not exists(Path(program[0])):
        sys.exit(f"mtcnn_fast.compat: there is no file {program[0]!r}\n\n{USAGE}")
    install()
    sys.argv = program
    if module:
        runpy.run_module(program[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = str(Path(program[0]).resolve().parent)
        runpy.run_path(program[0], run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
