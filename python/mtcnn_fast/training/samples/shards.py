"""Shards: the files that samples and proposals are kept in.

A set is a directory with

- ``plan.json``: what the set is made from (stage, seed, options, hashes of the records and of the weights);
- ``samples-00000.safetensors`` and so on, for R-Net and O-Net also ``proposals-00000.safetensors``;
- ``manifest.json``: written last, names every shard with its number of samples and its SHA-256. A set without it is
  not complete, and making it again with the same plan goes on where it stopped.

A shard is a safetensors file (an 8-byte length, a JSON header, then the arrays, little-endian and without gaps), so
that any tool for that format reads it, and its images are memory-mapped here. Its header holds the hash of the plan
that it belongs to and the hash of its arrays. It is written under another name, brought to the disk and renamed: a
shard is complete or absent. The bytes depend on nothing but the plan: the same plan gives the same files.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mtcnn_fast._types import AnyArray
from mtcnn_fast.errors import DataError, file_error, missing_file
from mtcnn_fast.files import write_json, written_whole

FORMAT_VERSION = "1"
PLAN = "plan.json"
MANIFEST = "manifest.json"

#: Arrays of a shard of samples, in the order of `SampleSet.from_arrays`.
ARRAYS = ("images", "kinds", "boxes", "landmarks", "mirror")

_TYPES = {"F32": "<f4", "U8": "|u1", "I8": "|i1", "I64": "<i8"}
_NAMES = {np.dtype(code): name for name, code in _TYPES.items()}

# Where the arrays begin is a multiple of this, so that each lies where its type may.
_ALIGNMENT = 64


def shard_path(directory: Path, kind: str, number: int) -> Path:
    """Return the file of a shard of ``samples`` or ``proposals``."""
    return directory / f"{kind}-{number:05}.safetensors"


def write_shard(path: Path, arrays: Mapping[str, AnyArray], plan: str) -> None:
    """Write a shard, whole or not at all.

    Parameters
    ----------
    path : Path
    arrays : mapping of str to ndarray
        float32, int64, int8 or uint8.
    plan : str
        Hash of the plan, see `plan_hash`.
    """
    # The widest types first: without gaps, each then lies at a multiple of its own width.
    ordered = sorted(arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0]))
    # An empty array has nothing that could be cast to bytes.
    blocks = [np.ascontiguousarray(array).tobytes() for _, array in ordered]
    header: dict[str, Any] = {
        "__metadata__": {"format_version": FORMAT_VERSION, "plan": plan, "sha256": _digest(blocks)}
    }
    start = 0
    for (name, array), block in zip(ordered, blocks, strict=True):
        entry = {"dtype": _NAMES[array.dtype], "shape": list(array.shape), "data_offsets": [start, start + len(block)]}
        header[name] = entry
        start += len(block)
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    written_whole(path, b"".join([len(text).to_bytes(8, "little"), text, *blocks]))


def read_shard(path: Path, plan: str | None, *, verify: bool = True) -> dict[str, AnyArray]:
    """Map the arrays of a shard into memory, read-only.

    Parameters
    ----------
    path : Path
    plan : str or None
        Hash of the plan that it must belong to, if that matters.
    verify : bool
        Whether to compare the arrays with their hash.

    Raises
    ------
    DataError
        If it is missing, damaged or of another plan.
    """
    try:
        content = np.memmap(path, np.uint8, "r")
        length = int.from_bytes(content[:8].tobytes(), "little")
        header = json.loads(content[8 : 8 + length].tobytes())
        metadata = header.pop("__metadata__")
        data = content[8 + length :]
        arrays = {name: _view(data, entry) for name, entry in header.items()}
        whole = len(data) == max(entry["data_offsets"][1] for entry in header.values())
    except OSError as error:
        message = f"the shard cannot be read ({error.strerror or error})"
        raise file_error(DataError, error, message, path) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"the shard is damaged ({error})", path) from error
    if metadata.get("format_version") != FORMAT_VERSION:
        version = metadata.get("format_version")
        raise DataError(f"the shard has format version {version!r}, not {FORMAT_VERSION!r}", path)
    if plan is not None and metadata.get("plan") != plan:
        raise DataError("the shard belongs to another plan", path)
    if not whole or (verify and metadata.get("sha256") != _digest([data.data])):
        raise DataError("the shard is damaged: its checksum differs", path)
    return arrays


def _view(data: AnyArray, entry: Mapping[str, Any]) -> AnyArray:
    start, end = entry["data_offsets"]
    array: AnyArray = data[start:end].view(_TYPES[entry["dtype"]]).reshape(entry["shape"])
    return array


def _digest(blocks: list[bytes] | list[memoryview]) -> str:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()


def is_whole(path: Path, plan: str) -> bool:
    """Tell whether a shard of this plan is there and undamaged; what is damaged can be made again."""
    try:
        read_shard(path, plan)
    except DataError:
        return False
    return True


def plan_hash(plan: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a plan."""
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()


def begin_set(directory: str | os.PathLike[str], plan: Mapping[str, Any]) -> Path:
    """Make a set's directory, or check that the one which is there has the same plan.

    Raises
    ------
    DataError
        If there is a set with another plan; it names what differs.
    """
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    for partial in folder.glob(".*.partial"):
        partial.unlink()
    if not (folder / PLAN).exists():
        write_json(folder / PLAN, plan)
        return folder
    known = _read_json(folder / PLAN)
    differing = sorted(key for key in {*known, *plan} if known.get(key) != plan.get(key))
    if differing:
        message = f"the directory holds samples made otherwise ({', '.join(differing)} differ); choose another one"
        raise DataError(message, folder / PLAN)
    return folder


def finish_set(directory: Path, plan: Mapping[str, Any], shards: int) -> None:
    """Write the manifest, with which a set is complete."""
    entries = []
    for number in range(shards):
        path = shard_path(directory, "samples", number)
        arrays = read_shard(path, plan_hash(plan))
        counts = np.bincount(arrays["kinds"].astype(np.int64), minlength=4).tolist()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        entries.append({"file": path.name, "samples": len(arrays["kinds"]), "kinds": counts, "sha256": digest})
    totals = np.sum([entry["kinds"] for entry in entries], axis=0).tolist()
    manifest = {"format_version": FORMAT_VERSION, "plan": plan_hash(plan), "kinds": totals, "shards": entries}
    write_json(directory / MANIFEST, manifest)


def is_complete(directory: Path) -> bool:
    """Tell whether a set has its manifest."""
    return (directory / MANIFEST).exists()


def open_set(directory: str | os.PathLike[str], *, verify: bool) -> Iterator[tuple[AnyArray, ...]]:
    """Yield the arrays of each shard of a complete set, in the order of `ARRAYS`.

    Raises
    ------
    DataError
        If the set is not complete, or a shard is missing or damaged.
    """
    folder = Path(directory)
    if not is_complete(folder):
        message = f"holds no complete set of samples: there is no {MANIFEST}"
        raise file_error(DataError, missing_file(folder / MANIFEST), message, folder)
    manifest = _read_json(folder / MANIFEST)
    for entry in manifest["shards"]:
        arrays = read_shard(folder / entry["file"], manifest["plan"], verify=verify)
        yield tuple(arrays[name] for name in ARRAYS)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise file_error(DataError, error, f"cannot be read ({error.strerror})", path) from error
    except ValueError as error:
        raise DataError(f"is no JSON ({error})", path) from error
    return content
