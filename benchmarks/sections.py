"""The parts of the benchmark. Each lets the contenders take turns and returns what it measured as plain data."""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
from pathlib import Path

import numpy as np
from agreement import compare
from arena import Arena, Case, UnavailableError
from contenders import FACENET, MAKERS, OURS
from engines import ENGINES
from native import Peak, Prototype
from networks import NETWORKS, flops
from scenes import SIZES, Scene

MIN_FACE = 20
BATCHES = (1, 8, 32)
CROPS = {"rnet": 100, "onet": 20}


@dataclasses.dataclass
class Bench:
    """What the sections work with."""

    arena: Arena
    peak: Peak
    prototype: Prototype | None
    folder: Path
    threads: list[int]
    quick: bool
    peers: list[str]

    def files(self, scene: Scene) -> dict[str, str]:
        return scene.files(self.folder)

    @property
    def pair(self) -> list[str]:
        """Ours and the one it is measured by, if that is wanted."""
        return [OURS, *(name for name in self.peers if name == FACENET)]

    @property
    def scenes(self) -> list[Scene]:
        counts, sizes = ((1, 54), SIZES[:1]) if self.quick else ((1, 6, 54), SIZES)
        return [Scene(faces, *size) for faces in counts for size in sizes]

    def case(
        self, contender: str, scene: Scene, task: str, threads: int, min_face_size: float = MIN_FACE, **more
    ) -> Case:
        request = {"task": task, "files": self.files(scene), "threads": threads, "min_face_size": min_face_size, **more}
        return Case(contender, scene.key, request)


def summary(seconds: list[float]) -> dict:
    return {"median": statistics.median(seconds), "min": min(seconds), "runs": len(seconds)}


def times(cases: list[Case]) -> dict[str, dict]:
    return {case.contender: summary(case.seconds) for case in cases}


def detect(bench: Bench) -> dict:
    """Whole detections of decoded images, their stages, batches, and whether the faces agree."""
    runs = [
        bench.case(name, scene, "detect", threads)
        for scene in bench.scenes
        for threads in bench.threads
        for name in (OURS, *bench.peers)
    ]
    profiles = [bench.case(OURS, scene, "profile", threads) for scene in bench.scenes for threads in bench.threads]
    small = Scene(1, *SIZES[0])
    batches = [
        bench.case(OURS, small, "batch", threads, images=images) for images in BATCHES for threads in bench.threads
    ]

    def between() -> None:
        bench.peak.measure()
        if bench.prototype:
            bench.prototype.measure(3)

    done = bench.arena.compete(runs + profiles + batches, between)
    table = []
    for scene in bench.scenes:
        for threads in bench.threads:
            same = [c for c in done if c in runs and c.name == scene.key and c.request["threads"] == threads]
            row = {**dataclasses.asdict(scene), "threads": threads, "times": times(same)}
            for name in bench.prototype.names if bench.prototype else ():
                turns = bench.prototype.times[name, scene.key, threads]
                if turns:
                    medians = [turn.median for turn in turns]
                    row["times"][name] = {**summary(medians), "min": min(turn.best for turn in turns)}
            table.append(row)
    return {
        "runs": table,
        "stages": [stage_row(case, bench) for case in done if case in profiles],
        "batches": [
            {"images": case.request["images"], "threads": case.request["threads"], **summary(case.seconds)}
            for case in done
            if case in batches
        ],
        "agreement": agree(bench),
    }


def stage_row(case: Case, bench: Bench) -> dict:
    scene = next(scene for scene in bench.scenes if scene.key == case.name)
    runs = [
        (stages, seconds)
        for answer in case.extra
        for stages, seconds in zip(answer["stages"], answer["seconds"], strict=True)
    ]
    # Shares of each run, so that they belong to the same whole.
    shares = {name: statistics.median(stages[name] / seconds for stages, seconds in runs) for name in runs[0][0]}
    glue = statistics.median(1 - sum(stages[name] for name in NETWORKS) / seconds for stages, seconds in runs)
    return {
        **dataclasses.asdict(scene),
        "threads": case.request["threads"],
        "crops": case.extra[0]["crops"],
        "total": case.median,
        "shares": shares,
        "glue": glue,
    }


