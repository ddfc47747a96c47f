"""Results as Markdown. Everything here reads the plain data of a finished run (the JSON file) and measures nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from contenders import FACENET, OURS
from engines import ENGINES


def table(header: Iterable[str], rows: Iterable[Iterable[str]], left: int = 1) -> str:
    header = list(header)
    lines = ["| " + " | ".join(header) + " |"]
    lines.append("|" + "|".join("---" if i < left else "---:" for i in range(len(header))) + "|")
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def ms(seconds: float) -> str:
    value = 1e3 * seconds
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cell(times: dict, name: str) -> str:
    """Return a time as `median (least)`."""
    return f"{ms(times[name]['median'])} ({ms(times[name]['min'])})" if name in times else "-"


def ratio(times: dict, name: str, base: str = OURS) -> str:
    if name not in times or base not in times:
        return "-"
    return f"{times[name]['median'] / times[base]['median']:.1f}x"


def size(row: dict) -> str:
    return f"{row['width']}x{row['height']}"


def number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def columns(rows: list[dict]) -> list[str]:
    """Return the contenders of some rows, in the order of their appearance."""
    return list(dict.fromkeys(name for row in rows for name in row["times"]))


def peak_of(data: dict, threads: int, isa: str | None = None) -> float | None:
    rates = data["peak"].get(isa or data["isa"]) or next(iter(data["peak"].values()), {})
    rate = rates.get(str(threads))
    return rate and rate["max"]


def machine(data: dict) -> str:
    m = data["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in data["versions"].items())
    peaks = "; ".join(
        f"{isa} " + " / ".join(f"{rate['max']:.0f}" for rate in rates.values()) for isa, rates in data["peak"].items()
    )
    settings = data["settings"]
    lines = [
        f"{m['processor']}, {m['cores']} cores available, {m['system']}, Python {m['python']}; {data['date']}.",
        f"mtcnn-fast {data['version']} with {data['isa']}; {versions}.",
        f"{settings['rounds']} rounds in turns, up to {settings['count']} runs a turn.",
        f"Load before the run: {m['load'][0]:.1f}.",
    ]
    if peaks:
        counts = " / ".join(str(threads) for threads in data["settings"]["threads"])
        lines.append(f"Peak of fused multiply-adds, threads {counts}, in GFLOP/s: {peaks}.")
    if data["missing"]:
        lines.append("Left out: " + "; ".join(f"{name} ({why})" for name, why in data["missing"].items()) + ".")
    return " ".join(lines)


def headline(data: dict) -> str:
    """The README's table: whole detections with the most threads, and the ratio with one."""
    runs = data["detect"]["runs"]
    most = max(data["settings"]["threads"])
    single = {(row["faces"], size(row)): row["times"] for row in runs if row["threads"] == 1}
    rows = []
    for row in (row for row in runs if row["threads"] == most):
        times = row["times"]
        one = single.get((row["faces"], size(row)), {})
        shown = (f"{ms(times[name]['median'])} ms" if name in times else "-" for name in (OURS, FACENET))
        rows.append([size(row), str(row["faces"]), *shown, f"**{ratio(times, FACENET)}**", ratio(one, FACENET)])
    header = ["image", "faces", OURS, FACENET, "faster", "faster, 1 thread"]
    m, known = data["machine"], data["versions"]
    peers = ", ".join(f"{name} {known[name]}" for name in (FACENET, "torch") if name in known)
    about = f"{m['processor']}, {m['cores']} cores, {data['isa']}; {peers}; {data['date']}."
    settings = "min_face_size 20, border clip, the usual thresholds."
    return table(header, rows) + f"\n\nMedians with {number(most, 'thread')}; {settings} {about}"


def aims(data: dict) -> str:
    """What the engine set out to reach, beside what this run measured; the range is over all rows of the tables."""
    rows: list[list[str]] = []

    def add(aim: str, wanted: str, values: Iterable[float], unit: str, digits: int) -> None:
        values = [value for value in values if value is not None]
        if values:
            low, high = (f"{end:.{digits}f}" for end in (min(values), max(values)))
            rows.append([aim, wanted, f"{low}{unit}" if low == high else f"{low} to {high}{unit}"])

    def over(rows: list[dict], name: str) -> list[float]:
        return [row["times"][name]["median"] / row["times"][OURS]["median"] for row in rows if name in row["times"]]

    if "detect" in data:
        runs, counted = data["detect"]["runs"], data["detect"]["stages"]
        for faces in sorted({row["faces"] for row in runs}):
            same = [row for row in runs if row["faces"] == faces]
            add(f"whole detection, faster than {FACENET}, {number(faces, 'face')}", "10x", over(same, FACENET), "x", 1)
        for name in columns(runs):
            if name.startswith("prototype"):
                shares = [1 / value for value in over(runs, name)]
                add(f"whole detection, of the {name}'s time", "at most 1.00", shares, "", 2)
        add("all but the networks, of the whole", "under 15 %", (100 * row["glue"] for row in counted), " %", 1)
        add("gain of the threads, of the peak's", "90 %", (100 * share for *_, share in gains(data) if share), " %", 0)
    if "nets" in data:
        for network, wanted, faster in (("pnet", 70, 2), ("rnet", 60, 1.5), ("onet", 60, 1.5)):
            same = [row for row in data["nets"]["runs"] if row["network"] == network and OURS in row["times"]]
            name = network[0].upper() + "-Net"
            add(f"{name}, of the peak", f"{wanted} %", (share_of_peak(data, row) for row in same), " %", 0)
            add(f"{name}, faster than the best other", f"{faster}x", (best_other(row) for row in same), "x", 1)
    return table(["", "aim", "measured"], rows, 2)


