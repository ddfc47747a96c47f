"""Cut out each face upright for recognition, 112 x 112: `python examples/align.py [PICTURE]`."""

import sys
from pathlib import Path

from PIL import Image

from mtcnn_fast import Detector

picture = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("astronaut.jpg")

faces = Detector().detect(picture).sort_by("size")
for number, aligned in enumerate(faces.align(picture, size=112), start=1):
    name = f"{picture.stem}_aligned_{number}.png"
    Image.fromarray(aligned).save(name)
    print(f"{name}: score {faces[number - 1].score:.4f}")
