"""The filters before all three networks: their numbers, and the faces that they leave as they are."""

from __future__ import annotations

import dataclasses
import functools
import pickle
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays
from PIL import Image
from safetensors.numpy import save_file

from mtcnn_fast import ConfigError, Detector, ops
from mtcnn_fast._native import find_native
from mtcnn_fast.backends.native import engine_with, filter_margins, filter_with
from mtcnn_fast.backends.numpy.nets import ONet, RNet
from mtcnn_fast.config import FILTERS, DetectorConfig
from mtcnn_fast.config import WEIGHTS as PACKAGED
from mtcnn_fast.faces.trace import REASONS, STEPS
from mtcnn_fast.weights import NETWORKS, int8, load_weights
from mtcnn_fast.weights.margins import bfloat16_margins, pnet_bfloat16_margin
from support.data import shared
from support.golden import read_image
from support.int8_network import difference
from support.native_names import compares
from support.portrait import portrait
from support.variants import THREADS, engine

WEIGHTS = load_weights(None)
MEASURED = int8.calibration(WEIGHTS)

#: Each filter, and each of its networks.
FILTERED = [("int8", "rnet"), ("amx", "rnet"), ("amx", "onet")]


def has_amx() -> bool:
    return find_native()[0].has_tiles()


@pytest.fixture(params=FILTERS)
def name(request) -> str:
    """Each filter that this machine has."""
    if request.param == "amx" and not has_amx():
        pytest.skip("this processor, or the build, has no AMX")
    return request.param


@pytest.fixture(params=FILTERED, ids="-".join)
def filtered(request) -> tuple[str, str]:
    """Each filter that this machine has, and a network that it is before."""
    if request.param[0] == "amx" and not has_amx():
        pytest.skip("this processor, or the build, has no AMX")
    return request.param


def with_margin(name: str, config: DetectorConfig, isa: str, margin: float, network: str | None = None):
    """Make an engine whose filter has this margin, or that before one network while others drop nothing."""
    margins = {each: margin if network in (None, each) else 1e6 for each in filter_margins(name, WEIGHTS)}
    return engine_with(config, WEIGHTS, filter_with(name, WEIGHTS, margins), isa=isa)


@functools.cache
def backend(isa: str, **settings):
    return engine(isa, DetectorConfig(**settings))


def same_trace(faces, expected) -> bool:
    """Tell whether faces, and the candidates at every step, are equal to the bit."""
    return faces == expected and all(
        np.array_equal(getattr(mine, name), getattr(theirs, name), equal_nan=True)
        for ours, other in zip(faces.trace, expected.trace, strict=True)
        for mine, theirs in ((ours, other), (ours.dropped, other.dropped))
        for name in ("boxes", "scores")
    )


@compares("_cpu.Engine.filter_differences")
def test_every_instruction_set_has_the_bits_of_numpy(isa, photo, mixed):
    """In both borders, and also where proposals are less like faces than any threshold of a user's."""
    layers, head = int8.quantise(WEIGHTS.rnet, MEASURED.ranges), int8.head(WEIGHTS.rnet)
    for config in (DetectorConfig(thresholds=(0.1, 0.7, 0.7)), DetectorConfig(border="clip", min_face_size=12)):
        made = with_margin("int8", config, isa, 0.0)
        images = [photo, *mixed[:4]]
        found = made.filter_differences(images, "rnet", 2)
        assert sum(len(rough) for _, rough in found) > 300
        for image, (boxes, _), (exact, rough) in zip(images, made.propose(images, 1), found, strict=True):
            crops, valid = ops.crop_pad_resize(image, boxes, RNet.size, config.border)
            assert valid.all()
            assert len(exact) == len(rough) == len(crops)
            if not len(crops):
                continue
            np.testing.assert_array_equal(rough, difference(layers, head, crops))
            scores, _ = RNet(WEIGHTS.rnet)(crops)
            np.testing.assert_allclose(1 / (1 + np.exp(-exact.astype(np.float64))), scores, atol=1e-5)
            assert (exact - rough).max() <= MEASURED.greatest


def test_no_differences_without_a_filter(isa, photo):
    for made, network in (backend(isa), "rnet"), (backend(isa, filter="int8"), "onet"):
        with pytest.raises(ValueError, match=f"without a filter before {network}"):
            made._engine.filter_differences([photo], network, 1)
    with pytest.raises(ValueError, match="network must be 'rnet' or 'onet', got 'pnet'"):
        backend(isa, filter="int8")._engine.filter_differences([photo], "pnet", 1)


