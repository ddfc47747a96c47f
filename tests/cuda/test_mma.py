"""The products of the tensor cores: the emulated ones, through the header of the kernels, against plain matrices."""

import ctypes

import numpy as np
import pytest

from support.cuda_build import build_probe, compiler
from support.cuda_device import EmulatedDevice

pytestmark = [
    pytest.mark.skipif(compiler() is None, reason="the emulated device needs a C++ compiler"),
    pytest.mark.xdist_group("cuda_probe"),
]

LANES = range(32)
#: Row and column of each element of a lane's fragments, by the tables of the PTX ISA for mma.m16n8k16.
A = [[(lane // 4 + 8 * (i // 2 % 2), 2 * (lane % 4) + i % 2 + 8 * (i // 4)) for i in range(8)] for lane in LANES]
B = [[(2 * (lane % 4) + i % 2 + 8 * (i // 2), lane // 4) for i in range(4)] for lane in LANES]
SUMS = [[(lane // 4 + 8 * (i // 2), 2 * (lane % 4) + i % 2) for i in range(4)] for lane in LANES]


@pytest.fixture(scope="module")
def probe():
    device = EmulatedDevice(build_probe("race"))
    device.library.probe_multiply.argtypes = [ctypes.c_void_p] * 3
    return device


def fragments(matrix, places):
    return np.array([[matrix[place] for place in own] for own in places], np.float32)


def multiply(probe, a, b, sums):
    out = probe.array(fragments(sums, SUMS))
    arrays = [probe.array(fragments(a, A)), probe.array(fragments(b, B)), out]
    assert probe.library.probe_multiply(*(array.pointer for array in arrays)) == 0
    assert probe.reports() == []
    result = np.full((16, 8), np.nan, np.float32)
    for own, places in zip(out.numpy(), SUMS, strict=True):
        for value, place in zip(own, places, strict=True):
            result[place] = value
    return result


@pytest.mark.parametrize("places", [A, B, SUMS], ids=["first", "second", "sums"])
def test_every_element_is_with_one_lane(places):
    flat = [place for own in places for place in own]
    assert len(set(flat)) == len(flat)


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_plain_product(probe, seed):
    probe.seed(seed)
    rng = np.random.default_rng(seed)
    a, b, sums = (rng.integers(-40, 40, shape).astype(np.float32) for shape in ((16, 16), (16, 8), (16, 8)))
    np.testing.assert_array_equal(multiply(probe, a, b, sums), a @ b + sums)


def test_each_number_of_the_first_factor_goes_where_it_belongs(probe):
    """One number at a time, so that two wrong places cannot make good for each other."""
    b = np.arange(1, 129, dtype=np.float32).reshape(16, 8)
    for row in range(16):
        for column in range(0, 16, 3):
            a = np.zeros((16, 16), np.float32)
            a[row, column] = 2
            np.testing.assert_array_equal(multiply(probe, a, b, np.zeros((16, 8), np.float32)), a @ b)


def test_factors_are_rounded_to_half_precision_and_sums_are_not(probe):
    rng = np.random.default_rng(7)
    a, b, sums = (rng.normal(size=shape).astype(np.float32) for shape in ((16, 16), (16, 8), (16, 8)))
    rounded = a.astype(np.float16).astype(np.float64) @ b.astype(np.float16).astype(np.float64) + sums
    ours = multiply(probe, a, b, sums)
    np.testing.assert_allclose(ours, rounded, rtol=0, atol=4e-6)
    assert np.abs(ours - (a @ b + sums)).max() > 1e-4
