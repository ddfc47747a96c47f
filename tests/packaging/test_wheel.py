"""What the wheels hold, and that each works where nothing but its own requirements is installed."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Callable
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest

from support.commands import run
from support.data import PHOTO

pytestmark = pytest.mark.slow

ALWAYS = {
    "mtcnn_fast/__init__.py",
    "mtcnn_fast/__main__.py",
    "mtcnn_fast/py.typed",
    "mtcnn_fast/backends/numpy/steps.py",
    "mtcnn_fast/cli/__init__.py",
    "mtcnn_fast/weights/p.safetensors",
    "mtcnn_fast/weights/r.safetensors",
    "mtcnn_fast/weights/o.safetensors",
    "mtcnn_fast/weights/int8.json",
    "mtcnn_fast/weights/wider/o.safetensors",
}

#: Of either wheel but for CUDA's kernels: they have a distribution of their own, and a wheel made beside nvcc has them.
MOST_BYTES = 4_000_000


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def size(wheel: Path) -> int:
    """Return the bytes of what a wheel holds, but for CUDA's kernels."""
    with zipfile.ZipFile(wheel) as archive:
        return sum(member.compress_size for member in archive.infolist() if "/_cuda." not in member.filename)


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def smoke(programs: Path, folder: Path) -> dict[str, Any]:
    script = Path(__file__).with_name("smoke.py")
    report: dict[str, Any] = json.loads(run(programs / "python", script, PHOTO, cwd=folder))
    return report


def check_detection(report: dict[str, Any]) -> None:
    assert report["torch"] is False
    assert len(report["scores"]) == 1
    assert report["scores"][0] > 0.99
    # Where the reference implementation finds the face in the lossless picture, give or take the JPEG.
    assert report["boxes"][0] == pytest.approx([181.1, 62.2, 267.7, 172.1], abs=3)
    assert report["batch_equals_single"] is True
    # Whoever gets the slow backend without having asked for it is told, once.
    assert len(report["warnings"]) == (1 if report["backend"] == "numpy" else 0)
    assert report["level_shapes"] == [[3, 49, 65], [3, 25, 33]]


@pytest.mark.parametrize("kind", ["native_wheel", "pure_wheel"])
def test_contents(kind: str, request: pytest.FixtureRequest) -> None:
    wheel: Path = request.getfixturevalue(kind)
    held = names(wheel)
    assert set(held) >= ALWAYS
    assert {Path(name).name for name in held if ".dist-info/" in name} >= {"LICENSE", "THIRD_PARTY.md"}
    assert size(wheel) < MOST_BYTES
    strangers = [name for name in held if not re.match(r"mtcnn_fast(-[^/]*\.dist-info|\.libs)?/", name)]
    assert strangers == []
    assert [name for name in held if name.endswith((".pyc", ".cpp", ".h", ".cu", ".pt"))] == []


def test_native_code_is_in_the_native_wheel_only(native_wheel: Path, pure_wheel: Path) -> None:
    modules = [name for name in names(native_wheel) if re.fullmatch(r"mtcnn_fast/_cpu\.[^/]*(so|pyd)", name)]
    assert len(modules) == 1
    assert "mtcnn_fast/_cpu.pyi" in names(native_wheel)
    assert [name for name in names(pure_wheel) if name.endswith((".so", ".pyd", ".dylib"))] == []
    assert pure_wheel.name.endswith("-py3-none-any.whl")


def test_the_wheel_says_what_is_compiled_into_it(native_wheel: Path) -> None:
    with zipfile.ZipFile(native_wheel) as archive:
        (path,) = [name for name in archive.namelist() if name.endswith(".dist-info/sboms/mtcnn-fast.cdx.json")]
        bill = json.loads(archive.read(path))
        parts = {part["name"]: part for part in bill.pop("components")}
        assert re.fullmatch(r"3\.\d+\.\d+", parts.pop("pybind11")["version"])
        assert len(parts) == 4
        for name, part in parts.items():
            assert part["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(archive.read(name)).hexdigest()}]
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["version"] == metadata(native_wheel)["Version"]


def test_metadata(native_wheel: Path) -> None:
    fields = metadata(native_wheel)
    assert fields["Name"] == "mtcnn-fast"
    assert fields["Requires-Python"] == ">=3.10"
    assert fields["License-Expression"] == "MIT"
    required = [line for line in fields.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert {re.match(r"[\w-]+", line)[0] for line in required} == {"click", "numpy", "pillow", "safetensors", "tqdm"}  # type: ignore[index]


def test_native_wheel_in_a_clean_environment(
    native_wheel: Path, clean_environment: Callable[[Path], Path], tmp_path: Path
) -> None:
    programs = clean_environment(native_wheel)
    report = smoke(programs, tmp_path)
    check_detection(report)
    assert report["native"] is True
    check_command_line(programs, tmp_path)


def test_pure_wheel_works_on_numpy_with_one_warning(
    pure_wheel: Path, clean_environment: Callable[[Path], Path], tmp_path: Path
) -> None:
    programs = clean_environment(pure_wheel)
    report = smoke(programs, tmp_path)
    check_detection(report)
    assert (report["native"], report["backend"]) == (False, "numpy")
    assert "mtcnn_fast._cpu is not part of this installation" in report["warnings"][0]
    check_command_line(programs, tmp_path)


def check_command_line(programs: Path, folder: Path) -> None:
    printed = run(programs / "mtcnn-fast", "detect", PHOTO, "--json", "--draw", "--out", folder / "out", cwd=folder)
    (entry,) = json.loads(printed)
    assert (entry["width"], entry["height"], entry["error"]) == (512, 512, None)
    assert len(entry["faces"]) == 1
    assert entry["faces"][0]["score"] > 0.99
    assert [path.stat().st_size > 0 for path in (folder / "out").glob("*astronaut*")] == [True]
    version = run(programs / "python", "-m", "mtcnn_fast", "info", cwd=folder)
    assert "numpy" in version
