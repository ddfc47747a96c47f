"""``mtcnn-fast explain``: what each step of the cascade proposes, keeps and drops in an image, and why."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from mtcnn_fast.cli.commands import Command, option
from mtcnn_fast.cli.inputs import read_source
from mtcnn_fast.cli.output import printable
from mtcnn_fast.cli.settings import detector_options, make_detector
from mtcnn_fast.cli.streams import print_line
from mtcnn_fast.errors import ConfigError

EXAMPLES = """
mtcnn-fast explain photo.jpg
mtcnn-fast explain photo.jpg --at 320 200 -o steps
"""


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("path", metavar="IMAGE")
@option("--at", type=float, nargs=2, metavar="X Y", help="Follow the candidates around this point, in pixels.")
@option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write storyboard.png and storyboard.html: the boxes of each step.",
)
@option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@detector_options()
def explain(
    path: str, at: tuple[float, float] | None, out: Path | None, as_json: bool, settings: dict[str, Any]
) -> None:
    """Show what each step of the cascade proposes, keeps and drops, and why.

    With --at, a sentence says what became of the candidates around a point, and what to change so that a face there is
    found. The storyboard has a panel for each step: kept boxes are green. Dropped ones are red for their score, orange
    for overlap with a better box, purple where they cannot be cropped, and blue beyond --max-faces.
    """
    from mtcnn_fast.faces import explain as why
    from mtcnn_fast.faces.fates import TITLES, summary

    with make_detector(settings) as detector:
        image = read_source(path, detector.config.max_pixels)
        faces = detector.detect(image, profile=True, trace=True)
    try:
        explanation = why.explain(faces, at, image)
    except ConfigError as error:
        raise click.BadParameter(str(error), param_hint="'--at'") from None
    report: dict[str, Any] = {
        "path": path,
        "faces": len(faces),
        "steps": summary(faces),
        "milliseconds": {name: 1000 * seconds for name, seconds in (faces.timings or {}).items()},
    }
    if at is not None:
        report["at"] = {
            "point": list(at),
            "verdict": explanation.verdict,
            "remedy": explanation.remedy,
            "steps": [dataclasses.asdict(fate) for fate in explanation.fates],
        }
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        explanation.storyboard().save(out / "storyboard.png")
        (out / "storyboard.html").write_text(explanation.to_html(), encoding="utf-8")
    print_line(json.dumps(report, indent=2) if as_json else _as_text(report, TITLES))


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
        lines += [f"remedy: {report['at']['remedy']}"] if report["at"]["remedy"] else []
    return "\n".join(lines)