def share_of_peak(data: dict, row: dict) -> float | None:
    peak = peak_of(data, row["threads"])
    return 100 * row["flops"] / row["times"][OURS]["median"] / 1e9 / peak if peak else None


def best_other(row: dict) -> float | None:
    """Return the time of the fastest inference engine, as a multiple of ours; torch is not among those compared."""
    others = [row["times"][name]["median"] for name in ENGINES if name in row["times"] and name != "torch"]
    return min(others) / row["times"][OURS]["median"] if others else None


def gains(data: dict) -> list[tuple[str, float, float, float | None]]:
    """Return works with their times on one thread and on most, and the gain as a share of the peak's own."""
    most = max(data["settings"]["threads"])
    gain = peak_gain(data)
    pairs = []
    runs = {(row["faces"], size(row), row["threads"]): row["times"] for row in data["detect"]["runs"]}
    for (faces, pixels, count), times in runs.items():
        if count == 1 and most > 1 and OURS in times:
            many = runs[faces, pixels, most][OURS]["median"]
            pairs.append((f"{pixels}, {number(faces, 'face')}", times[OURS]["median"], many))
    batches = {(row["images"], row["threads"]): row["median"] for row in data["detect"]["batches"]}
    for (images, count), seconds in batches.items():
        if count == 1 and images > 1 and most > 1:
            pairs.append((f"batch of {images} at VGA", seconds, batches[images, most]))
    return [(name, one, many, one / many / gain if gain else None) for name, one, many in pairs]


def peak_gain(data: dict) -> float | None:
    rates = [peak_of(data, count) for count in (1, max(data["settings"]["threads"]))]
    return rates[1] / rates[0] if all(rates) else None


def detections(data: dict) -> str:
    runs = data["detect"]["runs"]
    names = columns(runs)
    header = ["image", "faces", "threads", *names, *(f"{name} / ours" for name in names if name != OURS)]
    rows = [
        [size(row), str(row["faces"]), str(row["threads"])]
        + [cell(row["times"], name) for name in names]
        + [ratio(row["times"], name) for name in names if name != OURS]
        for row in runs
    ]
    return "Whole detection from a decoded image, median (least) in ms; the ratios are of medians.\n\n" + table(
        header, rows
    )


def agreement(data: dict) -> str:
    rows = []
    for row in data["detect"]["agreement"]:
        result = row.get("compared", {})
        counts = [str(result.get(key, "-")) for key in ("ours", "theirs", "matched", "ties")]
        largest = [f"{result[key]:.1g}" if result else "-" for key in ("pixels", "score")]
        others = (f"{name} {count}" for name, count in row["found"].items() if name not in (OURS, FACENET))
        rows.append([f"{size(row)}, {number(row['faces'], 'face')}", *counts, *largest, ", ".join(others) or "-"])
    header = ["image", "ours", FACENET, "matched", "ties", "max px", "max score", "faces that others find"]
    note = (
        "A face matches facenet-pytorch's within 0.5 px (box and landmarks) and 0.001 of the score; ties are those of "
        "docs/semantics.md. The other detectors resample differently or are other methods."
    )
    return f"{note}\n\n" + table(header, rows)


def stages(data: dict) -> str:
    rows = []
    for row in data["detect"]["stages"]:
        counts = [str(row["crops"][name]) for name in ("rnet", "onet")]
        shares = [f"{100 * share:.1f}" for share in row["shares"].values()]
        start = [size(row), str(row["faces"]), str(row["threads"]), *counts, ms(row["total"])]
        rows.append([*start, *shares, f"**{100 * row['glue']:.1f}**"])
    names = list(data["detect"]["stages"][0]["shares"])
    header = ["image", "faces", "threads", "R crops", "O crops", "ms", *names, "all but the networks"]
    note = "Medians of the stages' shares in per cent of the whole, which includes the call from Python."
    return f"{note}\n\n" + table(header, rows)


