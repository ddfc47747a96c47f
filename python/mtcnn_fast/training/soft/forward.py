"""R-Net and O-Net as they train fastest on a processor: bfloat16, channels last, pooling before the activation."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn
from torch.nn import functional

from mtcnn_fast.nets.modules import ONet, PNet, RNet
from mtcnn_fast.training.losses import Outputs

Net = PNet | RNet | ONet

CPU = torch.device("cpu")

#: Layers before the heads: name's number, and whether pooling follows the activation.
_CONVOLUTIONS: dict[type[nn.Module], tuple[tuple[int, bool], ...]] = {
    PNet: ((1, True), (2, False), (3, False)),
    RNet: ((1, True), (2, True), (3, False)),
    ONet: ((1, True), (2, True), (3, True), (4, False)),
}
_DENSE: dict[type[nn.Module], str] = {RNet: "4", ONet: "5"}
_HEADS: dict[type[nn.Module], tuple[str, ...]] = {
    PNet: ("conv4_1", "conv4_2"),
    RNet: ("dense5_1", "dense5_2"),
    ONet: ("dense6_1", "dense6_2", "dense6_3"),
}


def rising(net: Net) -> frozenset[int]:
    """Return the numbers of the PReLUs before a pooling that never fall: those whose slopes are not negative."""
    pooled = (number for number, pools in _CONVOLUTIONS[type(net)] if pools)
    return frozenset(n for n in pooled if bool((getattr(net, f"prelu{n}").weight >= 0).all()))


def features(net: Net, images: Tensor, never_fall: Collection[int] | None = None) -> Tensor:
    """Return what the heads see, as `net.features` does.

    The type of `images` is that in which convolutions and products are computed. A PReLU that never falls changes
    places with max pooling: the same values from a quarter of the elements.

    Parameters
    ----------
    net : PNet, RNet or ONet
    images : Tensor of float32 or bfloat16, shape (n, 3, H, W)
        Normalised.
    never_fall : collection of int, optional
        What `rising` says, if that is known: looking makes a device wait.

    Returns
    -------
    Tensor of float32
        ``(n, 128)`` of R-Net, ``(n, 256)`` of O-Net, ``(n, 32, rows, columns)`` of P-Net.
    """
    x, known = images, rising(net) if never_fall is None else never_fall
    for number, pools in _CONVOLUTIONS[type(net)]:
        layer, slopes = getattr(net, f"conv{number}"), getattr(net, f"prelu{number}").weight
        x = functional.conv2d(x, layer.weight.to(x.dtype), layer.bias.to(x.dtype))
        if pools:
            pool = getattr(net, f"pool{number}")
            x = _prelu(pool(x), slopes) if number in known else pool(_prelu(x, slopes))
        else:
            x = _prelu(x, slopes)
    if type(net) in _DENSE:
        number_of_dense = _DENSE[type(net)]
        layer, slopes = getattr(net, f"dense{number_of_dense}"), getattr(net, f"prelu{number_of_dense}").weight
        # Column by column, as the weights expect.
        x = x.permute(0, 3, 2, 1).flatten(1)
        x = _prelu(functional.linear(x, layer.weight.to(x.dtype), layer.bias.to(x.dtype)), slopes)
    return x.float()


def heads(net: Net, x: Tensor) -> Outputs:
    """Return the outputs of a network for its `features`, in float32; P-Net's have the shape of its grid."""
    outputs = [getattr(net, name)(x) for name in _HEADS[type(net)]]
    return Outputs(outputs[0], outputs[1], outputs[2] if len(outputs) == 3 else None)


def initialise(net: Net, seed: int) -> None:
    """Draw initial weights: normal after He et al. 2015 (slope 0.25), heads near zero, so that training starts calm."""
    generator = torch.Generator().manual_seed(seed)
    for name, module in net.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            if name in _HEADS[type(net)]:
                nn.init.normal_(module.weight, 0, 0.01, generator=generator)
            else:
                nn.init.kaiming_normal_(module.weight, a=0.25, generator=generator)
            assert module.bias is not None
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.PReLU):
            nn.init.constant_(module.weight, 0.25)


def _prelu(x: Tensor, slopes: Tensor) -> Tensor:
    return functional.prelu(x, slopes.to(x.dtype))
