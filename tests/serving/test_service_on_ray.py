"""The deployment of Ray Serve on a cluster of this machine."""

from __future__ import annotations

import os
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from mtcnn_fast import Detector, Faces
from support.serving import skip_without_extra

skip_without_extra()
# A busy machine takes longer than the five seconds that Ray gives its own proxy.
os.environ.setdefault("RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S", "120")
# Ray's workers are nice to everybody else; on a busy machine they would not come to start.
os.environ.setdefault("RAY_worker_niceness", "0")
ray = pytest.importorskip("ray", reason="ray is not installed (extra ray)")
serve = pytest.importorskip("ray.serve", reason="ray[serve] is not installed (extra ray)")

pytestmark = [
    pytest.mark.long,
    # Ray leaves sockets and files to its own processes.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"),
]

PORT = 18567
SETTINGS: dict[str, Any] = {"min_face_size": 40, "factor": 0.6}


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    from mtcnn_fast.distributed.serve import deployment
    from mtcnn_fast.serving import ServiceOptions

    environment = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    # A path of a socket must be short.
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    ray.init(
        address="local",
        _temp_dir=folder,
        num_cpus=2,
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
        object_store_memory=100_000_000,
        runtime_env={"env_vars": environment},
        log_to_driver=False,
    )
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": PORT})
        serve.run(deployment(SETTINGS, ServiceOptions(max_body=1_000_000)), name="faces")
        yield f"http://127.0.0.1:{PORT}"
    finally:
        serve.shutdown()
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def post(url: str, data: bytes) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data, {"Content-Type": "image/jpeg"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_the_same_answers(cluster: str, photo: bytes) -> None:
    status, body = post(f"{cluster}/v1/detect", photo)
    assert status == 200
    assert Faces.from_json(body) == Detector(**SETTINGS, num_threads=1).detect(photo)
    with urllib.request.urlopen(f"{cluster}/readyz", timeout=60) as answer:
        assert answer.status == 200


def test_the_same_refusals(cluster: str) -> None:
    assert post(f"{cluster}/v1/detect", b"no image")[0] == 422
    assert post(f"{cluster}/v1/detect", bytes(1_100_000))[0] == 413
