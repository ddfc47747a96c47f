"""Which device string gives which backend, here and where parts of the package are missing."""

from __future__ import annotations

import logging
import subprocess
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

from mtcnn_fast import (
    BackendUnavailableError,
    ConfigError,
    Detector,
    DetectorConfig,
    _native,
    available_backends,
    backends,
)
from mtcnn_fast.weights import load_weights

WRONG = [
    "",
    "CPU",
    " cpu",
    "cpu:0",
    "gpu",
    "torch",
    "torch:cuda",
    "cuda:",
    "cuda:-1",
    "cuda:01",
    "cuda:x",
    "auto ",
    "cuda:0\n",
]
NAMES = ["numpy", "cpu", "torch:cpu", "cuda"]


@pytest.fixture
def native(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Replace what is known of the native module; forget it afterwards."""

    def replace(module: types.ModuleType | None, problem: str = "") -> None:
        monkeypatch.setattr(backends, "find_native", lambda: (module, problem))

    _native.warn_slow.cache_clear()
    yield replace
    _native.warn_slow.cache_clear()


@pytest.mark.parametrize(
    ("device", "kind", "index"),
    [
        ("auto", "auto", 0),
        ("numpy", "numpy", 0),
        ("cpu", "cpu", 0),
        ("torch:cpu", "torch:cpu", 0),
        ("cuda", "cuda", 0),
        ("cuda:0", "cuda", 0),
        ("cuda:12", "cuda", 12),
    ],
)
def test_devices_that_are_understood(device: str, kind: str, index: int) -> None:
    assert backends.parse_device(device) == (kind, index)


@pytest.mark.parametrize("device", [*WRONG, None, 0, b"cpu", ["cpu"]])
def test_other_devices_are_refused_with_those_accepted(device: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"^device must be one of auto, numpy, cpu, torch:cpu, cuda, cuda:N \(.*, got "
    ):
        Detector(device)


def test_everything_about_devices_follows_from_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(backends.BACKENDS) == NAMES
    for name, entry in backends.BACKENDS.items():
        assert entry.name == name in backends.DEVICES
        assert backends.batch_size(name) == entry.batch_size
        assert (f"{name}:N" in backends.DEVICES) == entry.numbered
        assert backends.parse_device(name) == (name, 0)
    ranks = [entry.rank for entry in backends.BACKENDS.values() if entry.rank is not None]
    assert sorted(ranks) == list(range(len(ranks)))
    # What ranks first and works is what "auto" takes.
    for name in ("torch:cpu", "numpy"):
        first = backends.Entry(name, lambda index: None, backends.BACKENDS["numpy"].make, rank=-1)
        monkeypatch.setitem(backends.BACKENDS, name, first)
        assert Detector().backend == "numpy"


def test_all_backends_are_listed() -> None:
    found = available_backends()
    assert list(found) == NAMES
    assert found["numpy"] is None
    assert all(why is None or len(why) > 20 for why in found.values())


@pytest.mark.parametrize("device", [*NAMES, "cuda:1"])
def test_device_works_or_says_why_not(device: str) -> None:
    kind, _ = backends.parse_device(device)
    why = available_backends()[kind]
    if why is None:
        assert Detector(device).backend in (device, f"{device}:0")
    else:
        with pytest.raises(BackendUnavailableError) as caught:
            Detector(device)
        assert str(caught.value) == f"device {device!r} is not available: {why}"


@pytest.mark.parametrize(
    ("precision", "needed"),
    [
        ("tf32", "torch:cpu or cuda"),
        ("float16", "torch:cpu or cuda"),
        ("bfloat16", "torch:cpu or cuda"),
        ("float16-filter", "cuda"),
    ],
)
@pytest.mark.parametrize("device", ["numpy", "cpu"])
def test_devices_with_one_precision_refuse_others(device: str, precision: Any, needed: str) -> None:
    if available_backends()[device] is not None:
        pytest.skip(f"device {device} is not available: {available_backends()[device]}")
    message = (
        f"precision must be 'float32' on the backend '{device}', got '{precision}', which needs the device {needed}"
    )
    with pytest.raises(ConfigError, match=f"^{message}$"):
        Detector(device, precision=precision)
    assert Detector(device, precision="float32").config.precision == "float32"


def test_devices_without_a_filter_refuse_it() -> None:
    with pytest.raises(ConfigError, match=r"^filter must be None on the backend 'numpy', got 'int8'; the device"):
        Detector("numpy", filter="int8")


def test_tensors_need_torch() -> None:
    with pytest.raises(BackendUnavailableError, match=r"^detect_tensor needs a detector on torch:cpu or cuda"):
        Detector("numpy").detect_tensor([])


def test_auto_takes_the_best_that_works() -> None:
    found = available_backends()
    best = next(name for name in ("cuda", "cpu", "numpy") if found[name] is None)
    detector = Detector()
    assert detector.device == "auto"
    assert detector.backend.split(":")[0] == best


def test_missing_native_module(native: Any, caplog: pytest.LogCaptureFixture) -> None:
    native(None, "the native module mtcnn_fast._cpu is not part of this installation")
    with caplog.at_level(logging.WARNING, "mtcnn_fast"):
        assert Detector().backend == "numpy"
        assert Detector("auto", min_face_size=30).backend == "numpy"
        assert Detector("numpy").backend == "numpy"
    assert [(record.name, record.levelname) for record in caplog.records] == [("mtcnn_fast", "WARNING")]
    text = caplog.records[0].getMessage()
    assert text.startswith("the native module mtcnn_fast._cpu is not part of this installation, so the slower numpy")
    assert "install a wheel" in text
    assert "C++20 compiler" in text
    with pytest.raises(BackendUnavailableError, match=r"^device 'cpu' is not available: the native.*C\+\+20 compiler$"):
        Detector("cpu")
    assert "install a wheel" in str(available_backends()["cpu"])


def test_numpy_that_was_asked_for_is_no_reason_to_warn(native: Any, caplog: pytest.LogCaptureFixture) -> None:
    native(None, "missing")
    Detector("numpy")
    assert caplog.records == []


def test_native_module_without_engine(native: Any) -> None:
    native(types.ModuleType("_cpu"))
    with pytest.raises(BackendUnavailableError, match="has no detection engine in this build"):
        Detector("cpu")
    assert Detector().backend == "numpy"


def test_native_module_with_engine(native: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    class NativeBackend:
        name = "cpu"

        def __init__(self, *arguments: object) -> None:
            made.append(arguments)

    module = types.ModuleType("_cpu")
    module.Engine = object  # type: ignore[attr-defined]
    native(module)
    stand_in = types.ModuleType("mtcnn_fast.backends.native")
    stand_in.NativeBackend = NativeBackend  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, stand_in.__name__, stand_in)
    weights = load_weights()
    assert available_backends()["cpu"] is None
    for device in ("cpu", "auto"):
        assert backends.create_backend(device, DetectorConfig(max_faces=2), weights).name == "cpu"
    assert made == [(DetectorConfig(max_faces=2), weights)] * 2


def test_native_module_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def refuse(name: str) -> None:
        looked.append(name)
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("importlib.import_module", refuse)
    _native.find_native.cache_clear()
    found = [_native.find_native() for _ in range(2)]
    monkeypatch.undo()
    _native.find_native.cache_clear()
    assert found == [(None, "the native module mtcnn_fast._cpu is not part of this installation")] * 2
    assert looked == ["mtcnn_fast._cpu"]


@pytest.mark.parametrize(
    ("preparation", "problem"),
    [
        ("sys.modules['mtcnn_fast._cpu'] = None", "is not part of this installation"),
        ("sys.meta_path.insert(0, Broken())", "cannot be loaded (undefined symbol: nothing)"),
    ],
)
def test_reason_why_the_native_module_is_not_there(preparation: str, problem: str) -> None:
    program = f"""
import sys
class Broken:
    def find_spec(self, name, path, target=None):
        if name == "mtcnn_fast._cpu":
            raise ImportError("undefined symbol: nothing")
{preparation}
from mtcnn_fast import Detector, _native
print(_native.find_native()[1])
print(_native.native_isas())
print(Detector().backend)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"the native module mtcnn_fast._cpu {problem}", "[]", "numpy"]
    # Without any logging set up, Python shows a warning on standard error.
    assert done.stderr.count("numpy backend") == 1


def test_native_isas(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("_cpu")
    monkeypatch.setattr(_native, "find_native", lambda: (module, ""))
    assert _native.native_isas() == []
    module.available_isas = lambda: ["avx2", "sse2"]  # type: ignore[attr-defined]
    assert _native.native_isas() == ["avx2", "sse2"]
