"""``mtcnn-fast info``: what is installed and what can be used."""

from __future__ import annotations

import json
import os
import platform
import textwrap
from typing import Any

import click

from mtcnn_fast._native import native_isas, usable_processors
from mtcnn_fast._version import __version__
from mtcnn_fast.backends import available_backends
from mtcnn_fast.cli.commands import Command, option
from mtcnn_fast.cli.streams import print_line
from mtcnn_fast.config import WEIGHTS

EXAMPLES = """
mtcnn-fast info
mtcnn-fast info --json
"""


@click.command(cls=Command, examples=EXAMPLES)
@option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(as_json: bool) -> None:
    """Show version, backends, instruction set, devices and the hash of the weights."""
    found = gather()
    print_line(json.dumps(found, indent=2) if as_json else as_text(found))


def gather() -> dict[str, Any]:
    """Collect what the command shows."""
    import numpy as np

    return {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "numpy": np.__version__,
        "backends": {name: {"available": why is None, "reason": why} for name, why in available_backends().items()},
        "isa": {"available": native_isas(), "forced": os.environ.get("MTCNN_FAST_ISA") or None},
        "devices": [{"device": "cpu", "threads": usable_processors()}],
        "weights": _weights(WEIGHTS[0]),
        "other_weights": [_weights(name) for name in WEIGHTS[1:]],
    }


def _weights(name: str) -> dict[str, Any]:
    from mtcnn_fast.weights import load_weights

    weights = load_weights(name)
    facts = {"name": name, "source": weights.source, "box_coding": weights.box_coding, "sha256": dict(weights.sha256)}
    return {**facts, "metadata": {file: dict(said) for file, said in weights.metadata.items()}}


def as_text(found: dict[str, Any]) -> str:
    """Set the facts out in two columns of at most 80 characters a line."""
    columns = {
        "mtcnn-fast": [found["version"]],
        "python": [f"{found['python']}, numpy {found['numpy']}"],
        "platform": [found["platform"]],
        "backends": [line for name, state in found["backends"].items() for line in _backend(name, state["reason"])],
        "isa": [_isa(**found["isa"])],
        "devices": [f"{device['device']} with {device['threads']} threads" for device in found["devices"]],
        "weights": [
            line for weights in (found["weights"], *found["other_weights"]) for line in _weights_lines(**weights)
        ],
    }
    return "\n".join(
        f"{label if i == 0 else '':12}{line}" for label, lines in columns.items() for i, line in enumerate(lines)
    )


def _weights_lines(name: str, source: str, box_coding: str, sha256: dict[str, str], **_: Any) -> list[str]:
    digests = [f"{file.removesuffix('.safetensors')}  {digest}" for file, digest in sha256.items()]
    return [f"{name}, box coding {box_coding}, sha256 of each network:", source, *digests]


def _backend(name: str, reason: str | None) -> list[str]:
    state = "available" if reason is None else f"not available: {reason}"
    return textwrap.wrap(f"{name:11}{state}", width=68, subsequent_indent=" " * 11)


def _isa(available: list[str], forced: str | None) -> str:
    if not available:
        return "none: there is no native engine here"
    return f"{forced or available[0]} of {', '.join(available)}{', by MTCNN_FAST_ISA' if forced else ''}"
