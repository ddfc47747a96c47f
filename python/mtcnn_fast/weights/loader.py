"""Reading and checking weights files."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from mtcnn_fast._paths import exists, is_folder
from mtcnn_fast.config import WEIGHTS, is_named
from mtcnn_fast.errors import WeightsError, file_error, missing_file
from mtcnn_fast.weights.spec import BOX_CODINGS, FORMAT_VERSION, LAYERS, NETWORKS, SHAPES, BoxCoding, network_shapes

Tensors = Mapping[str, npt.NDArray[np.float32]]

#: The folder with the default weights. Those of each other name of `WEIGHTS` lie in a folder of that name within.
SHIPPED = Path(__file__).resolve().parent

#: The types of tensors in files; they are little-endian wherever they are read.
_TYPES: Mapping[str, str] = MappingProxyType({"F32": "<f4", "F16": "<f2"})

#: The networks that the weights of each other name have of their own; the rest are the default ones.
OWN: Mapping[str, str] = MappingProxyType({"wider": "o"})

FILE_NAMES = ", ".join(f"{network}.safetensors" for network in NETWORKS)


@dataclasses.dataclass(frozen=True, slots=True)
class Weights:
    """The three networks' tensors, read-only, and where they came from.

    Attributes
    ----------
    pnet, rnet, onet : mapping of str to ndarray of float32
        Tensors by the names and with the shapes of `mtcnn_fast.weights.spec`; R-Net and O-Net may have other numbers of
        channels than the package's own.
    box_coding : {"corner", "rcnn"}
        How the networks express box regression.
    sha256 : mapping of str to str
        SHA-256 of each file that was read, by file name.
    source : str
        The folder or file they were read from.
    metadata : mapping of str to mapping
        What each file says of itself, by file name.
    """

    pnet: Tensors
    rnet: Tensors
    onet: Tensors
    box_coding: BoxCoding
    sha256: Mapping[str, str]
    source: str
    metadata: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle through plain dictionaries: read-only mappings cannot be pickled."""
        tensors = dict(self.pnet), dict(self.rnet), dict(self.onet)
        metadata = {name: dict(facts) for name, facts in self.metadata.items()}
        return _freeze, (*tensors, self.box_coding, dict(self.sha256), self.source, metadata)


def load_weights(path: str | os.PathLike[str] | None = None) -> Weights:
    """Read and check the weights of the three networks.

    Parameters
    ----------
    path : str or path-like or None
        A name of `mtcnn_fast.config.WEIGHTS`, of which ``None`` takes the first; or a folder with ``p.safetensors``,
        ``r.safetensors`` and ``o.safetensors``; or one safetensors file with the tensors of all three, their names
        prefixed with ``p.``, ``r.`` and ``o.``. A name comes before a folder or file that is called so, for which
        there are ``"./NAME"`` and `pathlib.Path`.

    Returns
    -------
    Weights

    Raises
    ------
    WeightsError
        If `path` is of another type or empty, if a file is missing or damaged, lacks a tensor or has one too many, if a
        tensor has another shape, another type than float32 and float16 or a value that is not finite, or if the
        metadata names an unknown format version, box coding or network. The message names the file and, where there is
        one, the tensor.
    """
    root = _root(path)
    if not exists(root):
        message = (
            f"no weights at {str(root)!r}: expected a folder with {FILE_NAMES}, one safetensors file, "
            f"or the name of weights that come with the package: {', '.join(WEIGHTS)}"
        )
        raise file_error(WeightsError, missing_file(root), message)
    if is_folder(root):
        files = {network: _File(_place(root, network)) for network in NETWORKS}
        for network, file in files.items():
            file.check_metadata(network)
        tensors = {network: file.take(network, prefix="") for network, file in files.items()}
    else:
        files = dict.fromkeys(NETWORKS, _File(root))
        files["p"].check_metadata("".join(NETWORKS))
        files["p"].check_prefixes()
        tensors = {network: file.take(network, prefix=f"{network}.") for network, file in files.items()}

    _check_codings(root, files.values())
    sha256 = {file.path.name: file.sha256 for file in files.values()}
    metadata = {file.path.name: file.metadata for file in files.values()}
    return _freeze(tensors["p"], tensors["r"], tensors["o"], files["p"].box_coding, sha256, str(root), metadata)


