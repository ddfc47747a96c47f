"""``mtcnn-fast explain``: what each step of the cascade proposes, keeps and drops in an image, and why."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from mtcnn_fast.cli.exits import clean_exit
from mtcnn_fast.cli.inputs import read_source
from mtcnn_fast.cli.output import printable
from mtcnn_fast.cli.settings import make_detector, takes_settings
from mtcnn_fast.evaluation import explain as why

EXAMPLES = """[bold]Examples[/]

mtcnn-fast explain photo.jpg

mtcnn-fast explain photo.jpg --at 320 200 --out steps
"""


@takes_settings
def explain(
    path: Annotated[str, typer.Argument(metavar="IMAGE", help="An image file.", show_default=False)],
    *,
    at: Annotated[
        tuple[float, float] | None,
        typer.Option("--at", metavar="X Y", help="Follow the candidates around this point, in pixels."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Write a picture of each step's boxes.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    settings: dict[str, Any],
) -> None:
    """Show what each step of the cascade proposes, keeps and drops, and why, with its time.

    In the pictures what is kept is green; what is dropped is red for its score, orange for overlap with a better box,
    purple where it cannot be cropped, and blue beyond --max-faces. The numpy backend alone records what is dropped, and
    is taken unless --device says otherwise.
    """
    with clean_exit():
        if settings["device"] == "auto":
            settings["device"] = "numpy"
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
        typer.echo(json.dumps(report, indent=2) if as_json else _as_text(report))


def _as_text(report: dict[str, Any]) -> str:
    count = report["faces"]
    lines = [f"{printable(report['path'])}: {count} face{'' if count == 1 else 's'}", ""]
    for step in report["steps"]:
        dropped = ", ".join(f"{number} {reason}" for reason, number in step["dropped"].items()) or "none"
        lines.append(f"{step['step']:12}{step['kept']:7} kept   dropped: {dropped}")
        lines.append(f"{'':12}{why.TITLES[step['step']]}")
    lines += ["", *(f"{name:12}{value:10.2f} ms" for name, value in report["milliseconds"].items())]
    if "at" in report:
        x, y = report["at"]["point"]
        lines += ["", f"around ({x:g}, {y:g}): {report['at']['verdict']}"]
    return "\n".join(lines)
