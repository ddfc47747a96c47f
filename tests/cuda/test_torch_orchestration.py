"""The cascade that runs on CUDA, with the real kernels on the emulated device and torch's networks on the CPU."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mtcnn_fast.backends.numpy.backend import NumpyBackend
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.weights import load_weights
from support.cascade_cases import ROOM, assert_close

torch = pytest.importorskip("torch", reason="the torch backend needs torch")

from mtcnn_fast.backends.cascade.capacities import usual_capacities  # noqa: E402
from mtcnn_fast.backends.cascade.plan import make_plan  # noqa: E402
from mtcnn_fast.backends.cascade.run import Cascade  # noqa: E402
from mtcnn_fast.backends.cascade.steps import Capacities  # noqa: E402
from support.emulated_torch import EmulatedTorchBackend, accepting_host_memory  # noqa: E402

pytestmark = pytest.mark.torch

SETTINGS = {"min_face_size": 30.0}


def record(work):
    """Stand for a CUDA Graph: what it does again writes to the memory of its first result."""
    faces = work()

    def replay():
        again = work()
        for field in dataclasses.fields(faces):
            getattr(faces, field.name).copy_(getattr(again, field.name))

    return faces, replay


@pytest.fixture
def make(plain_device):
    """Make a backend whose steps between the networks run on the emulated device."""

    def make(room=ROOM, *, weights=load_weights(None), fused=False, **options):  # noqa: B008
        own = {name: options.pop(name) for name in ("download_counts", "graphs") if name in options}
        config = DetectorConfig(**{**SETTINGS, **options})
        usual = room if callable(room) else lambda plan: room
        networks = "fused" if fused else "torch"
        return EmulatedTorchBackend(plain_device, config, weights, usual=usual, record=record, networks=networks, **own)

    with accepting_host_memory(plain_device):
        yield make


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("border", ["zero", "clip"])
@pytest.mark.parametrize("download_counts", [False, True])
def test_faces_are_those_of_numpy(make, images, border, download_counts, fused):
    backend = make(border=border, download_counts=download_counts, fused=fused)
    reference = NumpyBackend(DetectorConfig(border=border, **SETTINGS), load_weights(None)).detect(images)
    assert sum(map(len, reference)) >= 2
    for ours, expected in zip(backend.detect(images), reference, strict=True):
        assert_close(ours, expected)


def test_boxes_coded_as_centre_and_size(make, images):
    weights = dataclasses.replace(load_weights(None), box_coding="rcnn")
    config = DetectorConfig(thresholds=(0.6, 0.3, 0.3), **SETTINGS)
    reference = NumpyBackend(config, weights).detect(images[:1])
    ours = make(weights=weights, thresholds=(0.6, 0.3, 0.3)).detect(images[:1])
    assert_close(ours[0], reference[0])


@pytest.mark.parametrize(
    "small",
    [{"proposals": 8}, {"rnet": 2}, {"onet": 1}, {"faces": 1}],
    ids=["proposals", "rnet", "onet", "faces"],
)
@pytest.mark.parametrize("download_counts", [False, True])
def test_a_list_that_is_too_short_is_made_longer_and_nothing_is_lost(make, images, caplog, small, download_counts):
    """Whichever it is; with downloaded counts, by one more run."""
    caplog.set_level("INFO", logger="mtcnn_fast")
    expected = make(download_counts=download_counts).detect(images)
    assert caplog.messages == []
    backend = make(dataclasses.replace(ROOM, **small), download_counts=download_counts)
    found = backend.detect(images)
    tries = [message for message in caplog.messages if "too short" in message]
    assert len(tries) == 1 if download_counts else 1 <= len(tries) <= 4
    for ours, reference in zip(found, expected, strict=True):
        assert_close(ours, reference)
    # The batch that follows is given what this one wanted.
    backend.detect(images)
    assert [message for message in caplog.messages if "too short" in message] == tries


@pytest.mark.parametrize("fused", [False, True])
def test_all_lists_too_short_are_made_longer_at_once(make, images, caplog, fused):
    caplog.set_level("INFO", logger="mtcnn_fast")
    images = images[:1] if fused else images
    expected = make(fused=fused).detect(images)
    found = make(Capacities(1, 1, 1, 1), fused=fused).detect(images)
    assert len(caplog.messages) == 1
    for ours, reference in zip(found, expected, strict=True):
        assert_close(ours, reference)


def test_the_tensor_result_reports_the_overflow(make, images):
    tensors = [torch.from_numpy(image.copy()) for image in images]
    assert int(make().detect_tensor(tensors).overflow) == 0
    for name, index in (("proposals", 0), ("rnet", 1), ("onet", 2), ("faces", 3)):
        short = make(dataclasses.replace(ROOM, **{name: 1})).detect_tensor(tensors)
        assert int(short.overflow) != 0
        assert int(short.wanted[index]) > 1


def test_tensors_in_any_layout_are_used_where_they_are(make, images):
    backend = make()
    (expected,) = backend.detect(images[:1])
    planes = torch.from_numpy(np.ascontiguousarray(images[0].transpose(2, 0, 1)))
    wide = torch.zeros(100, 120, 3, dtype=torch.uint8)
    wide[:, 7:107] = torch.from_numpy(images[0].copy())
    for tensor in (torch.from_numpy(images[0].copy()), planes, wide[:, 7:107]):
        faces = backend.detect_tensor([tensor])
        count = int(faces.counts[0])
        np.testing.assert_allclose(faces.boxes[0, :count].numpy(), expected.boxes, atol=0.01)
        assert not faces.boxes[0, count:].any()


def test_a_batch_equals_its_images(make, images):
    backend = make()
    alone = [backend.detect([image])[0] for image in images]
    for ours, expected in zip(backend.detect(images[::-1]), alone[::-1], strict=True):
        assert_close(ours, expected)


def test_results_of_the_fused_networks_do_not_depend_on_the_batch(make, images):
    """To the bit: all sums have one order."""
    backend = make(fused=True)
    for step in (backend.propose, lambda batch: [(f.boxes, f.scores, f.landmarks) for f in backend.detect(batch)]):
        alone = [step([image])[0] for image in images]
        assert any(len(part[0]) for part in alone)
        for found, expected in zip(step(images), alone, strict=True):
            for ours, theirs in zip(found, expected, strict=True):
                np.testing.assert_array_equal(ours, theirs)


#: P-Net 1, proposals 3, suppressions 4 x 3, R-Net and O-Net 2 x 2, gatherings 5, filters 2 x 3, packing 1.
LAUNCHES = 32


def test_launches_of_a_detection_do_not_grow_with_the_batch(make, images, plain_device):
    backend = make(Capacities(4096, 1024, 256, 64), fused=True)
    for batch in (images[:1], images):
        plain_device.launches()
        backend.detect(batch)
        assert len(plain_device.launches()) == LAUNCHES


@pytest.mark.parametrize("count", [1, 16, 64])
@pytest.mark.parametrize("size", [(480, 640), (1080, 1920)], ids=["640x480", "1920x1080"])
def test_launches_of_large_batches(make, plain_device, count, size):
    """Counted and not run, on lists of the usual lengths: 60 at most, and blocks for what there is."""
    backend = make(usual_capacities, fused=True)
    plan = make_plan([size] * count, backend._config)
    room = backend._capacities.choose(plan)
    with plain_device.counting_only():
        backend.detect_tensor([torch.zeros(*size, 3, dtype=torch.uint8)] * count)
        launches = plain_device.launches()
    assert len(launches) <= 60
    cells = sum(rows * columns for rows, columns in (plan.groups[level.group].cells for level in plan.levels))
    # Tiles of 512 cells, most of them full, and chunks of 1,024, twice; a block a crop and for eight; lists in blocks
    # of 256 and more, a few times; segments.
    networks = 2 * cells / 512 + 2 * cells / 1024 + (room.rnet + room.onet) * (1 + 1 / 8)
    lists = 5 * (room.proposals + room.rnet + room.onet) / 256
    assert sum(launches) <= networks + lists + 10 * (len(plan.levels) + count)


@pytest.mark.parametrize("fused", [False, True])
def test_propose_and_refine(make, images, fused):
    backend = make(fused=fused)
    (boxes, scores), *_ = backend.propose(images)
    assert len(boxes) == len(scores) > 0
    (ours,) = backend.refine(images[:1], [boxes])
    assert_close(ours, backend.detect(images[:1])[0])


def test_more_sizes_of_levels_than_a_launch_takes(make, images):
    settings = {"factor": 0.99, "min_face_size": 12}
    backend = make(dataclasses.replace(ROOM, proposals=16384, rnet=2048, onet=256), **settings)
    assert len(make_plan([(100, 170)], backend._config).groups) > 128
    (reference,) = NumpyBackend(DetectorConfig(**settings), load_weights(None)).detect(images[1:2])
    assert len(reference) > 0
    assert_close(backend.detect(images[1:2])[0], reference)


@pytest.mark.parametrize("fused", [False, pytest.param(True, marks=pytest.mark.long)])
def test_recordings_give_the_same_and_the_oldest_goes(make, images, fused):
    backend, plain = make(graphs=2, fused=fused), make(fused=fused)
    other = images[0][::-1, ::-1].copy()
    mirrored = images[0][:, ::-1].copy()
    for batch in ([images[0]], [mirrored], [other], [images[1]], [images[2]], [images[0]], [images[1], images[0]]):
        for ours, expected in zip(backend.detect(batch), plain.detect(batch), strict=True):
            assert_close(ours, expected)
        assert 1 <= len(backend.recordings) <= 2
    assert backend.recordings == [((100, 100),), ((100, 170), (100, 100))]


def test_the_filter_gives_the_bits_of_float32_in_recordings_too(make, images):
    expected = make(fused=True).detect(images)
    backend = make(fused=True, precision="float16-filter", graphs=2)
    assert backend.detect(images) == expected
    assert backend.detect(images[::-1]) == expected[::-1]
    assert backend.detect(images) == expected


def test_a_recording_with_too_little_room_is_made_again(make, images):
    expected = make().detect(images[:2])
    backend = make(dataclasses.replace(ROOM, rnet=8), graphs=4)
    for _ in range(2):
        for ours, reference in zip(backend.detect(images[:2]), expected, strict=True):
            assert_close(ours, reference)
    assert backend._capacities.choose(make_plan([(100, 100)], backend._config)).rnet > 8
    # A flag that an earlier detection raised does not stay up.
    assert all(len(faces) == 0 for faces in backend.detect([np.zeros_like(image) for image in images[:2]]))
    assert len(backend.recordings) > 1


def test_profile_and_trace_go_without_a_recording(make, images):
    backend = make(graphs=1)
    assert backend.detect(images[:1], profile=True)[0].timings
    assert backend.detect(images[:1], trace=True)[0].trace
    assert len(backend.recordings) == 0
    backend.detect(images[:1])
    backend.close()
    assert backend.recordings == []


def test_recordings_go_when_memory_runs_out(make, images, monkeypatch):
    backend = make(graphs=3)
    backend.detect(images[3:])
    detect = Cascade.detect

    def short_of_memory(cascade, batch, *arguments):
        if len(batch.plan.sizes) > 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return detect(cascade, batch, *arguments)

    monkeypatch.setattr(Cascade, "detect", short_of_memory)
    assert [len(faces) for faces in backend.detect(images[2:])] == [0, 0]
    assert backend.recordings == [((40, 50),), ((5, 5),)]


def test_recordings_are_refused_with_counts(make):
    with pytest.raises(ConfigError, match="graphs must be 0 on torch:cpu and with download_counts, got 1 on torch:cpu"):
        make(graphs=1, download_counts=True)
