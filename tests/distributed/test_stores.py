"""The same batch in memory and on a server of S3, whose objects are committed by one conditional request."""

from __future__ import annotations

import importlib.util
import io
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mtcnn_fast import ConfigError, DataError
from mtcnn_fast.distributed import finish, plan, run, verify
from mtcnn_fast.distributed.shard_work import CommitError, commit
from mtcnn_fast.distributed.stores import Store
from support.batches import SETTINGS, picture

WITHOUT_S3 = [name for name in ("s3fs", "moto", "flask") if importlib.util.find_spec(name) is None]


@pytest.fixture
def memory() -> str:
    """A place in this process's memory."""
    return f"memory:///{uuid.uuid4().hex}"


@pytest.fixture(scope="module")
def server() -> Iterator[None]:
    """A server of S3 on this machine, to which fsspec connects by its configuration."""
    if WITHOUT_S3:
        pytest.skip(f"{' and '.join(WITHOUT_S3)} cannot be imported")
    from fsspec.config import conf
    from moto.server import ThreadedMotoServer

    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        # Of the environment, so that worker processes have it too.
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "nobody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setitem(conf, "s3", {"skip_instance_cache": False})
        yield
    moto.stop()


@pytest.fixture
def bucket(server: None) -> str:
    import s3fs

    name = f"b{uuid.uuid4().hex}"
    s3fs.S3FileSystem().mkdir(name)
    return f"s3://{name}"


def upload(place: str, count: int) -> None:
    store = Store(f"{place}/photos")
    for number in range(count):
        store.write(f"{number}.png", picture(number))


def upload_tar(place: str, count: int) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for number in range(count):
            data = picture(number)
            member = tarfile.TarInfo(f"{number}.png")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    Store(place).write("a.tar", file.getvalue())


def whole_way(place: str, workers: int) -> list[dict[str, Any]]:
    """Plan, run, finish and verify a folder and a tar in a place; return the rows."""
    from mtcnn_fast.distributed.tables import read_part

    upload(place, 12)
    upload_tar(place, 3)
    made = plan([f"{place}/photos", f"{place}/a.tar"], f"{place}/out", shard_images=5, **SETTINGS)
    assert sorted(made.counts) == [2, 3, 5, 5]
    assert run(f"{place}/out", workers=workers, progress=False).errors == 0
    assert finish(f"{place}/out")["rows"] == 15
    found = verify(f"{place}/out", recompute=None)
    assert (found.problems, found.recomputed) == ([], 15)
    store = Store(f"{place}/out")
    return [row for name in sorted(store.names("data")) for row in read_part(store.read(f"data/{name}"))[0].to_pylist()]


def test_memory(memory: str) -> None:
    rows = whole_way(memory, 0)
    assert {row["path"] for row in rows} >= {f"{memory}/photos/{number}.png" for number in range(12)}


def test_memory_is_of_one_process(memory: str) -> None:
    upload(memory, 1)
    plan([f"{memory}/photos"], f"{memory}/out", **SETTINGS)
    with pytest.raises(ConfigError, match="workers must be 0 for a plan in memory"):
        run(f"{memory}/out")


def test_s3(bucket: str, memory: str) -> None:
    rows = whole_way(bucket, 1)
    other = whole_way(memory, 0)
    assert [row["boxes"] for row in rows] == [row["boxes"] for row in other]
    assert {row["path"] for row in rows} >= {f"{bucket}/photos/{number}.png" for number in range(12)}


@pytest.mark.parametrize("kind", ["memory", "bucket"])
def test_the_first_commit_stays(kind: str, request: pytest.FixtureRequest) -> None:
    """What two workers do at once is committed once."""
    store = Store(request.getfixturevalue(kind))
    commit(store, 0, b"first")
    commit(store, 0, b"second")
    assert store.read("data/part-000000.parquet") == b"first"
    store.write("data/part-000000.parquet", b"third")
    assert store.read("data/part-000000.parquet") == b"third"
    assert store.names("data") == {"part-000000.parquet"}
    assert store.names("nothing") == set()


def test_a_missing_object_is_a_row(bucket: str) -> None:
    upload(bucket, 2)
    Store(bucket).write("list.txt", f"photos/0.png\n{bucket}/photos/absent.png\n".encode())
    plan([f"{bucket}/list.txt"], f"{bucket}/out", **SETTINGS)
    report = run(f"{bucket}/out", workers=0, progress=False)
    assert (report.images, report.errors) == (2, 1)


def test_a_commit_that_fails_says_why(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(memory)

    def full(name: str, data: bytes) -> None:
        raise RuntimeError("no room")

    monkeypatch.setattr(store, "create", full)
    with pytest.raises(CommitError, match=r"RuntimeError: no room\); running again resumes"):
        commit(store, 0, b"")


def test_a_folder_that_cannot_be_made_is_no_commit(tmp_path: Path) -> None:
    """The error that an object store raises for a part that is there already means something else here."""
    (tmp_path / "data").write_bytes(b"a file in the folder's place")
    with pytest.raises(CommitError, match="cannot be written"):
        commit(Store(str(tmp_path)), 0, b"part")


def test_a_file_system_that_fails_stops_the_shard(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    from mtcnn_fast.distributed import reading

    upload(memory, 2)
    plan([f"{memory}/photos"], f"{memory}/out", **SETTINGS)
    monkeypatch.setattr(reading, "PAUSES", (0.0, 0.0))
    read = MemoryFileSystem.cat_file
    asked = []

    def failing(self: Any, path: str, *arguments: Any, **options: Any) -> bytes:
        if path.endswith(".png"):
            asked.append(path)
            if len(asked) <= failures:
                raise TimeoutError("no answer")
        return bytes(read(self, path, *arguments, **options))

    monkeypatch.setattr(MemoryFileSystem, "cat_file", failing)
    failures = 99
    with pytest.raises(DataError, match="TimeoutError: no answer"):
        run(f"{memory}/out", workers=0, progress=False)
    assert Store(f"{memory}/out").names("data") == set()
    asked.clear()
    failures = 2
    assert run(f"{memory}/out", workers=0, progress=False).errors == 0
