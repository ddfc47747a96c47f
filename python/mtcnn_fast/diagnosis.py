"""`diagnose`: examine the environment that the package runs in."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from mtcnn_fast._native import find_native, native_isas, threads_from_environment, usable_processors
from mtcnn_fast._types import Image
from mtcnn_fast._version import __version__
from mtcnn_fast.backends import BACKENDS
from mtcnn_fast.config import WEIGHTS
from mtcnn_fast.errors import ConfigError, WeightsError

State = Literal["ok", "note", "problem"]

#: Variables that change what the engine does.
ISA_VARIABLE = "MTCNN_FAST_ISA"

#: What cannot be done without the packages of an extra.
EXTRAS = {
    "torch": (("torch",), "device torch:cpu, and precisions other than float32 on cuda"),
    "heif": (("pillow_heif",), "HEIC images"),
    "eval": (("h5py", "matplotlib", "scipy"), "evaluation"),
    "video": (("av",), "videos"),
    "serve": (("fastapi", "prometheus_client", "python_multipart", "uvicorn"), "service over HTTP"),
    "recognition": (("onnxruntime", "scipy"), "embeddings and groups of people"),
    "batch": (("fsspec", "pyarrow"), "batches"),
    "ray": (("ray",), "batches on a cluster"),
}

#: Free bytes below which a folder for temporary files is a problem.
_ROOM = 100_000_000
#: Free memory below which larger images fail.
_MEMORY = 250_000_000


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was examined.

    Attributes
    ----------
    subject : str
        What was examined.
    state : {"ok", "note", "problem"}
        A note is no fault; a problem makes something fail, or makes it slow.
    text : str
        What was found.
    remedy : str
        How to mend it; empty where nothing is to be done.
    """

    subject: str
    state: State
    text: str
    remedy: str = ""


def diagnose() -> list[Finding]:
    """Examine installation, packages, native engine, weights, devices, variables and machine.

    Returns
    -------
    list of Finding
        In the order in which one would look; an examination that itself fails is a problem, not an exception.
    """
    findings: list[Finding] = []
    for examine in EXAMINATIONS:
        try:
            findings += examine()
        # In a broken environment anything may be raised; the others are examined all the same.
        except Exception as error:
            name = examine.__name__.strip("_").replace("_", " ")
            findings.append(Finding(name, "problem", f"the examination failed ({type(error).__name__}: {error})"))
    return findings


def _installation() -> Iterator[Finding]:
    folder = Path(__file__).resolve().parent
    copies = {
        (Path(entry or ".") / "mtcnn_fast").resolve()
        for entry in sys.path
        if (Path(entry or ".") / "mtcnn_fast" / "__init__.py").is_file()
    }
    others = sorted(str(copy) for copy in copies - {folder})
    if others:
        yield Finding(
            "installation",
            "problem",
            f"{folder} is used, but there is another copy: {', '.join(others)}",
            "uninstall one, or start Python from another folder",
        )
    try:
        installed = importlib.metadata.version("mtcnn-fast")
    except importlib.metadata.PackageNotFoundError:
        yield Finding("installation", "note", f"{__version__} is used from its sources, {folder}")
        return
    if installed != __version__:
        yield Finding(
            "installation",
            "problem",
            f"the code is {__version__}, its installation says {installed}: files of two versions are mixed",
            "pip install --force-reinstall mtcnn-fast",
        )
    else:
        yield Finding("installation", "ok", f"mtcnn-fast {__version__} in {folder}, Python {sys.version.split()[0]}")


def _packages() -> Iterator[Finding]:
    for requirement in _requirements():
        match = re.match(r"([A-Za-z0-9._-]+)\s*>=\s*([0-9.]+)", requirement)
        if match is None:
            continue
        name, least = match.groups()
        how = f"pip install '{name}>={least}'"
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, "problem", f"it is missing, {least} or newer is needed", how)
            continue
        if _numbers(version) < _numbers(least):
            yield Finding(name, "problem", f"it is {version}, {least} or newer is needed", how)
            continue
        problem = _import_problem({"pillow": "PIL.Image"}.get(name.lower(), name.lower()))
        if problem:
            yield Finding(
                name, "problem", f"{version} cannot be imported ({problem})", f"pip install --force-reinstall {name}"
            )
        else:
            yield Finding(name, "ok", version)


def _requirements() -> list[str]:
    """Return what the installation asks for; without one, what the package imports, in any version."""
    try:
        declared = importlib.metadata.requires("mtcnn-fast") or []
    except importlib.metadata.PackageNotFoundError:
        declared = [f"{name}>=0" for name in ("numpy", "pillow", "safetensors", "click", "tqdm")]
    return [text for text in declared if "extra ==" not in text]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("+")[0])[:3])


def _import_problem(module: str) -> str:
    """Import a module; return why it cannot be, or nothing."""
    try:
        importlib.import_module(module)
    # A package whose files are mixed or whose libraries are missing may raise anything.
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _engine() -> Iterator[Finding]:
    module, problem = find_native()
    if module is None:
        remedy = "unset MTCNN_FAST_DISABLE_NATIVE" if "DISABLE_NATIVE" in problem else (
            "install a wheel made for this platform: pip install --force-reinstall --only-binary :all: mtcnn-fast"
        )  # fmt: skip
        yield Finding("native engine", "problem", f"{problem}: detections are many times slower", remedy)
        return
    isas = native_isas()
    forced = os.environ.get(ISA_VARIABLE)
    if forced and forced not in isas:
        yield Finding(
            ISA_VARIABLE,
            "problem",
            f"it asks for {forced!r}, this processor has {', '.join(isas)}",
            f"unset {ISA_VARIABLE}, or name one of them",
        )
    elif forced and isas and forced != isas[0]:
        yield Finding(ISA_VARIABLE, "note", f"{forced} is forced, {isas[0]} would be faster")
    yield Finding("native engine", "ok", f"instruction sets {', '.join(isas) or 'none'}")


