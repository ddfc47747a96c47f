"""Each target for a bounded time: the seeds, what earlier searches found, and mutations of both."""

from __future__ import annotations

import random
import time

import pytest

from fuzz.fuzz_input import mutated
from fuzz.fuzz_seeds import seeds
from fuzz.targets import TARGETS

pytestmark = pytest.mark.fuzz

#: Seconds of mutated inputs for each target; the seeds come on top.
SECONDS = 3


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_mutations(name):
    generator = random.Random(name)
    inputs = seeds(name)
    assert len(inputs) >= 3
    for data in inputs:
        TARGETS[name](data)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        data = mutated(generator.choice(inputs), inputs, generator)
        try:
            TARGETS[name](data)
        except Exception as error:
            error.add_note(f"input: {data!r}") if hasattr(error, "add_note") else None
            raise


def test_mutations_differ_and_repeat():
    inputs = seeds("annotations")
    first, second = ([mutated(inputs[0], inputs, random.Random(i)) for i in range(50)] for _ in range(2))
    assert first == second
    assert len(set(first)) > 40
