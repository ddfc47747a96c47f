"""The tensors of the three networks: names, shapes and the metadata that a weights file carries.

The names are those of facenet-pytorch's modules, so that its state dictionaries convert without renaming. Convolution
weights are ``(out, in, height, width)``, dense weights ``(out, in)``. R-Net and O-Net may have other numbers of
channels than the paper's: `LAYERS` says which.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal, Protocol

from mtcnn_fast.errors import ConfigError

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

Widths = tuple[int, ...]

#: Outputs of R-Net's and O-Net's convolutions, in order, and of the dense layer: those of the paper's networks, which
#: the package's own have. Weights may have others; P-Net's are fixed.
WIDTHS: Mapping[str, Widths] = MappingProxyType({"r": (28, 48, 64, 128), "o": (32, 64, 64, 128, 256)})


@dataclasses.dataclass(frozen=True, slots=True)
class Layer:
    """A layer of R-Net or O-Net whose number of outputs weights choose.

    Attributes
    ----------
    name : str
    kernel : int
        Side of a convolution's kernel; 0 for the dense layer, which reads 3 x 3 pixels.
    step, most : int
        The number of outputs is a multiple of `step`, which is what the native kernels need, and at most `most`, so
        that no file asks for gigabytes.
    """

    name: str
    kernel: int
    step: int
    most: int

    def shape(self, outputs: int, inputs: int) -> tuple[int, ...]:
        """Return the shape of the weight."""
        return (outputs, inputs, self.kernel, self.kernel) if self.kernel else (outputs, 9 * inputs)

    def accepts(self, outputs: int) -> bool:
        """Tell whether the layer may have this many outputs."""
        return 1 <= outputs <= self.most and outputs % self.step == 0

    def expected(self, inputs: int) -> str:
        """Return the accepted shapes of the weight in words."""
        _, *rest = self.shape(0, inputs)
        return f"(n, {', '.join(map(str, rest))}) with n {self.numbers}"

    @property
    def numbers(self) -> str:
        """The accepted numbers of outputs in words."""
        return f"from 1 to {self.most}" if self.step == 1 else f"a multiple of {self.step} up to {self.most}"


def _layers(*layers: tuple[str, int, int]) -> tuple[Layer, ...]:
    return tuple(Layer(name, kernel, step, 512 if kernel else 1024) for name, kernel, step in layers)


#: Those layers in the order of `WIDTHS`.
LAYERS: Mapping[str, tuple[Layer, ...]] = MappingProxyType(
    {
        "r": _layers(("conv1", 3, 1), ("conv2", 3, 16), ("conv3", 2, 16), ("dense4", 0, 16)),
        "o": _layers(("conv1", 3, 1), ("conv2", 3, 1), ("conv3", 3, 16), ("conv4", 2, 16), ("dense5", 0, 16)),
    }
)

_HEADS = {"r": {"dense5_1": 2, "dense5_2": 4}, "o": {"dense6_1": 2, "dense6_2": 4, "dense6_3": 10}}


def check_widths(network: str, widths: Iterable[int]) -> Widths:
    """Return the widths of R-Net or O-Net, checked.

    Parameters
    ----------
    network : {"r", "o"}
    widths : iterable of int
        As in `WIDTHS`.

    Raises
    ------
    ConfigError
        If their number is not that of the layers, or one is not accepted.
    """
    given, layers = tuple(widths), LAYERS[network]
    if len(given) != len(layers) or not all(
        isinstance(width, int) and layer.accepts(width) for layer, width in zip(layers, given, strict=True)
    ):
        accepted = ", ".join(f"{layer.name} {layer.numbers}" for layer in layers)
        raise ConfigError(f"widths of {network.upper()}-Net must be {len(layers)} numbers ({accepted}), got {given}")
    return given


def network_shapes(network: str, widths: Iterable[int] | None = None) -> Shapes:
    """Return the tensors of a network.

    Parameters
    ----------
    network : {"p", "r", "o"}
    widths : iterable of int, optional
        Of R-Net or O-Net; by default the standard ones.

    Raises
    ------
    ConfigError
        If the widths are not accepted.
    """
    if network not in LAYERS:
        return PNET_SHAPES
    checked = check_widths(network, WIDTHS[network] if widths is None else widths)
    shapes: dict[str, tuple[int, ...]] = {}
    inputs = 3
    for number, (layer, outputs) in enumerate(zip(LAYERS[network], checked, strict=True), start=1):
        shapes |= {layer.name: layer.shape(outputs, inputs), f"prelu{number}": (outputs,)}
        inputs = outputs
    return _shapes(**shapes, **{head: (outputs, inputs) for head, outputs in _HEADS[network].items()})


class _Shaped(Protocol):
    @property
    def shape(self) -> tuple[int, ...]: ...


def widths_of(network: str, tensors: Mapping[str, _Shaped]) -> Widths:
    """Return how wide an R-Net (``"r"``) or O-Net (``"o"``) with these tensors is."""
    return tuple(int(tensors[f"{layer.name}.weight"].shape[0]) for layer in LAYERS[network])


RNET_SHAPES = network_shapes("r")
ONET_SHAPES = network_shapes("o")

#: Tensors of each network of the standard widths, by its letter.
SHAPES: Mapping[str, Shapes] = MappingProxyType({"p": PNET_SHAPES, "r": RNET_SHAPES, "o": ONET_SHAPES})
