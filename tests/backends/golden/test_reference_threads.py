"""The number of threads changes no bit of what the engine finds in the reference images, alone or in batches."""

from __future__ import annotations

import dataclasses

import pytest

from support.data import DATA, shared
from support.golden import load_golden, read_image
from support.variants import ISAS, THREADS, engine

pytestmark = pytest.mark.golden

_BATCH = 4
#: Every fifth image is looked at, those of a test together.
_STEP = 5
_SHARE = 12


def _cases() -> list[tuple[str, int]]:
    """List the settings and the first image of each test; without the data, one case that is skipped."""
    if not (DATA / "golden" / "default.json").exists():
        return [("zero", 0)]
    step = _STEP * _SHARE
    return [
        (name, first) for name in ("zero", "wider_settings") for first in range(0, len(load_golden(name).images), step)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "first"), _cases())
@pytest.mark.parametrize("isa", ISAS)
def test_threads_and_batches_give_the_same_bits(isa, name, first):
    shared(f"golden/{name}.json")
    golden = load_golden(name)
    images = [read_image(shared(path)) for path in list(golden.images)[first : first + _STEP * _SHARE : _STEP]]
    engines = [engine(isa, dataclasses.replace(golden.config, num_threads=count)) for count in THREADS]
    expected = [engines[0].detect([image])[0] for image in images]
    for backend in engines[1:]:
        for start in range(0, len(images), _BATCH):
            assert backend.detect(images[start : start + _BATCH]) == expected[start : start + _BATCH]
    assert sum(map(len, expected)) > 0
