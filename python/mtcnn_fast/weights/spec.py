"""The tensors of the three networks: names, shapes and the metadata that a weights file carries.

The names are those of facenet-pytorch's modules, so that its state dictionaries convert without renaming. Convolution
weights are ``(out, in, height, width)``, dense weights ``(out, in)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

#: Version of the layout described here; a file with another one is refused.
FORMAT_VERSION = "1"

BoxCoding = Literal["corner", "rcnn"]
#: ``corner``: offsets of the four corners in units of the window. ``rcnn``: centre offset and logarithm of the size.
BOX_CODINGS: tuple[BoxCoding, ...] = ("corner", "rcnn")

#: One letter a network, in the order in which the cascade runs them.
NETWORKS: tuple[str, ...] = ("p", "r", "o")

Shapes = Mapping[str, tuple[int, ...]]


def _shapes(**layers: tuple[int, ...]) -> Shapes:
    """Expand layers into tensors: a weight, a bias for every one but the PReLUs, whose weight is a slope a channel."""
    tensors: dict[str, tuple[int, ...]] = {}
    for name, shape in layers.items():
        tensors[f"{name}.weight"] = shape
        if not name.startswith("prelu"):
            tensors[f"{name}.bias"] = shape[:1]
    return MappingProxyType(tensors)


PNET_SHAPES = _shapes(
    conv1=(10, 3, 3, 3),
    prelu1=(10,),
    conv2=(16, 10, 3, 3),
    prelu2=(16,),
    conv3=(32, 16, 3, 3),
    prelu3=(32,),
    conv4_1=(2, 32, 1, 1),
    conv4_2=(4, 32, 1, 1),
)

RNET_SHAPES = _shapes(
    conv1=(28, 3, 3, 3),
    prelu1=(28,),
    conv2=(48, 28, 3, 3),
    prelu2=(48,),
    conv3=(64, 48, 2, 2),
    prelu3=(64,),
    dense4=(128, 576),
    prelu4=(128,),
    dense5_1=(2, 128),
    dense5_2=(4, 128),
)

ONET_SHAPES = _shapes(
    conv1=(32, 3, 3, 3),
    prelu1=(32,),
    conv2=(64, 32, 3, 3),
    prelu2=(64,),
    conv3=(64, 64, 3, 3),
    prelu3=(64,),
    conv4=(128, 64, 2, 2),
    prelu4=(128,),
    dense5=(256, 1152),
    prelu5=(256,),
    dense6_1=(2, 256),
    dense6_2=(4, 256),
    dense6_3=(10, 256),
)

#: Tensors of each network by its letter.
SHAPES: Mapping[str, Shapes] = MappingProxyType({"p": PNET_SHAPES, "r": RNET_SHAPES, "o": ONET_SHAPES})
