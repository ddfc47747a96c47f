"""``mtcnn-fast explain``: what each step of the cascade proposes, keeps and drops in an image, and why."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from mtcnn_fast.backends import available_backends
from mtcnn_fast.cli.commands import Command, option
from mtcnn_fast.cli.inputs import read_source
from mtcnn_fast.cli.output import printable
from mtcnn_fast.cli.settings import detector_options, make_detector
from mtcnn_fast.cli.streams import print_line

EXAMPLES = """
mtcnn-fast explain photo.jpg
mtcnn-fast explain photo.jpg --at 320 200 -o steps
"""


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("path", metavar="IMAGE")
@option("--at", type=float, nargs=2, metavar="X Y", help="Follow the candidates around this point, in pixels.")
@option("--out", "-o", type=click.Path(path_type=Path), metavar="DIR", help="Write a picture of each step's boxes.")
@option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@detector_options()
def explain(
    path: str, at: tuple[float, float] | None, out: Path | None, as_json: bool, settings: dict[str, Any]
) -> None:
    """Show what each step of the cascade proposes, keeps and drops, and why.

    In the pictures, kept boxes are green. Dropped ones are red for their score, orange for overlap with a better box,
    purple where they cannot be cropped, and blue beyond --max-faces. The cpu and numpy backends record what is dropped;
    one of them is taken unless --device names another.
    """
    from mtcnn_fast.evaluation import explain as why

    if settings.get("device", "auto") == "auto":
        settings["device"] = "numpy" if available_backends()["cpu"] else "cpu"
    with make_detector(settings) as detector:
        image = read_source(path, detector.config.max_pixels)
        faces = detector.detect(image, profile=True, trace=True)
    report: dict[str, Any] = {
        "path": path,
        "faces": len(faces),
        "steps": why.summary(faces),
        "milliseconds": {name: 1000 * seconds for name, seconds in (faces.timings or {}).items()},
    }
    if at is not None:
        fates = why.fates_at(faces, *at)
        report["at"] = {
            "point": list(at),
            "verdict": why.verdict(fates),
            "steps": [dataclasses.asdict(fate) for fate in fates],
        }
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for number, step in enumerate(why.steps_of(faces), 1):
            why.draw_step(image, step).save(out / f"{number}_{step.step}.png")
    print_line(json.dumps(report, indent=2) if as_json else _as_text(report, why.TITLES))


def _as_text(report: dict[str, Any], titles: Mapping[str, str]) -> str:
    count = report["faces"]
    lines = [f"{printable(report['path'])}: {count} face{'' if count == 1 else 's'}", ""]
    for step in report["steps"]:
        dropped = ", ".join(f"{number} {reason}" for reason, number in step["dropped"].items()) or "none"
        lines.append(f"{step['step']:12}{step['kept']:7} kept   dropped: {dropped}")
        lines.append(f"{'':12}{titles[step['step']]}")
    lines += ["", *(f"{name:12}{value:10.2f} ms" for name, value in report["milliseconds"].items())]
    if "at" in report:
        x, y = report["at"]["point"]
        lines += ["", f"around ({x:g}, {y:g}): {report['at']['verdict']}"]
    return "\n".join(lines)
