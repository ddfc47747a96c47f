"""Find faces in many files, a few of which are in memory at a time: `python examples/stream.py [FILE]...`."""

import sys
from pathlib import Path

from mtcnn_fast import Detector, ImageError

paths = [Path(name) for name in sys.argv[1:]] or sorted(Path(__file__).parent.glob("*.jpg"))

with Detector(min_face_size=40) as detector:
    # The paths are read as results are taken; they could as well come from a camera, a queue or a database.
    for path, result in zip(paths, detector.detect_iter(iter(paths), on_error="return"), strict=True):
        found = str(result) if isinstance(result, ImageError) else f"{result}, the largest is {result.largest()}"
        print(f"{path.name}: {found}")
