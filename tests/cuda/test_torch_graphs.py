"""Recordings on several devices, on a stand-in for torch's recording, whose own stream belongs to the first device."""

from __future__ import annotations

import contextlib
import types

import pytest

torch = pytest.importorskip("torch", reason="the torch backend needs torch")

from mtcnn_fast.backends.torch import graphs  # noqa: E402

pytestmark = pytest.mark.torch


class Stream:
    def __init__(self, device):
        self.device = device

    def wait_stream(self, other):
        assert other.device == self.device


class Cuda:
    """Streams by device; a recording takes what goes to its stream, as in `torch.cuda`."""

    def __init__(self):
        self.now = 0
        self.current: dict[int, Stream] = {}
        self.process_stream = None
        self.recording = None

    def CUDAGraph(self):  # noqa: N802
        return types.SimpleNamespace(work=[], replay=lambda: None)

    def current_stream(self, device):
        return self.current.setdefault(device.index, Stream(device.index))

    def Stream(self, device):  # noqa: N802
        return Stream(device.index)

    @contextlib.contextmanager
    def device(self, device):
        self.now = device.index
        yield

    @contextlib.contextmanager
    def stream(self, stream):
        before = self.current.get(stream.device)
        self.current[stream.device] = stream
        yield
        self.current[stream.device] = before

    @contextlib.contextmanager
    def graph(self, graph, stream=None, capture_error_mode="global"):
        if self.process_stream is None:
            self.process_stream = Stream(self.now)
        stream = self.process_stream if stream is None else stream
        self.recording = stream, graph, capture_error_mode
        with self.stream(stream):
            yield
        self.recording = None

    def launch(self, device, what):
        if self.recording is not None and self.recording[0] is self.current_stream(device):
            self.recording[1].work.append((device.index, what, self.recording[2]))


def test_each_device_records_its_own_work(monkeypatch):
    cuda = Cuda()
    monkeypatch.setattr(graphs, "torch", types.SimpleNamespace(cuda=cuda))
    made = []
    monkeypatch.setattr(cuda, "CUDAGraph", lambda: made.append(Cuda.CUDAGraph(cuda)) or made[-1])
    for index in (0, 1, 0):
        device = types.SimpleNamespace(index=index)
        faces, _ = graphs.record_graph(device)(lambda device=device: cuda.launch(device, "work") or "faces")
        assert faces == "faces"
        assert made[-1].work == [(index, "work", "thread_local")]