@pytest.mark.parametrize("border", ["zero", "clip"])
@pytest.mark.parametrize("threads", THREADS)
def test_faces_candidates_and_batches_are_the_same(name, isa, border, threads, mixed):
    """Also the scores of the windows that the filter drops, where a trace shows them."""
    settings = {"border": border, "min_face_size": 16, "num_threads": threads}
    expected = backend(isa, **settings).detect(mixed, trace=True)
    filtered = backend(isa, filter=name, **settings)
    for found, one in zip(filtered.detect(mixed, trace=True), expected, strict=True):
        assert same_trace(found, one)
    assert filtered.detect(mixed) == [dataclasses.replace(one, trace=None) for one in expected]
    assert sum(map(len, expected)) > 8


def colours(seed: int, height: int, width: int, side: int):
    """Squares of the eight colours without shades: R-Net's maps then have values that no photograph gives them."""
    corners = np.random.default_rng(seed).integers(0, 2, (height // side + 1, width // side + 1, 3))
    squares = (255 * corners).astype(np.uint8).repeat(side, 0).repeat(side, 1)
    return np.ascontiguousarray(squares[:height, :width])


@st.composite
def pictures(draw):
    """Noise of any contrast, or squares of colours, with faces of any size pasted in, some over the border."""
    height, width = draw(st.tuples(st.integers(12, 140), st.integers(12, 140)))
    if draw(st.booleans()):
        seed, side = draw(st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 8)))
        canvas = Image.fromarray(colours(seed, height, width, side))
    else:
        image = draw(arrays.arrays(np.uint8, (height // 4 + 1, width // 4 + 1, 3)))
        canvas = Image.fromarray(image).resize((width, height))
    for _ in range(draw(st.integers(0, 3))):
        side = draw(st.integers(20, 120))
        face = Image.fromarray(portrait()).resize((side, side)).rotate(draw(st.sampled_from((0, 0, 15, 180))))
        canvas.paste(face, (draw(st.integers(-30, width)), draw(st.integers(-30, height))))
    return np.asarray(canvas)


def test_on_any_image_and_threshold(name, isa):
    @settings(max_examples=60, deadline=None)
    @given(
        pictures(),
        st.sampled_from(("zero", "clip")),
        st.sampled_from(((0.6, 0.7, 0.7), (0.3, 0.9, 0.5), (0.5, 0.0, 0.0), (0.6, 1.0, 0.1), (0.2, 0.05, 0.3))),
        st.sampled_from(THREADS),
    )
    def check(image, border, thresholds, threads):
        of = {"border": border, "thresholds": thresholds, "min_face_size": 14, "num_threads": threads}
        (expected,) = backend(isa, **of).detect([image], trace=True)
        (found,) = backend(isa, filter=name, **of).detect([image], trace=True)
        assert same_trace(found, expected)
        assert backend(isa, filter=name, **of).detect([image]) == backend(isa, **of).detect([image])

    check()


@pytest.mark.parametrize("side", [1, 2, 4])
@pytest.mark.parametrize("border", ["zero", "clip"])
def test_a_window_beyond_what_was_measured_is_not_dropped(isa, border, side):
    """The margin says nothing of it: without this, two thirds of what R-Net keeps of such pictures were lost."""
    image = colours(1, 300, 400, side)
    of = {"border": border, "thresholds": (0.3, 0.7, 0.7)}
    (expected,) = backend(isa, **of).detect([image], trace=True)
    assert len(expected.trace[STEPS.index("rnet")].boxes) > 1
    (found,) = backend(isa, filter="int8", **of).detect([image], trace=True)
    assert same_trace(found, expected)
    ((exact, rough),) = with_margin("int8", DetectorConfig(**of), isa, 0.0).filter_differences([image], "rnet", 1)
    assert 0.1 < np.isinf(rough).mean() < 1
    assert (exact - rough).max() <= MEASURED.margin


def test_the_margin_decides(filtered, isa, photo):
    """One that is far below 0 drops every window, and a trace shows each; boxes of the caller's go by the filter."""
    name, network = filtered
    config = DetectorConfig()
    dropping = with_margin(name, config, isa, -1e6, network)
    expected = backend(isa).detect([photo], trace=True)[0]
    assert len(expected) == 1
    boxes, scores, landmarks, _, steps = dropping.detect([photo], 1, False, True)[0]
    assert len(boxes) == len(scores) == len(landmarks) == 0
    after, found = expected.trace[STEPS.index(network)], steps[STEPS.index(network)]
    assert len(found[0]) == 0
    every = np.concatenate([after.boxes, after.dropped.boxes])
    np.testing.assert_array_equal(np.sort(found[2], axis=0), np.sort(every, axis=0))
    np.testing.assert_array_equal(np.sort(found[3]), np.sort(np.concatenate([after.scores, after.dropped.scores])))
    assert {REASONS[reason] for reason in found[4]} == {"threshold"}
    refined = dropping.refine([photo], [expected.boxes], 1)[0]
    np.testing.assert_array_equal(refined[0], backend(isa).refine([photo], [expected.boxes])[0].boxes)
    assert len(refined[0]) == 1


def proposals(isa: str, config: DetectorConfig, images, pnet_margin: float | None):
    return engine_with(config, WEIGHTS, None, isa=isa, pnet_margin=pnet_margin).propose(images, 2)


def test_the_margin_before_pnet_decides(isa, photo, mixed):
    """Far below 0 it skips all, far above it skips nothing; what it keeps has the bits that it has without."""
    if not has_amx():
        pytest.skip("this processor, or the build, has no AMX")
    config = DetectorConfig(min_face_size=14)
    images = [photo, *mixed]
    expected = proposals(isa, config, images, None)
    assert sum(len(boxes) for boxes, _ in expected) > 500
    for margin in (1e9, pnet_bfloat16_margin(WEIGHTS)):
        for found, one in zip(proposals(isa, config, images, margin), expected, strict=True):
            assert all(map(np.array_equal, found, one))
    assert all(len(boxes) == 0 for boxes, _ in proposals(isa, config, images, -1e9))
    # In between some are lost. Suppression then may keep others, which are among those of a threshold alone.
    fewer = proposals(isa, config, images, -1.0)
    assert 0 < sum(len(boxes) for boxes, _ in fewer) < sum(len(boxes) for boxes, _ in expected)


def test_many_windows_are_dropped(filtered, isa, photo):
    """More of P-Net's proposals than of what R-Net leaves, here at a low threshold."""
    name, network = filtered
    config = DetectorConfig() if network == "rnet" else DetectorConfig(thresholds=(0.6, 0.1, 0.7))
    ((exact, rough),) = with_margin(name, config, isa, 0.0).filter_differences([photo], network, 1)
    floor = np.log(0.7 / 0.3) - filter_margins(name, WEIGHTS)[network]
    assert (rough < floor).mean() > 0.6
    assert (exact[rough < floor] < np.log(0.7 / 0.3)).all()


def test_onet_in_bfloat16_is_near_numpy_on_its_windows(isa, photo, mixed):
    if not has_amx():
        pytest.skip("this processor, or the build, has no AMX")
    margin = filter_margins("amx", WEIGHTS)["onet"]
    for config in (DetectorConfig(thresholds=(0.6, 0.1, 0.7)), DetectorConfig(border="clip", min_face_size=12)):
        made = with_margin("amx", config, isa, 0.0)
        images = [photo, *mixed[:4]]
        traced = engine(isa, config).detect(images, trace=True)
        found = made.filter_differences(images, "onet", 2)
        assert sum(len(rough) for _, rough in found) > 20
        for image, faces, (exact, rough) in zip(images, traced, found, strict=True):
            boxes = faces.trace[STEPS.index("refinement")].boxes
            assert len(exact) == len(rough) == len(boxes)
            if not len(boxes):
                continue
            scores, *_ = ONet(WEIGHTS.onet)(ops.crop_pad_resize(image, boxes, ONet.size, config.border)[0])
            np.testing.assert_allclose(1 / (1 + np.exp(-exact.astype(np.float64))), scores, atol=1e-5)
            assert 0 < np.abs(exact - rough).max() < margin


def test_a_detector_with_a_filter_travels(name, photo):
    detector = Detector("cpu", filter=name, min_face_size=30, num_threads=1)
    copy = pickle.loads(pickle.dumps(detector))
    assert copy.config == detector.config
    assert copy.config.filter == name
    assert copy.detect(photo) == detector.detect(photo) == Detector("cpu", min_face_size=30).detect(photo)


def test_weights_without_a_margin_are_refused(name, tmp_path):
    """The package's own are known in whatever file they are."""
    joined = {f"{n}.{name}": value for n in NETWORKS for name, value in getattr(WEIGHTS, f"{n}net").items()}
    facts = {"network": "pro", "format_version": "1", "box_coding": WEIGHTS.box_coding}
    same, other = tmp_path / "same.safetensors", tmp_path / "other.safetensors"
    save_file(joined, same, metadata=facts)
    assert Detector("cpu", weights=same, filter=name).config.filter == name
    save_file({**joined, "r.conv1.bias": joined["r.conv1.bias"] + np.float32(1)}, other, metadata=facts)
    with pytest.raises(ConfigError, match=rf"^filter '{name}' needs a margin .*other\.safetensors.*use filter=None"):
        Detector("cpu", weights=other, filter=name)
    Detector("cpu", weights=other)


def test_the_margin_is_twice_what_was_seen():
    assert MEASURED.margin == pytest.approx(2 * MEASURED.greatest, rel=1e-3)
    assert MEASURED.windows > 100_000


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from((0.0, 1e-3, 1.0, 50.0)), st.booleans())
def test_any_weights_fit_16_bits(seed, spread, dead):
    """Whatever the weights, also all zero or of one size, and whatever the ranges, also empty ones."""
    random = np.random.default_rng(seed)
    rnet = {name: (spread * random.standard_normal(t.shape)).astype(np.float32) for name, t in WEIGHTS.rnet.items()}
    ranges = {name: of * np.float32(0 if dead else 1) for name, of in MEASURED.ranges.items()}
    for layer in int8.quantise(rnet, ranges):
        assert int8._pairs(layer.weights.astype(np.float64)).max() <= int8.MOST
        assert all(np.isfinite(array).all() for array in layer.arrays())
    weights = dataclasses.replace(WEIGHTS, rnet=rnet)
    engine_with(DetectorConfig(), weights, filter_with("int8", weights, {"rnet": 1.0}, ranges))


@pytest.mark.parametrize("network", NETWORKS)
def test_other_weights_have_no_margin_for_amx(network):
    """Whichever network is another one; also where there is no AMX, which a detector names first."""
    tensors = getattr(WEIGHTS, f"{network}net")
    other = {f"{network}net": {**tensors, "conv1.bias": tensors["conv1.bias"] + np.float32(1)}}
    with pytest.raises(ConfigError, match=r"^filter 'amx' needs a margin that was measured for the weights"):
        bfloat16_margins(dataclasses.replace(WEIGHTS, **other))
    if network == "p":
        with pytest.raises(ConfigError, match=r"^filter 'amx' needs a margin that was measured for the weights"):
            pnet_bfloat16_margin(dataclasses.replace(WEIGHTS, **other))


@pytest.mark.parametrize("weights", PACKAGED)
def test_the_package_s_weights_have_margins_for_amx(weights):
    """Each has an O-Net of its own, and hence a margin of its own."""
    margins = bfloat16_margins(load_weights(weights))
    assert 0 < margins["rnet"] < 2
    assert 0 < margins["onet"] < 2


def test_amx_is_refused_where_it_is_not():
    if has_amx():
        pytest.skip("this processor has AMX")
    with pytest.raises(ConfigError, match=r"^filter must be 'int8' or None on this machine, got 'amx', which needs"):
        Detector("cpu", filter="amx")
    with pytest.raises(ValueError, match="needs AMX"):
        engine_with(DetectorConfig(), WEIGHTS, {"rnet": 1.0, "onet": 1.0})
    with pytest.raises(ValueError, match="needs AMX"):
        engine_with(DetectorConfig(), WEIGHTS, None, pnet_margin=1.0)


@pytest.mark.golden
def test_photographs(name):
    """Every tenth photograph of WIDER FACE and FDDB: no face is lost or has another bit."""
    folder = shared("wider/WIDER_val/images")
    paths = sorted(Path(folder).rglob("*.jpg"))[::10] + sorted(Path(shared("fddb/images")).rglob("*.jpg"))[::10]
    plain, filtered = (Detector("cpu", filter=each) for each in (None, name))
    images = [read_image(path) for path in paths]
    assert filtered.detect_batch(images) == plain.detect_batch(images)
