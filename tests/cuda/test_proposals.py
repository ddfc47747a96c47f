"""`proposals` against numpy: cells above the threshold, in order, as boxes of the unscaled image."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtcnn_fast.backends.numpy import steps as numpy_steps
from support.cuda_ops import Proposals, propose
from support.native_names import compares

CHECK = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def make_maps(shapes, seed):
    """Scores and offsets for groups of equally large levels: (slots, rows, columns) each."""
    rng = np.random.default_rng(seed)
    maps = []
    for slots, rows, columns in shapes:
        scores = rng.random((slots, rows, columns), np.float32)
        scores[rng.random(scores.shape) < 0.05] = np.nan
        scores[rng.random(scores.shape) < 0.05] = np.float32(0.6)
        maps.append((scores, rng.normal(size=(slots, 4, rows, columns)).astype(np.float32)))
    return maps


def make_levels(shapes):
    """Every slot of every group once, as the scales of two images in turn."""
    levels = []
    for i, (slots, rows, columns) in enumerate(shapes):
        for slot in range(slots):
            scale = 0.6 * 0.709 ** (len(levels) % 20)
            levels.append((i, slot, rows, columns, slot % 2, len(levels), float(np.float32(scale))))
    return levels


def expected(maps, levels, threshold):
    parts = []
    for index, slot, _, _, image, segment, scale in levels:
        scores, offsets = maps[index][0][slot], maps[index][1][slot]
        rows, columns = np.nonzero(scores >= np.float32(threshold))
        count = len(rows)
        parts.append(
            (
                numpy_steps.map_cells(rows, columns, scale),
                scores[rows, columns],
                offsets[:, rows, columns].T,
                np.full(count, segment, np.int32),
                np.full(count, image, np.int32),
            )
        )
    return Proposals(*map(np.concatenate, zip(*parts, strict=True)), selected=sum(len(part[1]) for part in parts))


def assert_same(ours, reference, count=None):
    for name in Proposals._fields[:-1]:
        np.testing.assert_array_equal(getattr(ours, name), getattr(reference, name)[:count], err_msg=name)


@CHECK
@given(
    shapes=st.lists(st.tuples(st.integers(1, 2), st.integers(1, 50), st.integers(1, 50)), min_size=1, max_size=3),
    threshold=st.sampled_from([0.0, 0.6, 0.95]),
    seed=st.integers(0, 2**32),
)
def test_equals_numpy(device, shapes, threshold, seed):
    device.seed(seed)
    maps, levels = make_maps(shapes, seed), make_levels(shapes)
    reference = expected(maps, levels, threshold)
    ours = propose(device, maps, levels, threshold, capacity=max(1, len(reference.scores)))
    assert_same(ours, reference)
    assert ours.selected == reference.selected


@pytest.mark.parametrize("capacity", [0, 1, 37, 1000])
def test_too_many_keeps_the_first_and_counts_them_all(device, capacity):
    shapes = [(1, 40, 60)]
    maps, levels = make_maps(shapes, 3), make_levels(shapes)
    reference = expected(maps, levels, 0.5)
    assert len(reference.scores) > 1000
    ours = propose(device, maps, levels, 0.5, capacity)
    assert ours.selected == reference.selected
    assert_same(ours, reference, capacity)


@compares(
    "_cuda.ProposalMap",
    "_cuda.ProposalLevel",
    "_cuda.ProposalTable",
    "_cuda.proposals_workspace_size",
    "_cuda.proposals",
    "_cuda.MAX_MAPS",
)
def test_exactly_full(device):
    shapes = [(2, 30, 40)]
    maps, levels = make_maps(shapes, 4), make_levels(shapes)
    reference = expected(maps, levels, 0.5)
    ours = propose(device, maps, levels, 0.5, len(reference.scores))
    assert ours.selected == len(ours.scores) == len(reference.scores)
    assert_same(ours, reference)


def test_nothing_above_the_threshold(device):
    maps = [(np.zeros((1, 9, 9), np.float32), np.zeros((1, 4, 9, 9), np.float32))]
    ours = propose(device, maps, [(0, 0, 9, 9, 0, 0, 0.5)], 0.6, capacity=10)
    assert len(ours.boxes) == 0
    assert ours.selected == 0


def test_no_levels(device):
    ours = propose(device, [], [], 0.6, capacity=10)
    assert len(ours.boxes) == 0


def test_infinite_scores_pass(device):
    scores = np.array([[[np.inf, -np.inf, np.nan, 0.7]]], np.float32)
    maps = [(scores, np.zeros((1, 4, 1, 4), np.float32))]
    ours = propose(device, maps, [(0, 0, 1, 4, 0, 0, 0.5)], 0.6, capacity=10)
    np.testing.assert_array_equal(ours.scores, np.array([np.inf, 0.7], np.float32))


def test_more_chunks_than_one_scan_holds(device):
    """The scan's single block walks over 1,024 counts at a time."""
    rows, columns = 1030, 1024
    scores = np.zeros((1, rows, columns), np.float32)
    scores[0, ::103, 5] = 1
    offsets = np.zeros((1, 4, rows, columns), np.float32)
    maps, levels = [(scores, offsets)], [(0, 0, rows, columns, 0, 0, 0.5)]
    assert_same(propose(device, maps, levels, 0.6, capacity=100), expected(maps, levels, 0.6))


@pytest.mark.parametrize("capacity", [3, 300, 1 << 14])
def test_more_maps_than_a_launch_takes(device, capacity):
    """The launches after the first append to its list, and count on where it is full."""
    shapes = [(1, 3 + i % 5, 4 + i % 7) for i in range(2 * device.module.MAX_MAPS + 5)]
    maps, levels = make_maps(shapes, 5), make_levels(shapes)
    reference = expected(maps, levels, 0.5)
    assert 300 < len(reference.scores) < 1 << 14
    ours = propose(device, maps, levels, 0.5, capacity)
    assert ours.selected == len(reference.scores)
    assert_same(ours, reference, capacity)


def test_appending_nothing_leaves_the_list_as_it_is(device):
    count, selected = device.array([7], np.int32), device.array([12], np.int32)
    out = [device.empty((9, 4), np.float32), device.empty(9, np.float32), device.empty((9, 4), np.float32)]
    out += [device.empty(9, np.int32), device.empty(9, np.int32)]
    table = device.module.ProposalTable([])
    workspace = device.empty(device.module.proposals_workspace_size(table.chunks), np.uint8)
    arguments = (device.bytes(table.table), table.chunks, 0.6, *out, count, selected, workspace)
    device.module.proposals([], *arguments, append=True, stream=0)
    assert count.numpy().tolist() == [7]
    assert selected.numpy().tolist() == [12]


def test_too_many_maps_are_refused(device):
    one = device.module.ProposalMap(device.empty((1, 1, 1), np.float32), device.empty((1, 4, 1, 1), np.float32))
    with pytest.raises(ValueError, match="maps: at most 128 are accepted, got 129"):
        device.module.proposals([one] * 129, b"", 0, 0.6, *[None] * 8, stream=0)