def networks(data: dict) -> str:
    runs = data["nets"]["runs"]
    names = [OURS, *(name for name in columns(runs) if name != OURS)]
    rows, notes = [], []
    for row in runs:
        times = row["times"]
        rates = {name: row["flops"] / time["median"] / 1e9 for name, time in times.items()}
        cells = [f"{ms(times[name]['median'])} ({rates[name]:.0f})" if name in rates else "-" for name in names]
        share, best = (share_of_peak(data, row), best_other(row)) if OURS in times else (None, None)
        last = [f"{share:.0f} %" if share else "-", f"{best:.1f}x" if best else "-"]
        rows.append([row["work"], str(row["threads"]), f"{row['flops'] / 1e9:.3f}", *cells, *last])
        if row.get("crops"):
            notes.append(f"{row['work']}: ours from a detection in {row['scene']} with {row['crops']} crops")
    header = [
        "work",
        "threads",
        "GFLOP",
        *names,
        f"of the {data['isa']} peak",
        "faster than the best of the last three",
    ]
    errors = [
        f"{engine} " + ", ".join(f"{error:.0e}" for error in found.values())
        for engine, found in data["nets"]["errors"].items()
    ]
    return (
        "Median ms (GFLOP/s counted as direct convolution). Ours is what a detection spends on the network, scaled to "
        "the same number of crops; for P-Net that includes writing the candidates. The others get inputs prepared. "
        f"{'; '.join(dict.fromkeys(notes))}. Largest difference from numpy for P-, R-, O-Net: {'; '.join(errors)}.\n\n"
        + table(header, rows)
    )


def threads(data: dict) -> str:
    """What more threads gain, beside what they gain the bare multiply-adds."""
    most, gain = max(data["settings"]["threads"]), peak_gain(data)
    if not gains(data):
        return "Only one number of threads was measured."
    rows = [
        [name, ms(one), ms(many), f"{one / many:.2f}x", f"{100 * share:.0f} %" if share else "-"]
        for name, one, many, share in gains(data)
    ]
    peak = f"{gain:.2f}x" if gain else "unknown"
    header = ["work", "1 thread, ms", f"{most} threads, ms", "gain", "of the peak's gain"]
    return f"The peak of fused multiply-adds gains {peak} from {most} threads.\n\n" + table(header, rows)


def scaling(data: dict) -> str:
    parts = []
    labels = {"pixels": "pixels (1 face)", "faces": "faces (1280x886)", "threads": "threads (1280x886, 1 face)"}
    labels["min_face_size"] = "min_face_size (1920x1080, 1 face)"
    for name, label in labels.items():
        points: dict[float, dict] = {}
        for point in data["scaling"][name]:
            points.setdefault(point["at"], {})[point["contender"]] = point
        rows = [
            [f"{at:,}", *(cell(times, contender) for contender in (OURS, FACENET)), ratio(times, FACENET)]
            for at, times in points.items()
        ]
        parts.append(table([label, OURS, FACENET, "faster"], rows))
    return "Median (least) in ms.\n\n" + "\n\n".join(parts)


def latency(data: dict) -> str:
    rows = [
        [
            size(row),
            cell(row["times"], OURS),
            ms(row["decode"]["median"]),
            cell(row["times"], FACENET),
            ratio(row["times"], FACENET),
        ]
        for row in data["latency"]["files"]
    ]
    files = table(["JPEG", OURS, "of which decoding", FACENET, "faster"], rows)
    rows = [
        [row["contender"], str(row["callers"]), ms(row["p50"]), ms(row["p99"]), f"{row['rate']:.1f}", str(row["runs"])]
        for row in data["latency"]["callers"]
    ]
    header = ["several callers at once, VGA, 1 face", "callers", "p50 ms", "p99 ms", "images/s", "calls"]
    return "From a JPEG file of quality 90 to faces, median (least) in ms.\n\n" + files + "\n\n" + table(header, rows)


def rates(data: dict) -> str:
    """Images a second at VGA beside the paper's."""
    rows = []
    for row in data["detect"]["runs"]:
        if size(row) == "640x480":
            for name, time in row["times"].items():
                what = f"{name}, {number(row['faces'], 'face')}, {number(row['threads'], 'thread')}"
                rows.append([what, f"{1 / time['median']:.0f}"])
    for row in data["detect"]["batches"]:
        what = f"{OURS}, 1 face, batch of {row['images']}, {number(row['threads'], 'thread')}"
        rows.append([what, f"{row['images'] / row['median']:.0f}"])
    rows.append(["the paper, 2.60 GHz CPU", "16"])
    rows.append(["the paper, Nvidia Titan Black", "99"])
    settings = "min_face_size 20, factor 0.709, thresholds 0.6, 0.7, 0.7, border clip, from a decoded image of 640x480"
    return f"Images a second: {settings}.\n\n" + table(["", "images/s"], rows)


PARTS: dict[str, tuple[tuple[str, Callable[[dict], str]], ...]] = {
    "detect": (
        ("Whole detections", detections),
        ("The same faces", agreement),
        ("Stages", stages),
        ("Threads", threads),
        ("Images a second", rates),
    ),
    "nets": (("The networks alone", networks),),
    "scaling": (("Scaling", scaling),),
    "latency": (("Files and callers", latency),),
}


def markdown(data: dict, heading: str = "##") -> str:
    """Return all tables of a run."""
    parts = [machine(data)]
    if "detect" in data or "nets" in data:
        parts.append(f"{heading} Aims\n\n{aims(data)}")
    for section, renderers in PARTS.items():
        if section in data:
            parts += [f"{heading} {title}\n\n{render(data)}" for title, render in renderers]
    return "\n\n".join(parts) + "\n"
