"""Imports run down the layers of docs/architecture.md, and never in a circle."""

import re
import shutil
from pathlib import Path

import pytest

from support.imports import Import, circles, layer_of, module_files, read_imports, read_layers, upward

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "python" / "mtcnn_fast"


@pytest.fixture(scope="module")
def layers() -> dict[str, int]:
    return read_layers(ROOT / "docs" / "architecture.md")


@pytest.fixture(scope="module")
def imports() -> list[Import]:
    return read_imports(SOURCES)


def test_every_module_has_a_layer(layers: dict[str, int]) -> None:
    assert [name for name in module_files(SOURCES) if name and layer_of(name, layers) is None] == []


def test_every_entry_of_the_table_is_a_module(layers: dict[str, int]) -> None:
    assert set(layers) - set(module_files(SOURCES)) == set()


def test_no_import_runs_upwards(imports: list[Import], layers: dict[str, int]) -> None:
    assert upward(imports, layers) == []


def test_no_modules_import_each_other_in_a_circle(imports: list[Import]) -> None:
    assert circles(imports) == []


def test_no_module_imports_the_face_of_the_package(imports: list[Import]) -> None:
    assert [each for each in imports if each.imported == ""] == []


def test_every_arrow_of_the_drawing_is_an_import(imports: list[Import]) -> None:
    drawing = (ROOT / "docs" / "images" / "imports.svg").read_text(encoding="utf-8")
    arrows = set(re.findall(r'<path id="(\w+)-(\w+)"', drawing))
    assert arrows
    assert arrows <= {(each.importer.split(".")[0], each.imported.split(".")[0]) for each in imports}


@pytest.mark.parametrize(
    ("statement", "layer"),
    [
        ("from mtcnn_fast.detector import Detector", 8),
        ("def later():\n    import mtcnn_fast.detector", 8),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from mtcnn_fast.cli import run", 12),
        ("from mtcnn_fast import ops", 7),
    ],
)
def test_a_breach_is_found(tmp_path: Path, layers: dict[str, int], statement: str, layer: int) -> None:
    copy = tmp_path / "mtcnn_fast"
    shutil.copytree(SOURCES, copy, ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.safetensors"))
    with (copy / "faces" / "face.py").open("a") as file:
        file.write(f"\n{statement}\n")
    (found,) = upward(read_imports(copy), layers)
    assert found.startswith("faces.face:")
    assert f"(layer {layer})" in found


def test_a_circle_is_found(tmp_path: Path) -> None:
    copy = tmp_path / "mtcnn_fast"
    shutil.copytree(SOURCES, copy, ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.safetensors"))
    with (copy / "faces" / "face.py").open("a") as file:
        file.write("\nfrom mtcnn_fast.faces.faces import Faces\n")
    assert circles(read_imports(copy)) == [["faces.face", "faces.faces"]]