def _root(path: object) -> Path:
    if path is None:
        return SHIPPED
    if is_named(path):
        return SHIPPED if path == WEIGHTS[0] else SHIPPED / path
    place = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
    # An empty name would be the current folder.
    if not place or not isinstance(place, str):
        kind = "" if isinstance(path, str) else f" ({type(path).__name__})"
        raise WeightsError(f"weights must be one of {', '.join(WEIGHTS)}, a path or None, got {path!r}{kind}")
    return Path(place)


def _place(folder: Path, network: str) -> Path:
    """Return a network's file: of the package's further weights, the default one where they have none of their own."""
    own = OWN.get(folder.name, NETWORKS) if folder.parent == SHIPPED else NETWORKS
    return (folder if network in own else SHIPPED) / f"{network}.safetensors"


def load_first_networks(path: str | os.PathLike[str] | None, networks: str) -> Weights:
    """Read the first networks of a cascade that is still being trained; the package's own stand in for the others.

    Parameters
    ----------
    path : str or path-like or None
        As for `load_weights`; of a folder, only the files of `networks` are read.
    networks : {"p", "pr", "pro"}

    Returns
    -------
    Weights
        Its `box_coding` is that of `networks`, hence nothing beyond them is of use.

    Raises
    ------
    WeightsError
        As `load_weights` raises it.
    """
    root = _root(path)
    if not is_folder(root):
        return load_weights(root)
    folders = {network: root if network in networks else SHIPPED for network in NETWORKS}
    files = {network: _File(_place(folder, network)) for network, folder in folders.items()}
    for network, file in files.items():
        file.check_metadata(network)
    used = [files[network] for network in networks]
    _check_codings(root, used)
    pnet, rnet, onet = (file.take(network, prefix="") for network, file in files.items())
    sha256 = {file.path.name: file.sha256 for file in used}
    metadata = {file.path.name: file.metadata for file in used}
    return _freeze(pnet, rnet, onet, used[0].box_coding, sha256, str(root), metadata)


def _check_codings(root: Path, files: Iterable[_File]) -> None:
    codings = {file.path.name: file.box_coding for file in files}
    if len(set(codings.values())) > 1:
        raise WeightsError(f"{str(root)!r}: the files differ in box_coding: {codings}")


