"""Where a batch keeps its plan and its parts: a folder, or a prefix of an object store."""

from __future__ import annotations

import contextlib
import uuid
from pathlib import Path
from typing import Any

from mtcnn_fast.distributed.extras import filesystems
from mtcnn_fast.errors import DataError
from mtcnn_fast.files import written_whole

#: Protocols of fsspec under which an object appears whole or not at all.
OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "ocilake", "memory"})


def open_location(location: str) -> tuple[Any, str]:
    """Find the file system and the path of a URL or path.

    Returns
    -------
    filesystem : fsspec.AbstractFileSystem
    path : str
        Absolute within it.

    Raises
    ------
    DataError
        If there is no such protocol, or the package that it needs is missing.
    """
    core = filesystems()
    try:
        filesystem, path = core.url_to_fs(location)
    except (ImportError, ValueError) as error:
        raise DataError(f"{location!r} cannot be opened ({error}); accepted: a path, or a URL that fsspec opens") \
            from error  # fmt: skip
    return filesystem, str(path)


def protocols(filesystem: Any) -> frozenset[str]:
    """Return the names of a file system's protocol."""
    names = filesystem.protocol
    return frozenset([names] if isinstance(names, str) else names)


def is_local(filesystem: Any) -> bool:
    """Tell whether a file system is this machine's own."""
    return "file" in protocols(filesystem)


def url_of(filesystem: Any, path: str) -> str:
    """Return what opens a path again from anywhere: an absolute path, or a URL."""
    return path if is_local(filesystem) else str(filesystem.unstrip_protocol(path))


class Store:
    """Files below a prefix, each there whole or not at all.

    Parameters
    ----------
    prefix : str
        A folder, or a URL that fsspec opens, such as ``s3://bucket/results``.

    Attributes
    ----------
    url : str
        What opens it from any folder of any machine that sees it.
    in_memory : bool
        Whether only this process sees it.
    """

    def __init__(self, prefix: str) -> None:
        self._fs, self._root = open_location(prefix)
        self._root = self._root.rstrip("/")
        # Another process may have written since a listing was kept.
        self._fs.use_listings_cache = False
        self.url = url_of(self._fs, self._root)
        self.in_memory = "memory" in protocols(self._fs)

    def path(self, name: str) -> str:
        """Return the path of a name, for messages."""
        return url_of(self._fs, f"{self._root}/{name}")

    def read(self, name: str) -> bytes:
        """Read a file.

        Raises
        ------
        FileNotFoundError
            If there is none.
        """
        return bytes(self._fs.cat_file(f"{self._root}/{name}"))

    def open(self, name: str) -> Any:
        """Open a file for reading by parts."""
        return self._fs.open(f"{self._root}/{name}", "rb")

    def names(self, folder: str) -> set[str]:
        """Return the names of the files in a folder; none where there is no folder."""
        self._fs.invalidate_cache()
        try:
            found = self._fs.ls(f"{self._root}/{folder}", detail=False)
        except FileNotFoundError:
            return set()
        return {name for name in (str(path).rstrip("/").rpartition("/")[2] for path in found) if name}

    def write(self, name: str, data: bytes) -> None:
        """Write a file, or replace one; a reader sees the old or the new one, never a part."""
        self._put(name, data, "overwrite")

    def create(self, name: str, data: bytes) -> None:
        """Write a file that is the same whoever writes it: where it is there already, nothing needs to be done."""
        self._put(name, data, "create")

    def _put(self, name: str, data: bytes, mode: str) -> None:
        path = f"{self._root}/{name}"
        if is_local(self._fs):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            written_whole(path, data)
        elif protocols(self._fs) & OBJECT_STORES:
            # One request, which the store refuses where the object exists and the mode is "create".
            with contextlib.suppress(FileExistsError):
                self._fs.pipe_file(path, data, mode=mode)
        else:
            partial = f"{path}.{uuid.uuid4().hex}.partial"
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._fs.pipe_file(partial, data)
            self._fs.mv(partial, path)

    def remove(self, folder: str, names: set[str]) -> None:
        """Remove files of a folder, those that another process removed meanwhile included."""
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                self._fs.rm_file(f"{self._root}/{folder}/{name}")