def agree(bench: Bench) -> list[dict]:
    rows = []
    for scene in bench.scenes:
        request = {"files": bench.files(scene), "threads": max(bench.threads), "min_face_size": MIN_FACE}
        found = {}
        for name in (OURS, *bench.peers):
            with contextlib.suppress(UnavailableError):
                found[name] = bench.arena.ask(name, "faces", **request)
        row = {**dataclasses.asdict(scene), "found": {name: len(faces["scores"]) for name, faces in found.items()}}
        if FACENET in found:
            row["compared"] = compare(found[OURS], found[FACENET])
        rows.append(row)
    return rows


def nets(bench: Bench) -> dict:
    """The bare networks on the same work in every engine; ours inside detections whose work is known."""
    inputs = NetworkInputs(bench)
    cases, keys = [], []
    for work in inputs.works:
        for threads in bench.threads:
            for engine in ENGINES:
                request = {"task": "run_network", "network_name": work.network, "file": work.file, "threads": threads}
                cases.append(Case(engine, work.name, request))
                keys.append((work.name, threads))
            cases.append(bench.case(OURS, work.scene, "profile", threads))
            keys.append((work.name, threads))
    done = bench.arena.compete(cases, bench.peak.measure)
    rows = []
    for work in inputs.works:
        for threads in bench.threads:
            same = [case for case, key in zip(cases, keys, strict=True) if key == (work.name, threads) and case in done]
            row = {"work": work.name, "network": work.network, "threads": threads, "flops": work.flops, "times": {}}
            for case in same:
                seconds = case.seconds
                if case.contender == OURS:
                    crops = case.extra[0]["crops"].get(work.network)
                    part = CROPS[work.network] / crops if crops else 1.0
                    seconds = [stage[work.network] * part for answer in case.extra for stage in answer["stages"]]
                    row["scene"], row["crops"] = work.scene.name, crops
                row["times"][case.contender] = summary(seconds)
            rows.append(row)
    return {"runs": rows, "errors": inputs.errors()}


@dataclasses.dataclass(frozen=True)
class Work:
    """One network on a list of inputs, kept in a file, and the scene in whose detection ours does it."""

    name: str
    network: str
    file: str
    flops: int
    scene: Scene


class NetworkInputs:
    """Pyramids for P-Net, batches of real crops for R-Net and O-Net."""

    def __init__(self, bench: Bench) -> None:
        from mtcnn_fast import Detector
        from mtcnn_fast.weights import load_weights

        self.bench = bench
        self.weights = load_weights(None)
        detector = Detector("cpu", border="clip", min_face_size=MIN_FACE)
        traces = {}
        for scene in bench.scenes:
            trace = detector.detect(np.load(bench.files(scene)["npy"]), trace=True).trace
            traces[scene] = {step.step: step.boxes for step in trace}
        self.works = [self._pyramid(scene) for scene in traces if scene.faces == 1]
        for network, step in (("rnet", "proposals"), ("onet", "refinement")):
            wanted = CROPS[network]
            # The detection whose number of crops is the nearest, in proportion.
            scene = min(traces, key=lambda s: abs(np.log(max(len(traces[s][step]), 1) / wanted)))
            self.works.append(self._crops(network, scene, traces[scene][step]))

    def _save(self, name: str, arrays: list[np.ndarray]) -> str:
        file = self.bench.folder / f"{name}.npz"
        np.savez(file, *arrays)
        return str(file)

    def _pyramid(self, scene: Scene) -> Work:
        from mtcnn_fast.backends.numpy.steps import pyramid_scales
        from mtcnn_fast.config import DEFAULTS
        from mtcnn_fast.ops import resize_pyramid

        image = np.load(self.bench.files(scene)["npy"])
        scales = pyramid_scales(scene.height, scene.width, MIN_FACE, DEFAULTS.factor)
        levels = [level[None] for level in resize_pyramid(image, scales)]
        cost = sum(flops(NETWORKS["pnet"], self.weights.pnet, *level.shape[2:]) for level in levels)
        name = f"P-Net, pyramid of {scene.width}x{scene.height}"
        return Work(name, "pnet", self._save(f"pnet_{scene.key}", levels), cost, scene)

    def _crops(self, network: str, scene: Scene, boxes: np.ndarray) -> Work:
        from mtcnn_fast.ops import crop_pad_resize

        side, count = NETWORKS[network].side, CROPS[network]
        image = np.load(self.bench.files(scene)["npy"])
        crops, _ = crop_pad_resize(image, boxes[np.arange(count) % len(boxes)], side, border="clip")
        cost = count * flops(NETWORKS[network], getattr(self.weights, network), side, side)
        name = f"{network[0].upper()}-Net, {count} crops"
        return Work(name, network, self._save(network, [crops]), cost, scene)

    def errors(self) -> dict[str, dict[str, float]]:
        """Return the largest difference of each engine's scores and offsets from numpy's, network by network."""
        from mtcnn_fast.backends.numpy.nets import ONet, PNet, RNet

        makers = {"pnet": PNet, "rnet": RNet, "onet": ONet}
        result: dict[str, dict[str, float]] = {}
        for work in {work.network: work for work in self.works}.values():
            forward = makers[work.network](getattr(self.weights, work.network))
            with np.load(work.file) as arrays:
                inputs = [arrays[f"arr_{i}"] for i in range(len(arrays.files))]
            expected = []
            for array in inputs:
                scores, *rest = forward(array[0]) if work.network == "pnet" else forward(array)
                expected += [scores, *rest]
            for engine in ENGINES:
                file = str(self.bench.folder / f"outputs_{work.network}_{engine}.npz")
                request = {"network_name": work.network, "file": work.file, "threads": max(self.bench.threads)}
                with contextlib.suppress(UnavailableError):
                    self.bench.arena.ask(engine, "network_outputs", result=file, **request)
                    with np.load(file) as arrays:
                        outputs = [arrays[f"arr_{i}"] for i in range(len(arrays.files))]
                    # Scores come as two classes, of which ours are the second.
                    pairs = zip(outputs, expected, strict=True)
                    errors = [float(np.abs((o[:, 1] if o.shape[1] == 2 else o) - e).max()) for o, e in pairs]
                    result.setdefault(engine, {})[work.network] = max(errors)
        return result


