"""The lengths of a device's lists: what is chosen, what is learned, and what the one other try gets."""

from __future__ import annotations

import pytest

from mtcnn_fast.backends.cascade.capacities import CapacityChooser, enlarged, usual_capacities
from mtcnn_fast.backends.cascade.plan import Plan
from mtcnn_fast.backends.cascade.steps import Capacities

PLAN = Plan([(480, 640)] * 3, [], [])
USUAL = Capacities(100, 40, 10, 5)


def test_usual_lengths_are_powers_of_two_for_any_batch():
    for sizes in ([], [(12, 12)], [(480, 640)] * 64, [(4000, 6000)]):
        plan = Plan(sizes, [], [])
        chosen, usual = CapacityChooser().choose(plan), usual_capacities(plan)
        for name in ("proposals", "rnet", "onet", "faces"):
            length = getattr(chosen, name)
            assert length & (length - 1) == 0
            assert getattr(usual, name) <= length < 2 * getattr(usual, name)


def test_a_list_that_was_too_short_stays_longer_and_shrinks_again():
    chooser = CapacityChooser(lambda plan: USUAL)
    assert chooser.choose(PLAN) == Capacities(128, 64, 16, 8)
    chooser.learn(PLAN, [50, 400, 10, 5])
    assert chooser.choose(PLAN) == Capacities(128, 512, 16, 8)
    for _ in range(10):
        chooser.learn(PLAN, [50, 20, 3, 1])
    assert chooser.choose(PLAN).rnet == 256
    for _ in range(20):
        chooser.learn(PLAN, [50, 20, 3, 1])
    assert chooser.choose(PLAN) == Capacities(128, 64, 16, 8)


def test_what_was_wanted_only_of_the_first_lists_is_learned():
    chooser = CapacityChooser(lambda plan: USUAL)
    chooser.learn(PLAN, [1000, 41])
    assert chooser.choose(PLAN) == Capacities(1024, 64, 16, 8)


GIVEN = Capacities(128, 64, 16, 8)


@pytest.mark.parametrize(
    ("wanted", "bound", "expected"),
    [
        ([128, 64, 16, 8], True, None),
        ([128, 64], True, None),
        ([128, 64, 16, 9], True, Capacities(128, 64, 16, 16)),
        ([128, 64, 100, 8], True, Capacities(128, 64, 128, 128)),
        ([1000, 64, 16, 8], True, Capacities(1024, 1024, 1024, 1024)),
        ([1000, 64, 16, 8], False, Capacities(1024, 64, 16, 8)),
        ([1000, 65], False, Capacities(1024, 128, 16, 8)),
    ],
)
def test_the_other_try(wanted, bound, expected):
    assert enlarged(GIVEN, wanted, 3, bound=bound) == expected


def test_tables_of_faces_stay_within_memory_unless_that_many_were_found():
    assert enlarged(GIVEN, [1 << 20, 1, 1, 1], 64, bound=True).faces == (1 << 22) // 64
    assert enlarged(GIVEN, [1, 1, 1, 1 << 20], 64, bound=True).faces == 1 << 20
