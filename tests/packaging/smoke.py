"""Detect on one photo with the installed package and print what happened as JSON.

A script of its own, run by the interpreter of a clean environment: the tests read its report, and so does whoever
tries a wheel on another Python. It fails unless exactly one face with a score above 0.99 was found.
"""

import importlib
import importlib.util
import json
import logging
import sys
import sysconfig
import warnings


class Listener(logging.Handler):
    """Keeps what the package says, by a warning or in its log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def leaves_the_gil_off() -> bool:
    """Tell whether a free-threaded Python is still without the GIL when the native module has come."""
    importlib.import_module("mtcnn_fast._cpu")
    return not sys._is_gil_enabled()  # type: ignore[attr-defined]


def main(photo: str) -> int:
    listener = Listener()
    logging.getLogger().addHandler(listener)
    logging.captureWarnings(True)
    warnings.simplefilter("always")

    import numpy as np

    import mtcnn_fast

    native = importlib.util.find_spec("mtcnn_fast._cpu") is not None
    if native and sysconfig.get_config_var("Py_GIL_DISABLED") and not leaves_the_gil_off():
        print("importing mtcnn_fast._cpu switched the GIL on")
        return 1

    with mtcnn_fast.Detector() as detector:
        backend = detector.backend
        faces = detector.detect(photo)
        again = detector.detect_batch([photo])[0]
    levels = mtcnn_fast.ops.resize_pyramid(np.zeros((48, 64, 3), dtype=np.uint8), [1.0, 0.5])

    report = {
        "version": mtcnn_fast.__version__,
        "backend": backend,
        "native": native,
        "torch": importlib.util.find_spec("torch") is not None,
        "boxes": faces.boxes.tolist(),
        "scores": faces.scores.tolist(),
        "batch_equals_single": again == faces,
        "level_shapes": [list(level.shape) for level in levels],
        "warnings": listener.said,
    }
    print(json.dumps(report))
    return 0 if len(faces) == 1 and faces.scores[0] > 0.99 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
