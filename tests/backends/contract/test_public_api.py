"""Every public method and argument of `Detector` and `Faces`, on every backend."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import io
import json
import multiprocessing
import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast import (
    BackendError,
    BackendUnavailableError,
    ConfigError,
    Detector,
    DetectorConfig,
    Faces,
    ImageError,
    MisuseError,
)
from mtcnn_fast._native import find_native
from mtcnn_fast.backends import BACKENDS, available_backends
from mtcnn_fast.config import FILTERS
from mtcnn_fast.faces.fates import fates_at, summary, verdict
from mtcnn_fast.faces.trace import STAGES, STEPS
from mtcnn_fast.weights import load_weights
from support.portrait import QUICK, portrait
from support.public_calls import covers, missing, own_gaps
from support.variants import parameters

pytestmark = pytest.mark.contract

DEVICES = [name for name, problem in available_backends().items() if problem is None]


@pytest.fixture(scope="module", params=parameters(DEVICES))
def device(request):
    return request.param


@pytest.fixture(scope="module")
def detector(device):
    with Detector(device, **QUICK) as made:
        yield made


@pytest.fixture(scope="module")
def faces(detector):
    found = detector.detect(portrait())
    assert len(found) == 1
    return found


def assert_same(ours, expected):
    """Assert that the faces are the same, within what libraries round by the shape of a batch."""
    assert len(ours) == len(expected)
    np.testing.assert_allclose(ours.boxes, expected.boxes, rtol=0, atol=0.5)
    np.testing.assert_allclose(ours.scores, expected.scores, rtol=0, atol=1e-5)


def fingerprint(found):
    """Return all that a trace holds, so that two may be compared."""
    return [(step.step, step.boxes.tolist(), step.scores.tolist(), step.dropped.boxes.tolist()) for step in found.trace]


def test_nothing_public_is_forgotten():
    assert missing(Detector) == []
    assert missing(Faces) == []
    assert list(own_gaps()) == []


def test_every_backend_is_in_the_table_that_these_tests_run_over():
    assert set(DEVICES) <= set(BACKENDS) == set(available_backends())


# --- Detector ---------------------------------------------------------------------------------------------------------


def with_orientation(orientation):
    """Return the portrait as a PIL image that says how it is to be turned."""
    picture = Image.fromarray(portrait())
    picture.getexif()[0x0112] = orientation
    return picture


@covers(Detector, "detect", "unknown")
@covers(Detector, "detect_batch", "unknown")
@covers(Detector, "detect_iter", "unknown")
def test_arguments_that_do_not_exist(detector):
    with pytest.raises(MisuseError, match=r"landmarks are always found: faces\.landmarks"):
        detector.detect(portrait(), landmarks=True)
    for method in (detector.detect_batch, detector.detect_iter):
        with pytest.raises(MisuseError, match=r"use color=\"bgr\""):
            method([portrait()], bgr=True)


@covers(Detector, "detect", "image", "color", "value_range", "layout", "exif")
def test_detect(detector, faces):
    bgr = portrait()[..., ::-1]
    assert detector.detect(image=bgr, color="bgr", value_range=None, layout="hwc") == faces
    assert detector.detect(portrait().transpose(2, 0, 1), layout="chw") == faces
    assert detector.detect(portrait().astype(np.float32) / 255, value_range=(0, 1)) == faces
    assert detector.detect(Image.fromarray(portrait())) == faces
    assert detector(image=portrait()) == detector(bgr, color="bgr") == faces
    assert detector.detect(with_orientation(6), exif=False) == faces
    assert detector.detect(with_orientation(6), exif=True) != faces
    with pytest.raises(ImageError, match="no-such-file"):
        detector.detect("no-such-file.jpg")


@covers(Detector, "detect", "profile", "trace")
@covers(Faces, "timings")
@covers(Faces, "trace")
def test_profile_and_trace(detector, faces):
    found = detector.detect(portrait(), profile=True, trace=True)
    assert found == faces
    assert set(found.timings) <= set(STAGES)
    assert sum(found.timings.values()) > 0
    assert [step.step for step in found.trace] == list(STEPS)
    assert sum(len(step.dropped.boxes) for step in found.trace) > 0
    assert faces.timings is faces.trace is None


@covers(Detector, "detect", "keep_image", "roi", "max_side", "rotations", "tiles", "tile_overlap")
def test_views(detector, faces):
    canvas = np.full((300, 500, 3), 90, np.uint8)
    canvas[60:172, 300:412] = portrait()[::-1, ::-1]
    found = detector.detect(
        canvas, roi=(290, 50, 500, 300), max_side=240, rotations=(0, 180), tiles=242, tile_overlap=121, keep_image=True
    )
    assert len(found) == 1
    turned = [412 - faces.boxes[0, 2], 172 - faces.boxes[0, 3], 412 - faces.boxes[0, 0], 172 - faces.boxes[0, 1]]
    np.testing.assert_allclose(found.boxes[0], turned, atol=6)
    assert abs(found[0].roll) > 160
    np.testing.assert_array_equal(found.image, canvas)
    assert len(detector.detect(canvas, roi=(0, 0, 290, 300), rotations=(0, 180))) == 0
    with pytest.raises(ConfigError, match="trace"):
        detector.detect(canvas, rotations=(180,), trace=True)


VIEWS = {"keep_image": True, "roi": (0, 0, 112, 112), "max_side": 112, "rotations": [0, 180], "tiles": 242}


@covers(Detector, "detect_batch", "on_error", "exif", "profile", "tile_overlap", *VIEWS)
@covers(Detector, "detect_iter", "exif", "profile", "tile_overlap", *VIEWS)
def test_views_of_batches(detector, faces, tmp_path):
    Image.fromarray(portrait()).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no image")
    more = {**VIEWS, "tile_overlap": 121, "exif": False, "profile": True}
    batch = detector.detect_batch(tmp_path, on_error="return", **more)
    stream = list(detector.detect_iter(images=tmp_path / "*.png", on_error="return", **more))
    expected = detector.detect(portrait(), **more)
    assert len(expected) == 1
    for found in (batch, stream):
        assert isinstance(found[1], ImageError)
        assert_same(found[0], expected)
        assert found[0].timings.keys() == expected.timings.keys()
        assert found[0].image.shape == (112, 112, 3)
    with pytest.raises(ImageError, match=r"^images\[1\]: "):
        detector.detect_batch(tmp_path)
    plain = detector.detect_batch([with_orientation(6)] * 2, exif=False, profile=True)
    for found in plain:
        assert_same(found, faces)
        assert sum(found.timings.values()) > 0


@covers(Detector, "adetect", "image", "options")
@covers(Detector, "adetect_iter", "images", "on_error", "options")
def test_asyncio(detector, faces):
    async def run():
        assert await detector.adetect(image=portrait(), exif=False) == faces
        stream = detector.adetect_iter(images=[portrait(), None], on_error="return", batch_size=1)
        return [found async for found in stream]

    found = asyncio.run(run())
    assert_same(found[0], faces)
    assert isinstance(found[1], ImageError)


@covers(Faces, "explain", "x", "y", "img", "color", "value_range", "layout", "exif")
def test_explain(detector):
    double = np.hstack([portrait(), portrait()[:, ::-1]])
    found = Detector.from_config(dataclasses.replace(detector.config, max_faces=1), detector.device).detect(
        double, trace=True
    )
    x, y = found.boxes[0].reshape(2, 2).mean(axis=0).tolist()
    assert verdict(fates_at(found, x, y)) == "a face is found there"
    planes = double[..., ::-1].transpose(2, 0, 1) / 255
    explained = found.explain(x=x, y=y, img=planes, color="bgr", value_range=(0, 1), layout="chw", exif=None)
    assert explained.verdict == "a face is found there"
    assert np.array_equal(explained.image, double)
    assert explained.settings.max_faces == 1
    # The other face is dropped for the limit alone, and the explanation names that.
    assert "dropped in step 'output': limit" in verdict(fates_at(found, double.shape[1] - x, y))
    assert sum(sum(step["dropped"].values()) for step in summary(found)) > 1


@covers(Detector, "detect_batch", "images", "batch_size", "progress", "color", "value_range", "layout")
def test_detect_batch(detector, faces, capsys):
    blank = np.zeros((40, 50, 3), np.uint8)
    found = detector.detect_batch(images=[portrait(), blank, portrait()], batch_size=2, progress=True)
    for ours, expected in zip(found, (faces, Faces.empty((50, 40)), faces), strict=True):
        assert_same(ours, expected)
    planes = np.stack([portrait()[..., ::-1].transpose(2, 0, 1)] * 2).astype(np.float64) / 255
    found = detector.detect_batch(planes, color="bgr", value_range=(0, 1), layout="chw")
    for ours in found:
        assert_same(ours, faces)
    assert detector.detect_batch([]) == []
    with pytest.raises(ImageError, match=r"^images\[1\]: "):
        detector.detect_batch([blank, "no-such-file.jpg"])
    with pytest.raises(ConfigError, match="batch_size"):
        detector.detect_batch([blank], batch_size=0)
    capsys.readouterr()


@covers(Detector, "detect_iter", "images", "batch_size", "on_error", "color", "value_range", "layout")
def test_detect_iter(detector, faces):
    stream = iter([portrait()[..., ::-1], "no-such-file.jpg", portrait()[..., ::-1]])
    found = list(
        detector.detect_iter(
            images=stream, batch_size=1, on_error="return", color="bgr", value_range=None, layout="hwc"
        )
    )
    assert isinstance(found[1], ImageError)
    assert found[0] == found[2] == faces
    failing = detector.detect_iter([portrait(), "no-such-file.jpg"], batch_size=1)
    assert next(failing) == faces
    with pytest.raises(ImageError, match=r"^images\[1\]: "):
        next(failing)
    with pytest.raises(ConfigError, match="on_error"):
        detector.detect_iter([], on_error="ignore")


@covers(Detector, "propose", "image", "color", "value_range", "layout", "exif")
@covers(Detector, "refine", "image", "boxes", "color", "value_range", "layout", "exif")
def test_propose_and_refine(detector, faces):
    planes = (portrait()[..., ::-1].transpose(2, 0, 1)).astype(np.float64) / 255
    meaning = {"color": "bgr", "value_range": (0, 1), "layout": "chw", "exif": None}
    boxes, scores = detector.propose(image=planes, **meaning)
    assert boxes.shape == (len(scores), 4)
    assert len(scores) > 1
    found = detector.refine(image=planes, boxes=boxes, **meaning)
    np.testing.assert_allclose(found.boxes, faces.boxes, atol=0.1)
    np.testing.assert_array_equal(detector.propose(with_orientation(6), exif=False)[0], detector.propose(portrait())[0])
    assert_same(detector.refine(with_orientation(6), boxes, exif=False), found)
    assert len(detector.refine(portrait(), [])) == 0
    assert len(detector.refine(portrait(), faces.boxes + 3)) == 1
    for wrong in ([[0, 0, 9, np.nan]], [[1, 2, 3]], "boxes"):
        with pytest.raises(ConfigError, match=r"boxes must be finite numbers of shape \(N, 4\)"):
            detector.refine(portrait(), wrong)


@covers(Detector, "detect_tensor", "images")
def test_detect_tensor(detector, device, faces):
    if device not in ("torch:cpu", "cuda"):
        with pytest.raises(BackendUnavailableError, match="needs a detector on torch:cpu or cuda"):
            detector.detect_tensor(images=[])
        return
    torch = pytest.importorskip("torch", reason="tensors need torch")
    batch = torch.from_numpy(portrait()[None].copy()).to(device.removeprefix("torch:"))
    found = detector.detect_tensor(images=batch)
    assert found.counts.tolist() == [1]
    np.testing.assert_allclose(found.boxes[0, 0].cpu().numpy(), faces.boxes[0], atol=1e-3)
    with pytest.raises(ImageError, match="uint8"):
        detector.detect_tensor([batch[0].float()])


@covers(Detector, "from_config", "config", "device", "weights")
@covers(Detector, "from_preset", "name", "device", "settings")
@covers(Detector, "config")
@covers(Detector, "device")
@covers(Detector, "backend")
@covers(Detector, "weights_name")
def test_ways_to_make_one(device, detector, faces):
    made = Detector.from_config(config=detector.config, device=device, weights=load_weights(None))
    assert made.detect(portrait()) == faces
    assert (detector.weights_name, made.weights_name) == ("zhang2016", load_weights(None).source)
    fast = Detector.from_preset(name="fast", device=device, max_faces=1)
    assert fast.config.max_faces == 1
    assert len(fast.detect(portrait())) == 1
    assert fast.device == device
    assert fast.backend.startswith(device)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(DetectorConfig)])
def test_every_setting_is_obeyed(device, detector, name):
    """A value at which the face is found, and one at which candidates differ or the setting is refused."""
    # Candidates have to leave the image for its border to matter.
    image = portrait()[:, 45:].copy() if name == "border" else portrait()
    usual = fingerprint(detector.detect(image, trace=True))
    double = np.hstack([portrait(), portrait()[:, ::-1]])
    same = {
        "min_face_size": 42, "max_face_size": 300.0, "thresholds": (0.6, 0.7, 0.7), "factor": 0.6,
        "nms_thresholds": (0.5, 0.7, 0.7, 0.7), "border": "zero", "max_faces": 1, "max_pixels": 112 * 112,
        "num_threads": 1, "precision": "float32", "filter": None,
    }  # fmt: skip
    other = {
        "min_face_size": 110, "max_face_size": 41.0, "thresholds": (0.6, 0.7, 1.0), "factor": 0.05,
        "nms_thresholds": (0.5, 0.7, 0.7, 1.0), "border": "clip", "max_faces": 2, "max_pixels": 112 * 112 - 1,
        "num_threads": 0, "precision": "float16", "filter": "int8",
    }  # fmt: skip
    assert len(Detector(device, **{**QUICK, name: same[name]}).detect(portrait())) == 1
    changed = {**QUICK, name: other[name]}
    accepted = {"precision": BACKENDS[device].precisions, "filter": BACKENDS[device].filters, "num_threads": ()}
    if name in accepted and other[name] not in accepted[name]:
        with pytest.raises(ConfigError, match=name):
            Detector(device, **changed)
        return
    altered = Detector(device, **changed)
    if name == "max_pixels":
        with pytest.raises(ImageError, match="pixels"):
            altered.detect(portrait())
    elif name == "max_faces":
        assert len(altered.detect(double)) == 2
    elif name == "filter":
        assert fingerprint(altered.detect(image, trace=True)) == usual
    else:
        assert fingerprint(altered.detect(image, trace=True)) != usual


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_leaves_every_result_or_is_refused(device, detector, name):
    """That by AMX is refused where the processor has no AMX."""
    here = name != "amx" or device != "cpu" or find_native()[0].has_tiles()
    if name not in BACKENDS[device].filters or not here:
        with pytest.raises(ConfigError, match=r"^filter must be .*None on .*, got "):
            Detector(device, **QUICK, filter=name)
        return
    found = Detector(device, **QUICK, filter=name).detect(portrait(), trace=True)
    assert fingerprint(found) == fingerprint(detector.detect(portrait(), trace=True))


@covers(Detector, "detect_video", "source", "stride", "start", "stop", "track", "fps", "timeout", "reconnect")
@covers(Detector, "detect_stream", "frames", "fps", "stride", "track", "color", "value_range", "layout")
@covers(Faces, "ids")
def test_moving_pictures(detector, faces, tmp_path):
    files = [tmp_path / f"{number}.png" for number in range(4)]
    for file in files:
        Image.fromarray(portrait()).save(file)
    seen = detector.detect_video(source=files, stride=2, start=0.0, stop=2.5, track=True, fps=1, timeout=1, reconnect=0)
    assert [(frame.index, frame.seconds, frame.faces.ids.tolist()) for frame in seen] == [(0, 0, [1]), (2, 2, [1])]
    planes = portrait()[..., ::-1].transpose(2, 0, 1).astype(np.float64) / 255
    stream = detector.detect_stream(
        frames=[planes] * 3, fps=10, stride=1, track=False, color="bgr", value_range=(0, 1), layout="chw"
    )
    for frame in stream:
        assert frame.faces == faces
        assert frame.faces.ids is None


@covers(Detector, "warmup")
@covers(Detector, "close")
def test_the_end(device, faces):
    with Detector(device, **QUICK) as short:
        short.warmup()
        assert short.detect(portrait()) == faces
        stream = short.detect_iter([portrait()] * 2, batch_size=1)
        next(stream)
    short.close()
    for use in (
        lambda: short.detect(portrait()),
        lambda: short(portrait()),
        lambda: asyncio.run(short.adetect(portrait())),
        lambda: short.adetect_iter([portrait()]),
        lambda: short.detect_batch([portrait()]),
        lambda: short.detect_iter([portrait()]),
        lambda: short.propose(portrait()),
        lambda: short.refine(portrait(), []),
        lambda: short.detect_stream([portrait()]),
        lambda: short.detect_tensor([]),
        short.warmup,
        lambda: next(stream),
    ):
        with pytest.raises(BackendError, match="closed"):
            use()


def test_copies_and_pickles(detector, faces):
    for again in (pickle.loads(pickle.dumps(detector)), copy.copy(detector), copy.deepcopy(detector)):
        assert again.config == detector.config
        assert again.detect(portrait()) == faces
        again.close()
    assert detector.detect(portrait()) == faces


def test_threads(detector, faces):
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: detector.detect(portrait()), range(8)):
            assert found == faces


def found_in_child(detector, queue):
    queue.put(detector.detect(portrait()))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child(device, faces):
    if device == "cuda":
        pytest.skip("CUDA itself cannot be used in a forked child")
    if device == "torch:cpu":
        pytest.importorskip("torch", reason="the device needs torch").set_num_threads(1)
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=found_in_child, args=(Detector(device, **QUICK), queue))
    child.start()
    found = queue.get()
    child.join()
    assert child.exitcode == 0
    assert found == faces


# --- Faces ------------------------------------------------------------------------------------------------------------


@covers(Faces, "boxes")
@covers(Faces, "scores")
@covers(Faces, "landmarks")
@covers(Faces, "image_size")
@covers(Faces, "xywh")
def test_arrays_of_a_result(faces):
    for name, shape in (("boxes", (1, 4)), ("scores", (1,)), ("landmarks", (1, 5, 2)), ("xywh", (1, 4))):
        array = getattr(faces, name)
        assert (array.shape, array.dtype) == (shape, np.float32)
    for array in (faces.boxes, faces.scores, faces.landmarks):
        assert not array.flags.writeable
    assert faces.image_size == (112, 112)
    assert pickle.loads(pickle.dumps(faces)) == copy.deepcopy(faces) == faces


@covers(Faces, "clip")
@covers(Faces, "scale", "sx", "sy")
@covers(Faces, "sort_by", "key")
@covers(Faces, "largest")
@covers(Faces, "concat", "parts")
@covers(Faces, "empty", "image_size")
def test_results_from_results(faces):
    wide = faces.scale(sx=2, sy=3)
    np.testing.assert_allclose(wide.boxes, faces.boxes * [2, 3, 2, 3], rtol=1e-6)
    assert faces.clip().boxes.min() >= 0
    for key in ("score", "size", "center"):
        assert faces.sort_by(key=key) == faces
    assert faces.largest() == faces[0]
    assert len(Faces.concat([faces, Faces.empty(faces.image_size)])) == 1


@pytest.mark.parametrize("method", ["crops", "align", "draw", "mask", "blur", "pixelate", "quality"])
def test_pictures_of_a_result(faces, method):
    own = {
        "crops": {"size": 32, "margin": 0.1},
        "align": {"size": 64, "template": "arcface"},
        "draw": {
            "style": "corners",
            "ids": range(len(faces)),
            "scores": False,
            "landmarks": False,
            "line_width": 2,
            "font_size": 9,
        },
        "mask": {"fill": (1, 2, 3)},
        "blur": {"strength": 0.2},
        "pixelate": {"cells": 4},
        "quality": {},
    }[method]
    planes = portrait()[..., ::-1].transpose(2, 0, 1).astype(np.float64) / 255
    meaning = {"color": "bgr", "value_range": (0, 1), "layout": "chw", "exif": None}

    @covers(Faces, method, "img", "color", "value_range", "layout", "exif", *own)
    def run():
        made = getattr(faces, method)(img=planes, **own, **meaning)
        expected = getattr(faces, method)(portrait(), **own)
        stored = getattr(faces, method)(with_orientation(3), **own, exif=False)
        if method != "quality":
            np.testing.assert_array_equal(np.asarray(stored), np.asarray(expected))
        if method == "quality":
            assert made.keys() == expected.keys()
            for name, values in made.items():
                np.testing.assert_allclose(values, expected[name])
        else:
            np.testing.assert_array_equal(np.asarray(made), np.asarray(expected))

    run()


for _method, _arguments in {
    "crops": ("size", "margin"),
    "align": ("size", "template"),
    "draw": ("style", "ids", "scores", "landmarks", "line_width", "font_size"),
    "mask": ("fill",),
    "blur": ("strength",),
    "pixelate": ("cells",),
    "quality": (),
}.items():
    covers(Faces, _method, "img", "color", "value_range", "layout", "exif", *_arguments)


@covers(Faces, "to_dict")
@covers(Faces, "to_json", "indent")
@covers(Faces, "from_dict", "record")
@covers(Faces, "from_json", "text")
def test_texts_of_a_result(faces):
    assert Faces.from_json(text=faces.to_json(indent=2)) == faces
    assert Faces.from_dict(record=json.loads(json.dumps(faces.to_dict()))) == faces


@covers(Faces, "image")
@covers(Faces, "save", "path", "image", "form")
@covers(Faces, "load", "path", "form", "image_size")
def test_files_of_a_result(faces, tmp_path):
    faces.save(path=tmp_path / "faces.json", image="a.jpg", form="json")
    again = Faces.load(path=tmp_path / "faces.json", form="json", image_size=None)
    np.testing.assert_allclose(again.boxes, faces.boxes, rtol=1e-6)


@pytest.mark.parametrize("method", ["to_pandas", "to_polars", "to_arrow", "to_supervision"])
def test_tables_of_a_result(faces, method):
    package = {"to_pandas": "pandas", "to_polars": "polars", "to_arrow": "pyarrow", "to_supervision": "supervision"}
    pytest.importorskip(package[method], reason=f"{method} needs {package[method]}")
    arguments = {} if method == "to_supervision" else {"image": "a.jpg"}
    assert len(getattr(faces, method)(**arguments)) == 1


for _method in ("to_pandas", "to_polars", "to_arrow"):
    covers(Faces, _method, "image")
covers(Faces, "to_supervision")


# --- The watcher itself -----------------------------------------------------------------------------------------------


def test_a_forgotten_method_or_argument_is_named():
    class Thing:
        def used(self, first, second=2):
            return first + second

        def unused(self):
            return io

        @property
        def value(self):
            return 1

    @covers(Thing, "used", "first")
    def test():
        Thing().used(1)

    @covers(Thing, "used", "first")
    def slack():
        Thing()

    test()
    with pytest.raises(AssertionError, match=r"the test does not call used with \['first'\]"):
        slack()
    assert missing(Thing) == ["unused", "used(second)", "value"]
