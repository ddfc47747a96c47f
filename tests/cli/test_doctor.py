"""``mtcnn-fast doctor`` names what is wrong; environments are broken on purpose."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mtcnn_fast import BackendError, diagnosis
from mtcnn_fast._native import find_native
from mtcnn_fast.diagnosis import Finding, diagnose
from support.cli import run


def problems(found: list[Finding]) -> dict[str, str]:
    return {each.subject: f"{each.text} -> {each.remedy}" for each in found if each.state == "problem"}


@pytest.fixture
def sound(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without faults, whatever this machine's are."""
    monkeypatch.setattr(diagnosis, "_available_memory", lambda: 10**10)
    monkeypatch.setattr(diagnosis.shutil, "disk_usage", lambda folder: types.SimpleNamespace(free=10**12))
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if "mtcnn" not in entry])
    for name in ("MTCNN_FAST_ISA", "MTCNN_FAST_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_a_sound_environment(sound: pytest.MonkeyPatch) -> None:
    if find_native()[0] is None:
        pytest.skip("the native module is not built here")
    found = diagnose()
    assert problems(found) == {}
    assert {"device cpu", "device numpy", "weights", "native engine", "disk"} <= {each.subject for each in found}
    text = run("doctor").stdout
    assert "ok       device cpu: it finds a drawn face" in text
    assert "PROBLEM" not in text
    assert json.loads(run("doctor", "--json").stdout)[0]["state"] in ("ok", "note")


def no_module(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(
        diagnosis, "find_native", lambda: (None, "the native module mtcnn_fast._cpu cannot be loaded (x)")
    )


def switched_off(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    reason = "the native module mtcnn_fast._cpu is switched off by MTCNN_FAST_DISABLE_NATIVE"
    monkeypatch.setattr(diagnosis, "find_native", lambda: (None, reason))


def no_weights(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr("mtcnn_fast.weights.loader.SHIPPED", folder)


def old_package(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(diagnosis, "_requirements", lambda: ["numpy>=99.1", "tqdm>=4.60", "unknown-thing>=1"])


def broken_package(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(diagnosis, "_requirements", lambda: ["pillow>=1"])
    monkeypatch.setitem(sys.modules, "PIL.Image", None)


def two_copies(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "mtcnn_fast").mkdir()
    (folder / "mtcnn_fast" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(folder)


def mixed_versions(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.0.1" if name == "mtcnn-fast" else "99")


def wrong_isa(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(diagnosis, "native_isas", lambda: ["avx2", "sse2"])
    monkeypatch.setenv("MTCNN_FAST_ISA", "avx9")


def wrong_threads(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("MTCNN_FAST_NUM_THREADS", "many")


def too_many_threads(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("MTCNN_FAST_NUM_THREADS", "64")
    monkeypatch.setattr(diagnosis, "usable_processors", lambda: 2)


def full_disk(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(diagnosis.shutil, "disk_usage", lambda folder: types.SimpleNamespace(free=5_000_000))


def no_memory(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(diagnosis, "_available_memory", lambda: 50_000_000)


def ascii_names(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "ascii")


def broken_extra(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "half_a_package.py").write_text("import nothing_of_this_name")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(diagnosis, "EXTRAS", {"heif": (("half_a_package",), "HEIC images")})


def wrong_results(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    from mtcnn_fast.backends.native import NativeBackend

    detect = NativeBackend.detect

    def wrong(self: Any, images: Any, **options: Any) -> Any:
        return [faces[:0] for faces in detect(self, images, **options)]

    monkeypatch.setattr(NativeBackend, "detect", wrong)


def failing(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    def examine() -> list[Finding]:
        raise BackendError("the device is lost")

    monkeypatch.setattr(diagnosis, "EXAMINATIONS", (examine,))


FAULTS: list[tuple[Callable[[pytest.MonkeyPatch, Path], None], str, str]] = [
    (no_module, "native engine", "cannot be loaded (x): detections are many times slower -> install a wheel"),
    (switched_off, "native engine", "-> unset MTCNN_FAST_DISABLE_NATIVE"),
    (no_weights, "weights", "-> pip install --force-reinstall mtcnn-fast"),
    (old_package, "numpy", "99.1 or newer is needed -> pip install 'numpy>=99.1'"),
    (old_package, "unknown-thing", "it is missing, 1 or newer is needed"),
    (broken_package, "pillow", "cannot be imported"),
    (two_copies, "installation", "but there is another copy"),
    (mixed_versions, "installation", "files of two versions are mixed"),
    (wrong_isa, "MTCNN_FAST_ISA", "it asks for 'avx9', this processor has avx2, sse2"),
    (wrong_threads, "MTCNN_FAST_NUM_THREADS", "'many'"),
    (too_many_threads, "MTCNN_FAST_NUM_THREADS", "it asks for 64 threads, this process may use 2 processors"),
    (full_disk, "disk", "has 5 MB left -> make room, or set TMPDIR"),
    (no_memory, "memory", "50 MB are available"),
    (ascii_names, "file names", "they are read as ascii"),
    (broken_extra, "extra heif", "half_a_package is installed but cannot be imported"),
    (wrong_results, "device cpu", "it finds 0 faces in the drawing of one, numpy finds 1"),
    (failing, "examine", "the examination failed (BackendError: the device is lost)"),
]


@pytest.mark.parametrize(("harm", "subject", "text"), FAULTS, ids=lambda value: getattr(value, "__name__", None))
def test_faults(
    harm: Callable[[pytest.MonkeyPatch, Path], None],
    subject: str,
    text: str,
    sound: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    if harm is wrong_results and find_native()[0] is None:
        pytest.skip("the native module is not built here")
    harm(sound, tmp_path)
    found = problems(diagnose())
    assert text in found[subject]
    assert "PROBLEM" in run("doctor", ending=1).stdout


def test_missing_extras_are_notes(sound: pytest.MonkeyPatch) -> None:
    sound.setattr(diagnosis, "EXTRAS", {"ray": (("no_package_of_this_name",), "batches on a cluster")})
    (note,) = [each for each in diagnose() if each.subject == "extra ray"]
    assert (note.state, note.remedy) == ("note", "pip install 'mtcnn-fast[ray]'")


def test_a_real_broken_environment(tmp_path: Path) -> None:
    """Pillow is replaced by a file that cannot be imported, the engine is switched off."""
    (tmp_path / "PIL.py").write_text("raise ImportError('libjpeg.so.62: cannot open shared object file')")
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")])),
        "MTCNN_FAST_DISABLE_NATIVE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "mtcnn_fast", "doctor"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "libjpeg.so.62" in done.stdout
    assert "unset MTCNN_FAST_DISABLE_NATIVE" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
