"""The emulated device itself: right kernels pass in every order, wrong ones are noticed."""

import ctypes

import numpy as np
import pytest

from support.cuda_build import build_probe, compiler
from support.cuda_device import EmulatedDevice

pytestmark = [
    pytest.mark.skipif(compiler() is None, reason="the emulated device needs a C++ compiler"),
    pytest.mark.xdist_group("cuda_probe"),
]

SEEDS = range(8)
INVALID_VALUE = 1
LAUNCH_FAILURE = 719


@pytest.fixture(scope="module")
def probe():
    # Accesses are seen only in the race build, whatever the other tests run on.
    return EmulatedDevice(build_probe("race"))


def run(probe, name, seed, start=0):
    probe.seed(seed)
    out = probe.empty(64, np.int32)
    if start is not None:
        out.upload(np.full(64, start, np.int32))
    probe.library.probe_run.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    error = probe.library.probe_run(name.encode(), out.pointer)
    return error, out.numpy(), probe.reports()


def lanes(function):
    return np.array([function(i) for i in range(64)], np.int32)


def shifted(i, by):
    """Lane that a shift by `by` reads: its own where it would leave the warp."""
    lane = i % 32
    return lane + by if 0 <= lane + by < 32 else lane


RIGHT = {
    "with_barrier": lanes(lambda i: 63 - i),
    "with_warp_barrier": lanes(lambda i: i ^ 1),
    "atomic_count": lanes(lambda i: 64 if i < 2 else 0),
    "exited_threads_do_not_count": lanes(lambda i: -1 if i < 32 else 0xFF if i < 40 else 0),
    "half_masks": lanes(lambda i: 120 if i % 32 < 16 else 376),
    "shuffles": lanes(lambda i: 10000 * shifted(i, -3) + 100 * shifted(i, 5) + 9),
}

WRONG = {
    "without_barrier": "race in shared memory",
    "shuffle_for_barrier": "race in shared memory",
    "warp_barrier_across_warps": "race in shared memory",
    "missing_second_barrier": "race in shared memory",
    "blocks_write_the_same": "race in global memory (write after write, different blocks)",
    "plain_and_atomic": "race in global memory",
    "past_the_end": "write outside every allocation",
    "never_written_shared": "read of shared memory that the block has not written",
    "divergent_barriers": "wait at different barriers",
    "reads_absent_lane": "reads lane 20, which takes no part",
    "not_in_own_mask": "is not in its own mask",
    "multiplies_with_half_a_warp": "not all lanes of the warp take part",
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", RIGHT)
def test_right_kernel_passes(probe, name, seed):
    error, out, reports = run(probe, name, seed)
    assert error == 0
    assert reports == []
    np.testing.assert_array_equal(out, RIGHT[name])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", WRONG)
def test_wrong_kernel_is_noticed(probe, name, seed):
    _, _, reports = run(probe, name, seed)
    assert any(WRONG[name] in line for line in reports), reports


def test_reading_memory_that_nothing_wrote_is_noticed(probe):
    _, _, reports = run(probe, "never_written", 0, start=None)
    assert reports == ["read of global memory that nothing has written"]
    assert run(probe, "never_written", 0)[2] == []


def test_threads_that_wait_for_ever_end_the_launch(probe):
    error, _, reports = run(probe, "waits_for_ever", 0)
    assert error == LAUNCH_FAILURE
    assert any(line.startswith("deadlock: ") for line in reports)


@pytest.mark.parametrize("seed", SEEDS)
def test_active_mask_holds_the_lane_and_only_lanes_of_its_branch(probe, seed):
    _, out, reports = run(probe, "active_masks", seed)
    masks = out.view(np.uint32)
    assert reports == []
    for i in range(0, 64, 2):
        assert masks[i] >> (i % 32) & 1
        assert masks[i] & 0xAAAAAAAA == 0
    assert (masks[1::2] == 0).all()


def test_shared_memory_that_is_declared_counts(probe):
    """A block has 48 KB, what it declares included, and what is asked for is granted up to the device's limit."""
    run_shared = probe.library.probe_shared
    run_shared.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    out = probe.empty(64, np.int32)
    declared, usual, most = 4 * 64, 48 << 10, 99 << 10
    assert run_shared(out.pointer, usual - declared, -1) == 0
    for dynamic, granted in ((usual - declared + 1, -1), (usual, -1), (0, most - declared + 1), (usual, usual - 1)):
        assert run_shared(out.pointer, dynamic, granted) == INVALID_VALUE
    assert run_shared(out.pointer, most - declared, most - declared) == 0


def test_seed_decides_the_order(probe):
    """Where two blocks write the same, the later one wins: not always the same one, but for one seed the same."""
    winners = [run(probe, "blocks_write_the_same", seed)[1][0] for seed in SEEDS]
    assert set(winners) == {0, 1}
    assert winners == [run(probe, "blocks_write_the_same", seed)[1][0] for seed in SEEDS]
