"""Inputs of batches, images that end their process, and what the results must be."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mtcnn_fast import Detector, ImageError
from mtcnn_fast.distributed import finish, verify
from mtcnn_fast.images import load_image
from support.portrait import QUICK, portrait

#: The first bytes of a file that ends the process which decodes it, as a faulty decoder would, under `poisoned_path`.
POISON = b"POISON segment\n"

#: Those of a file whose decoding lasts until `let_go`: a process that has reached it cannot have ended before a test
#: does something to it, however slow the test is.
HELD = b"HELD segment\n"

#: Settings of the batches in these tests.
SETTINGS: dict[str, Any] = {"device": "cpu", **QUICK}

#: What the interpreter runs first: a decoder of Pillow that ends its process, or waits for a file beside it.
_FAULTY_DECODER = f"""
import os, signal, time
from PIL import Image

def accept(prefix):
    if prefix.startswith({POISON[:15]!r}):
        os.kill(os.getpid(), signal.SIGSEGV)
    while prefix.startswith({HELD!r}) and not os.path.exists(os.path.join(os.path.dirname(__file__), "go")):
        time.sleep(0.01)
    return False

Image.register_open("POISON", None, accept)
"""


def picture(number: int) -> bytes:
    """Return a file with a face, each another one: the portrait at a place of its own, as PNG or JPEG."""
    canvas = np.zeros((120 + number % 7, 130 + number % 11, 3), np.uint8)
    canvas[number % 8 :, number % 13 :][:112, :112] = portrait()
    file = io.BytesIO()
    Image.fromarray(canvas).save(file, "PNG" if number % 3 else "JPEG")
    return file.getvalue()


def album(
    folder: Path,
    count: int,
    *,
    poison: tuple[int, ...] = (),
    damaged: tuple[int, ...] = (),
    held: tuple[int, ...] = (),
) -> Path:
    """Make a folder with images, some of which are damaged, end their process or hold it up."""
    folder.mkdir(parents=True)
    other = {**dict.fromkeys(poison, POISON), **dict.fromkeys(damaged, b"no image"), **dict.fromkeys(held, HELD)}
    for number in range(count):
        (folder / f"{number:04d}.jpg").write_bytes(other.get(number) or picture(number))
    return folder


def make_tar(path: Path, count: int) -> Path:
    """Make a tar of images, with a label beside each."""
    with tarfile.open(path, "w") as tar:
        for number in range(count):
            for name, data in ((f"{number:04d}.cls", b"1"), (f"{number:04d}.png", picture(number))):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    return path


def poisoned_path(folder: Path) -> str:
    """Return a value of PYTHONPATH under which `POISON` ends the process that decodes it, and `HELD` holds it up."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(_FAULTY_DECODER)
    return os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))


def let_go(folder: Path) -> None:
    """Let the decoding of `HELD` go on, now and later, under the path that `poisoned_path` made of this folder."""
    (folder / "go").touch()


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "mtcnn_fast", "batch", *map(str, arguments)]


def batch(*arguments: object, ending: int = 0, timeout: float = 300, **environment: str) -> str:
    """Run ``mtcnn-fast batch``, expect an exit code, and return what it prints, both streams together."""
    done = subprocess.run(
        command(*arguments),
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == ending, done.stdout
    return done.stdout


def result(out: str | Path) -> list[dict[str, Any]]:
    """Return all rows of a batch, in the order of the plan, without their seconds."""
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = []
    for path in sorted((Path(out) / "data").glob("part-*.parquet")):
        rows += pq.ParquetFile(path).read().drop_columns(["seconds", "settings"]).to_pylist()
    return rows


def expected(paths: list[Path]) -> list[dict[str, Any]]:
    """Return the rows that one process computes, without batches or shards."""
    rows = []
    with Detector(**SETTINGS, num_threads=1) as detector:
        for path in paths:
            row: dict[str, Any] = dict.fromkeys(("width", "height", "boxes", "scores", "landmarks", "error"))
            data = path.read_bytes()
            if data.startswith(POISON):
                row["error"] = "worker died (signal 11)"
            else:
                try:
                    faces = detector.detect(load_image(data))
                except ImageError as error:
                    row["error"] = str(error)
                else:
                    row["width"], row["height"] = faces.image_size
                    row |= {name: getattr(faces, name).tolist() for name in ("boxes", "scores", "landmarks")}
            rows.append({"path": str(path), **row})
    return rows


def check(out: Path, photos: Path) -> None:
    """Demand one row for each file of a folder, equal to what one process computes."""
    found = verify(out)
    assert found.problems == []
    assert found.rows == found.inputs == len(list(photos.iterdir()))
    assert result(out) == expected(sorted(photos.iterdir()))
    assert finish(out)["rows"] == found.rows
    assert list((out / "attempts").iterdir()) == []
    assert [path for path in out.rglob("*") if "partial" in path.name] == []
