"""`import mtcnn_fast` stays light: numpy and the standard library, and only what is asked for after that."""

from __future__ import annotations

import sys
from pathlib import Path

from support.commands import run

HEAVY = ("torch", "typer", "rich", "click", "safetensors", "PIL", "scipy", "cv2")


def imported(statement: str, folder: Path) -> set[str]:
    listing = f"{statement}; import sys; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    return set(run(sys.executable, "-c", listing, cwd=folder).split())


def test_import_brings_only_numpy(tmp_path: Path) -> None:
    baseline = imported("import numpy", tmp_path)
    brought = imported("import mtcnn_fast", tmp_path) - baseline
    assert brought - set(sys.stdlib_module_names) == {"mtcnn_fast"}


def test_detecting_on_an_array_brings_no_torch_and_no_command_line(tmp_path: Path) -> None:
    statement = "import numpy as np, mtcnn_fast as m; m.Detector('numpy').detect(np.zeros((32, 32, 3), 'uint8'))"
    assert imported(statement, tmp_path).isdisjoint({"torch", "typer", "rich", "click"})
