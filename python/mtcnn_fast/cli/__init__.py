"""The command ``mtcnn-fast``: one file for each command, loaded when it is run."""

from __future__ import annotations

import sys

import click

from mtcnn_fast._version import __version__
from mtcnn_fast.cli.commands import App, Summary
from mtcnn_fast.cli.streams import prepare_streams

#: Name, function and first sentence of each command. The sentences are here so that ``--help`` loads no command.
COMMANDS = {
    "detect": Summary(
        "mtcnn_fast.cli.detect:detect", "Find the faces in images, print them, and write pictures of them."
    ),
    "cluster": Summary(
        "mtcnn_fast.cli.cluster:cluster_people",
        "Group the faces in images by person, with an embedding model of yours.",
    ),
    "video": Summary(
        "mtcnn_fast.cli.video:video",
        "Find the faces in a video, print them, and write the video with them drawn or hidden.",
    ),
    "evaluate": Summary(
        "mtcnn_fast.cli.evaluate:evaluate", "Score a detector, or stored detections, by the protocol of a data set."
    ),
    "compare": Summary(
        "mtcnn_fast.cli.compare:compare_systems", "Compare detectors on the same images, in the same order, in one run."
    ),
    "explain": Summary(
        "mtcnn_fast.cli.explain:explain", "Show what each step of the cascade proposes, keeps and drops, and why."
    ),
    "train": Summary(
        "mtcnn_fast.cli.train:train", "Train P-, R- and O-Net, one after the other, on what those before propose."
    ),
    "ablate": Summary(
        "mtcnn_fast.cli.ablate:ablate", "Repeat the comparisons of the papers: ways to train, and networks."
    ),
    "serve": Summary("mtcnn_fast.cli.serve:serve", "Answer requests over HTTP, and show a page to try it."),
    "batch": Summary(
        "mtcnn_fast.cli.batch:batch",
        "Detect in millions of images, on one machine or many, with exactly one row for each.",
    ),
    "doctor": Summary(
        "mtcnn_fast.cli.doctor:doctor", "Examine this environment, and say what is wrong with it and how to mend it."
    ),
    "info": Summary(
        "mtcnn_fast.cli.info:info", "Show version, backends, instruction set, devices and the hash of the weights."
    ),
}


@click.group(cls=App, summaries=COMMANDS, examples="mtcnn-fast detect photo.jpg")
@click.version_option(__version__, message="mtcnn-fast %(version)s", help="Show the version and exit.")
def app() -> None:
    """Find faces in images, and the eyes, nose and corners of the mouth of each."""


def main() -> None:
    """Run the command line."""
    prepare_streams()
    app(prog_name="mtcnn-fast")
    sys.exit(0)
