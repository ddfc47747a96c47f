"""Detect a face on whatever processor this is, which must have no instruction set above SSE2 for the engine.

Run by an emulator of an old processor: an instruction that it lacks ends the process.
"""

from __future__ import annotations

import sys

import numpy as np
from PIL import Image

from mtcnn_fast import Detector, _cpu

assert _cpu.available_isas() == ["sse2"], _cpu.available_isas()
photo = Image.open(sys.argv[1]).convert("RGB").crop((150, 30, 310, 190)).resize((80, 80))
for threads in (1, 2):
    faces = Detector(device="cpu", num_threads=threads).detect(np.asarray(photo))
    assert len(faces) == 1, faces
    print(f"sse2, {threads} threads: {np.round(faces.boxes[0], 1).tolist()} {faces.scores[0]:.4f}")
