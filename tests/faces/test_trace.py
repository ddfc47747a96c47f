"""What a trace shows of itself."""

import numpy as np

from mtcnn_fast import Detector
from mtcnn_fast.faces.trace import STEPS, Dropped, StageTrace
from support.portrait import QUICK, portrait


def test_a_step_is_one_short_line() -> None:
    boxes, scores = np.zeros((3, 4), np.float32), np.array([0.5, 0.75, 0.25], np.float32)
    dropped = Dropped(boxes, scores, ("overlap", "threshold", "overlap"), boxes)
    assert repr(dropped) == "Dropped(3: 1 threshold, 2 overlap)"
    assert repr(StageTrace("rnet", boxes, scores, dropped)) == "StageTrace(rnet: 3 kept, best 0.7500, 3 dropped)"


def test_a_step_without_candidates() -> None:
    assert repr(Dropped.none()) == "Dropped(0)"
    nothing = StageTrace("onet", np.empty((0, 4), np.float32), np.empty(0, np.float32))
    assert repr(nothing) == "StageTrace(onet: 0 kept, 0 dropped)"


def test_the_trace_of_a_detection_fits_on_the_screen() -> None:
    trace = Detector("numpy", **QUICK).detect(portrait(), trace=True).trace
    assert isinstance(trace, list)
    lines = [repr(step) for step in trace]
    assert [line.partition("(")[2].partition(":")[0] for line in lines] == list(STEPS)
    assert max(map(len, lines)) < 80
    assert [f"{len(step.scores)} kept" in line for step, line in zip(trace, lines, strict=True)] == [True] * len(STEPS)