def _threads() -> Iterator[Finding]:
    try:
        asked = threads_from_environment()
    except ConfigError as error:
        yield Finding("MTCNN_FAST_NUM_THREADS", "problem", str(error), "unset it, or set a number from 1 to 1024")
        return
    usable, there = usable_processors(), os.cpu_count() or 1
    if asked is not None and asked > usable:
        yield Finding(
            "MTCNN_FAST_NUM_THREADS",
            "problem",
            f"it asks for {asked} threads, this process may use {usable} processors: threads wait for one another",
            "unset it",
        )
    elif usable < there:
        yield Finding(
            "processors", "note", f"this process may use {usable} of {there} (affinity, or a limit of its group)"
        )
    else:
        yield Finding("processors", "ok", str(usable))


def _weights() -> Iterator[Finding]:
    from mtcnn_fast.weights import load_weights

    try:
        weights = [load_weights(name) for name in WEIGHTS]
    except WeightsError as error:
        yield Finding("weights", "problem", str(error), "pip install --force-reinstall mtcnn-fast")
        return
    yield Finding("weights", "ok", f"{', '.join(WEIGHTS)} in {weights[0].source}")


def _detection() -> Iterator[Finding]:
    """Detect a drawn face with each device that works, and compare with numpy, the specification."""
    import numpy as np

    from mtcnn_fast.detector import Detector

    image = _drawn_face()
    results = {}
    for name, entry in BACKENDS.items():
        problem = entry.problem(0)
        if problem is None:
            with Detector(name) as detector:
                results[name] = detector.detect(image)
        elif name != "cpu":  # the native engine has been examined
            yield Finding(f"device {name}", "note", f"it cannot be used: {problem}")
    right = results["numpy"]
    for name, faces in results.items():
        if len(faces) == len(right) == 1 and np.allclose(faces.boxes, right.boxes, atol=0.5):
            yield Finding(f"device {name}", "ok", "it finds a drawn face")
        else:
            yield Finding(
                f"device {name}",
                "problem",
                f"it finds {len(faces)} faces in the drawing of one, numpy finds {len(right)}: files of two versions "
                "are mixed, or the machine computes wrongly",
                "pip install --force-reinstall mtcnn-fast",
            )


def _drawn_face() -> Image:
    """Draw a face of ellipses, 46 pixels wide, in an image of 96 by 96."""
    import numpy as np

    rows, columns = np.mgrid[0:96, 0:96]
    image = np.full((96, 96, 3), 90, np.uint8)
    # Centre x and y, half axes x and y, colour: the head, two eyes, nose and mouth.
    for x, y, wide, high, color in (
        (48, 48, 26, 34, (215, 170, 140)),
        (38, 40, 5, 3, (40, 30, 30)),
        (58, 40, 5, 3, (40, 30, 30)),
        (48, 53, 3, 6, (180, 130, 105)),
        (48, 65, 9, 3, (150, 60, 60)),
    ):
        image[((columns - x) / wide) ** 2 + ((rows - y) / high) ** 2 < 1] = color
    return image


def _machine() -> Iterator[Finding]:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if free < _ROOM:
        yield Finding("disk", "problem", f"{folder} has {free / 1e6:.0f} MB left", "make room, or set TMPDIR")
    else:
        yield Finding("disk", "ok", f"{free / 1e9:.0f} GB left in {folder}")
    available = _available_memory()
    if available is not None and available < _MEMORY:
        yield Finding(
            "memory",
            "problem",
            f"{available / 1e6:.0f} MB are available; an image of 100 megapixels needs 300 MB by itself",
            "end other programs, raise the limit of the container, or set max_pixels",
        )
    elif available is not None:
        yield Finding("memory", "ok", f"{available / 1e9:.1f} GB available")
    encoding = sys.getfilesystemencoding()
    if encoding.lower().replace("-", "") != "utf8":
        yield Finding(
            "file names", "problem", f"they are read as {encoding}: names with other characters cannot be opened",
            "set PYTHONUTF8=1, or LANG to a UTF-8 locale",
        )  # fmt: skip


def _available_memory() -> int | None:
    """Return the bytes that may still be taken, by the machine and by the control group; None where unknown."""
    known = []
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        known.append(int(re.findall(r"MemAvailable:\s+(\d+) kB", text)[0]) * 1024)
        limit, used = (Path(f"/sys/fs/cgroup/memory.{name}").read_text(encoding="ascii") for name in ("max", "current"))
        if limit.strip() != "max":
            known.append(int(limit) - int(used))
    except (OSError, IndexError, ValueError):
        pass
    return min(known, default=None)


def _extras() -> Iterator[Finding]:
    for extra, (modules, purpose) in EXTRAS.items():
        subject = f"extra {extra}"
        missing = [module for module in modules if importlib.util.find_spec(module) is None]
        if missing:
            detail = f"no {purpose} without {', '.join(missing)}"
            yield Finding(subject, "note", detail, f"pip install 'mtcnn-fast[{extra}]'")
            continue
        problems = {module: problem for module in modules if (problem := _import_problem(module))}
        for module, problem in problems.items():
            yield Finding(subject, "problem", f"{module} is installed but cannot be imported ({problem})",
                          f"pip install --force-reinstall 'mtcnn-fast[{extra}]'")  # fmt: skip
        if not problems:
            yield Finding(subject, "ok", purpose)


EXAMINATIONS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _installation,
    _packages,
    _engine,
    _threads,
    _weights,
    _detection,
    _machine,
    _extras,
)
