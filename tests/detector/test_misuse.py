"""Names that other detectors have: errors say what takes their place, and nothing that asks for attributes breaks."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from mtcnn_fast import Detector, Face, Faces, ImageError, MisuseError, MtcnnFastError
from mtcnn_fast.migration import ARGUMENTS, DETECTOR, FACE, FACES, SETTINGS
from support.data import PHOTO

FOUND = Faces(np.array([[1, 2, 30, 40]]), np.array([0.9]), np.full((1, 5, 2), 7.0), (100, 80))


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector("numpy")


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_of_other_detectors(name: str) -> None:
    with pytest.raises(MisuseError, match=rf"^Detector has no setting '{name}'; ") as caught:
        Detector("numpy", **{name: 1})
    assert str(caught.value).endswith(SETTINGS[name])
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, MtcnnFastError)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_of_other_detectors(detector: Detector, name: str) -> None:
    own = inspect.signature(detector.detect_batch).parameters
    for call in (detector, detector.detect, detector.detect_batch, detector.detect_iter):
        method = "detect" if call in (detector, detector.detect) else call.__name__
        if method == "detect" or name not in own:
            with pytest.raises(MisuseError) as caught:
                call([], **{name: 1} if name != "trace" else {"trase": 1})  # type: ignore[operator]
            if name != "trace":
                assert str(caught.value) == f"{method} has no argument {name!r}; {ARGUMENTS[name]}"
    with pytest.raises(MisuseError, match=r"^detect has no argument 'rotation'; did you mean rotations\?$"):
        detector.detect([], rotation=90)
    with pytest.raises(MisuseError, match=r"^detect_batch has no argument 'x'; there are on_error, color, .*progress$"):
        detector.detect_batch([], x=90)


def test_other_settings_that_do_not_exist() -> None:
    with pytest.raises(MisuseError, match=r"no setting 'min_face'; did you mean min_face_size\?$"):
        Detector("numpy", min_face=3)
    with pytest.raises(MisuseError, match=r"no setting 'colour_of_hair'; there are device, min_face_size, .*"):
        Detector.from_preset("fast", "numpy", colour_of_hair=3)


@pytest.mark.parametrize(("owner", "names"), [("detector", DETECTOR), ("faces", FACES), ("face", FACE)])
def test_attributes_of_other_detectors(detector: Detector, owner: str, names: dict[str, str]) -> None:
    thing = {"detector": detector, "faces": FOUND, "face": FOUND[0]}[owner]
    for name, advice in names.items():
        assert not hasattr(thing, name)
        with pytest.raises(AttributeError) as caught:
            getattr(thing, name)
        assert str(caught.value) == f"{type(thing).__name__!r} object has no attribute {name!r}; {advice}"
    with pytest.raises(AttributeError, match=r"no attribute '_nothing'$"):
        _ = thing._nothing  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"no attribute 'zzz'$"):
        _ = thing.zzz  # type: ignore[attr-defined]


def test_slips_of_the_pen(detector: Detector) -> None:
    with pytest.raises(AttributeError, match=r"'Detector' object has no attribute 'detec'; did you mean detect\?$"):
        _ = detector.detec  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"'Faces' object has no attribute 'landmark'; did you mean landmarks\?$"):
        _ = FOUND.landmark  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "advice", [*SETTINGS.values(), *ARGUMENTS.values(), *DETECTOR.values(), *FACES.values(), *FACE.values()]
)
def test_advice_names_what_exists(advice: str) -> None:
    if advice.startswith("use "):
        name = re.findall(r"\w+", advice)[1]
        places: list[Any] = [Detector, Faces, Face, *inspect.signature(Detector).parameters, "color"]
        assert any(name == place or hasattr(place, name) for place in places), advice
    for owner, kind in (("faces.", Faces), ("detector.", Detector)):
        for part in advice.split(owner)[1:]:
            name = part.split("(")[0].split(" ")[0].split(";")[0].rstrip(",")
            assert hasattr(kind, name), advice


def test_what_is_called_and_not_unpacked(detector: Detector) -> None:
    assert len(detector(PHOTO)) == len(detector.detect(PHOTO)) == 1
    for item in ("box", 0):
        with pytest.raises(MisuseError, match=rf"^a Face has attributes, not items, got \[{item!r}\]; use face\.box"):
            FOUND[0][item]  # type: ignore[index]
    with pytest.raises(MisuseError, match=r"face\.box is x1, y1, x2, y2, face\.score a number, face\.landmarks"):
        _, _ = FOUND[0]  # type: ignore[misc]


def test_pickles_and_copies_ask_for_attributes(detector: Detector) -> None:
    for duplicate in (copy.copy, copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))):
        assert duplicate(detector).config == detector.config
        assert duplicate(FOUND) == FOUND
        assert duplicate(FOUND[0]) == FOUND[0]
    # Made without its constructor, as pickle does: no endless search for what is not there yet.
    assert not hasattr(Detector.__new__(Detector), "_config")


@pytest.mark.parametrize("shape", [(1, 2**24 + 1, 3), (2**24 + 1, 1, 3)])
def test_sides_that_float32_cannot_count(detector: Detector, shape: tuple[int, ...]) -> None:
    image = np.zeros(shape, np.uint8)
    message = rf"image must have at most 16777216 pixels a side, got {shape[1]} x {shape[0]} pixels$"
    for run in (detector.detect, detector.propose, lambda image: detector.refine(image, [[0, 0, 9, 9]])):
        with pytest.raises(ImageError, match=f"^{message}"):
            run(image)
    with pytest.raises(ImageError, match=rf"^images\[1\]: {message}"):
        detector.detect_batch([image[:9, :9], image])


@pytest.mark.slow
def test_lists_of_files_where_no_thread_can_start() -> None:
    """After the main thread has ended, in `atexit`, and where the system has no more threads."""
    program = f"""
import atexit, threading, time
from mtcnn_fast import Detector
detector = Detector("numpy", min_face_size=60, num_threads=2)
files = [{str(PHOTO)!r}] * 2
expected = [detector.detect(files[0])] * 2
def check(where):
    assert detector.detect_batch(files) == expected
    assert list(detector.detect_iter(iter(files))) == expected
    print(where, flush=True)
def late():
    threading.main_thread().join()
    time.sleep(0.2)
    check("after the main thread")
def refuse(thread):
    raise RuntimeError("can't start new thread")
start = threading.Thread.start
threading.Thread.start = refuse
check("without threads")
threading.Thread.start = start
atexit.register(check, "at exit")
threading.Thread(target=late).start()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["without threads", "after the main thread", "at exit"]
