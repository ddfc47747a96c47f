"""Each target: the seeds, what earlier searches found, and so many mutations of both."""

from __future__ import annotations

import random

import pytest

from fuzz.fuzz_input import mutated
from fuzz.fuzz_seeds import seeds
from fuzz.targets import TARGETS

pytestmark = pytest.mark.fuzz

#: Mutated inputs of each target, two or three seconds of them: the same on every machine, however fast it is.
MUTATIONS = {
    "image_bytes": 5000,
    "arrays": 30_000,
    "weights": 30_000,
    "annotations": 15_000,
    "configurations": 8000,
    "differential": 150,
}


def test_every_target_is_mutated():
    assert list(MUTATIONS) == list(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_mutations(name):
    generator = random.Random(name)
    inputs = seeds(name)
    assert len(inputs) >= 3
    for data in inputs:
        TARGETS[name](data)
    for _ in range(MUTATIONS[name]):
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