def _freeze(
    pnet: dict[str, npt.NDArray[np.float32]],
    rnet: dict[str, npt.NDArray[np.float32]],
    onet: dict[str, npt.NDArray[np.float32]],
    box_coding: BoxCoding,
    sha256: dict[str, str],
    source: str,
    metadata: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> Weights:
    for tensors in (pnet, rnet, onet):
        for tensor in tensors.values():
            tensor.setflags(write=False)
    return Weights(
        pnet=MappingProxyType(pnet),
        rnet=MappingProxyType(rnet),
        onet=MappingProxyType(onet),
        box_coding=box_coding,
        sha256=MappingProxyType(sha256),
        source=source,
        metadata=MappingProxyType({name: MappingProxyType(dict(facts)) for name, facts in metadata.items()}),
    )


class _File:
    """One safetensors file, read whole, so that its hash is that of the bytes which were checked."""

    def __init__(self, path: Path) -> None:
        # Imported here because it is needed once a process, not whenever the package is imported.
        import safetensors

        parse: Callable[[bytes], list[tuple[str, dict[str, Any]]]] = safetensors.deserialize
        self.path = path
        try:
            data = path.read_bytes()
        except OSError as error:
            problem = f"the file cannot be read: {error.strerror or error}"
            if isinstance(error, FileNotFoundError):
                problem = f"the file is missing: a weights folder holds {FILE_NAMES}"
            raise file_error(WeightsError, error, str(self._error(problem))) from error
        try:
            # Sorted, so that of several problems always the same one is reported.
            self._tensors = dict(sorted(parse(data), key=lambda item: item[0]))
            self.metadata = _metadata(data)
        except (safetensors.SafetensorError, ValueError) as error:
            raise self._error(f"the file is damaged or not in the safetensors format: {error}") from error
        self.sha256 = hashlib.sha256(data).hexdigest()

    def _error(self, problem: str) -> WeightsError:
        return WeightsError(f"{str(self.path)!r}: {problem}")

    @property
    def box_coding(self) -> BoxCoding:
        return cast("BoxCoding", self.metadata["box_coding"])

    def check_metadata(self, network: str) -> None:
        """Compare format version, box coding and network with what is accepted; other entries are the author's own."""
        accepted = {"format_version": (FORMAT_VERSION,), "box_coding": BOX_CODINGS, "network": (network,)}
        for key, values in accepted.items():
            given = self.metadata.get(key)
            if given not in values:
                found = "it has none" if given is None else f"it says {given!r}"
                raise self._error(f"metadata {key!r} must be {' or '.join(map(repr, values))}, {found}")

    def check_prefixes(self) -> None:
        """Refuse tensors that belong to none of the networks."""
        for name in self._tensors:
            if not name.startswith(tuple(f"{network}." for network in NETWORKS)):
                raise self._error(f"unexpected tensor {name!r}: names start with 'p.', 'r.' or 'o.'")

    def take(self, network: str, prefix: str) -> dict[str, npt.NDArray[np.float32]]:
        """Return the network's tensors, each checked for presence, type, shape and finite values."""
        names = SHAPES[network]
        for name in self._tensors:
            if name.startswith(prefix) and name[len(prefix) :] not in names:
                raise self._error(f"unexpected tensor {name!r}: {network.upper()}-Net has {', '.join(names)}")
        shapes = network_shapes(network, self._widths(network, prefix))
        return {name: self._tensor(prefix + name, shape) for name, shape in shapes.items()}

    def _widths(self, network: str, prefix: str) -> list[int] | None:
        """Return the outputs of the layers that may have any number of them, each weight checked against the last."""
        if network not in LAYERS:
            return None
        widths: list[int] = []
        inputs = 3
        for layer in LAYERS[network]:
            name, expected = f"{prefix}{layer.name}.weight", layer.expected(inputs)
            shape = tuple(self._stored(name, expected)["shape"])
            if not shape or shape != layer.shape(shape[0], inputs) or not layer.accepts(shape[0]):
                raise self._error(f"tensor {name!r} must have shape {expected}, it has {shape}")
            inputs = shape[0]
            widths.append(inputs)
        return widths

    def _stored(self, name: str, expected: str) -> dict[str, Any]:
        stored = self._tensors.get(name)
        if stored is None:
            raise self._error(f"tensor {name!r} is missing, it should be float32 of shape {expected}")
        if stored["dtype"] not in _TYPES:
            raise self._error(f"tensor {name!r} must be float32 (F32) or float16 (F16), it is {stored['dtype']}")
        return stored

    def _tensor(self, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        stored = self._stored(name, str(shape))
        if tuple(stored["shape"]) != shape:
            raise self._error(f"tensor {name!r} must have shape {shape}, it has {tuple(stored['shape'])}")
        tensor = np.frombuffer(stored["data"], _TYPES[stored["dtype"]]).reshape(shape).astype(np.float32)
        if not np.isfinite(tensor).all():
            raise self._error(f"tensor {name!r} holds values that are not finite")
        return tensor


def _metadata(data: bytes) -> dict[str, str]:
    """Return the ``__metadata__`` of a safetensors header, which `safetensors.deserialize` does not.

    Layout: https://huggingface.co/docs/safetensors/index#format
    """
    import json

    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return dict(header.get("__metadata__", {}))
