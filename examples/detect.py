"""Find the faces of one picture, print them and draw them: `python examples/detect.py [PICTURE]`."""

import sys
from pathlib import Path

from mtcnn_fast import Detector

NAMES = ("left eye", "right eye", "nose", "mouth, left", "mouth, right")

picture = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("astronaut.jpg")

faces = Detector().detect(picture)
for face in faces:
    x1, y1, x2, y2 = face.box
    print(f"face from ({x1:.0f}, {y1:.0f}) to ({x2:.0f}, {y2:.0f}), score {face.score:.4f}")
    for name, (x, y) in zip(NAMES, face.landmarks, strict=True):
        print(f"  {name} at ({x:.0f}, {y:.0f})")

drawn = Path(f"{picture.stem}_faces.jpg")
faces.draw(picture).save(drawn)
print(f"drawn in {drawn}")
