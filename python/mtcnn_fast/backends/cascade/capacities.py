"""How long a device's lists of candidates are: the usual lengths, and what earlier batches wanted."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence

from mtcnn_fast.backends.cascade.plan import Plan
from mtcnn_fast.backends.cascade.steps import Capacities

#: What a list keeps, from batch to batch, of the length beyond the usual one.
_DECAY = 0.9
#: Most rows of all images' faces together when their number is not known: 256 MB of tables.
_MOST_FACES = 1 << 22


def usual_capacities(plan: Plan) -> Capacities:
    """Return what is enough for a batch of ordinary pictures."""
    pixels = sum(height * width for height, width in plan.sizes)
    images = max(1, len(plan.sizes))
    return Capacities(max(2048 * images, pixels // 100), 512 * images, 128 * images, 128)


class CapacityChooser:
    """Chooses capacities, and learns from what was wanted. Threads may share it.

    A list that was too short stays longer for the batches that follow, and shrinks again while they want less.

    Parameters
    ----------
    usual : callable
        Returns the usual capacities for a plan.
    """

    def __init__(self, usual: Callable[[Plan], Capacities] = usual_capacities) -> None:
        self._usual = usual
        #: By list, how many times the usual length.
        self._factors = [1.0] * len(dataclasses.fields(Capacities))
        self._lock = threading.Lock()

    def choose(self, plan: Plan) -> Capacities:
        """Return capacities for a batch: powers of two, so that few different sizes occur."""
        usual = dataclasses.astuple(self._usual(plan))
        with self._lock:
            return Capacities(*(_power(factor * length) for factor, length in zip(self._factors, usual, strict=True)))

    def learn(self, plan: Plan, wanted: Sequence[int]) -> None:
        """Take note of the lengths that a batch wanted, in the order of `Capacities`."""
        usual = dataclasses.astuple(self._usual(plan))
        with self._lock:
            for i, (length, number) in enumerate(zip(usual, wanted, strict=False)):
                self._factors[i] = max(1.0, number / length, _DECAY * self._factors[i])


def enlarged(capacities: Capacities, wanted: Sequence[int], images: int, *, bound: bool) -> Capacities | None:
    """Return the capacities for another try, or None if every list was long enough.

    Parameters
    ----------
    capacities : Capacities
        What the lists had.
    wanted : sequence of int
        What they wanted, in the order of `Capacities`; fewer numbers if the last lists were not made.
    images : int
        Images of the batch.
    bound : bool
        Whether the lists after the first that was too short become as long as that one: then one more try is enough,
        because no list wants more than the one before it. Otherwise they become as long as is known to be necessary,
        which is less where every place costs time.
    """
    given = list(dataclasses.astuple(capacities))
    short = [i for i, number in enumerate(wanted) if number > given[i]]
    if not short:
        return None
    first = short[0]
    for i in range(first, len(given)):
        known = wanted[i] if i < len(wanted) else 0
        most = wanted[first] if bound else known
        if i == len(given) - 1 and i != first:
            most = min(most, _MOST_FACES // max(images, 1))
        given[i] = max(given[i], _power(max(known, most)))
    return Capacities(*given)


def _power(number: float) -> int:
    """Return the smallest power of two that is not below a number."""
    return 1 << max(0, int(-(-number // 1)) - 1).bit_length()