def scaling(bench: Bench) -> dict:
    """Time against pixels, faces, threads and the smallest face."""
    most = max(bench.threads)
    middle, large = Scene(1, *SIZES[1]), Scene(1, *SIZES[2])
    heights = (240, 480, 960) if bench.quick else (240, 480, 720, 960, 1440, 1920)
    series: dict[str, list[tuple[float, Case]]] = {"pixels": [], "faces": [], "threads": [], "min_face_size": []}
    for name in bench.pair:
        for height in heights:
            scene = Scene(1, height * 4 // 3, height)
            series["pixels"].append((scene.width * scene.height, bench.case(name, scene, "detect", most)))
        for faces in (1, 6, 24, 54):
            series["faces"].append((faces, bench.case(name, Scene(faces, *SIZES[1]), "detect", most)))
        for threads in bench.threads:
            series["threads"].append((threads, bench.case(name, middle, "detect", threads)))
        for size in (20, 40, 80, 160):
            series["min_face_size"].append((size, bench.case(name, large, "detect", most, min_face_size=size)))
    bench.arena.compete([case for points in series.values() for _, case in points])
    return {
        name: [{"at": at, "contender": case.contender, **summary(case.seconds)} for at, case in points if case.seconds]
        for name, points in series.items()
    }


def latency(bench: Bench) -> dict:
    """From a JPEG file to faces, and single calls while several callers work at once."""
    most = max(bench.threads)
    files = []
    scenes = [scene for scene in bench.scenes if scene.faces == 1]
    for scene in scenes:
        cases = [bench.case(name, scene, "path", most) for name in bench.pair]
        decode = Case(OURS, "decode", {"task": "decode", "files": bench.files(scene)})
        bench.arena.compete([*cases, decode])
        row = {**dataclasses.asdict(scene), "threads": most, "times": times([case for case in cases if case.seconds])}
        files.append({**row, "decode": summary(decode.seconds)})
    calls = []
    small = Scene(1, *SIZES[0])
    for callers in (1, 4) if bench.quick else (1, 2, 4, 8):
        for name in bench.pair:
            count = 48 if name == OURS else 12
            case = bench.case(name, small, "callers", most, callers=callers, count=-(-count // callers))
            answers = []
            with contextlib.suppress(UnavailableError):
                answers = [bench.arena.ask(name, **case.request) for _ in range(min(bench.arena.rounds, 3))]
            if answers:
                seconds = [second for answer in answers for second in answer["seconds"]]
                p50, p99 = np.percentile(seconds, (50, 99))
                rate = len(seconds) / sum(answer["total"] for answer in answers)
                row = {"contender": name, "callers": callers, "p50": float(p50), "p99": float(p99)}
                calls.append({**row, "rate": rate, "runs": len(seconds)})
    return {"files": files, "callers": calls}


SECTIONS = {"detect": detect, "nets": nets, "scaling": scaling, "latency": latency}
PEERS = [name for name in MAKERS if not name.startswith(OURS)]
