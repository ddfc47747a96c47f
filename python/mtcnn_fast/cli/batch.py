"""``mtcnn-fast batch``: detections over millions of images, one row each."""

from __future__ import annotations

import json
import re
from typing import Any

import click

from mtcnn_fast.cli.commands import Command, Group, option
from mtcnn_fast.cli.exit_codes import FAILED, resumable
from mtcnn_fast.cli.settings import bad_option, choice, detector_options, naming_options
from mtcnn_fast.cli.streams import print_error, print_line

EXAMPLES = {
    "": """
mtcnn-fast batch plan photos --out results
mtcnn-fast batch run --out results
mtcnn-fast batch finish --out results
""",
    "plan": """
mtcnn-fast batch plan photos more/*.tar --out results
mtcnn-fast batch plan s3://bucket/photos list.txt --out s3://bucket/results --min-face-size 40
""",
    "run": """
mtcnn-fast batch run --out results
mtcnn-fast batch run --out s3://bucket/results --executor ray --ray-address auto
mtcnn-fast batch run --out results --shards $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT
""",
    "finish": """
mtcnn-fast batch finish --out results
""",
    "verify": """
mtcnn-fast batch verify --out results
mtcnn-fast batch verify --out results --recompute 100
""",
}

_OUT = option("--out", "-o", metavar="PREFIX", required=True, help="Where plan and results are: a folder or a URL.")
_JSON = option("--json", "as_json", is_flag=True, help="Print one JSON object.")
#: What a Slurm array calls its tasks begins where its user wants, Kubernetes' index at 0.
_SHARE = re.compile(r"(\d+)/(\d+)")


@click.group(cls=Group, examples=EXAMPLES[""])
def batch() -> None:
    """Detect in millions of images, on one machine or many, with exactly one row for each."""


@batch.command("plan", cls=Command, examples=EXAMPLES["plan"])
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@_OUT
@option("--shard-images", type=int, default=2000, metavar="N", help="Most images of a shard. [default 2000]")
@option(
    "--shard-bytes",
    type=int,
    default=256_000_000,
    metavar="N",
    help="Most bytes of a shard's files. [default 256000000]",
)
@option("--bytes-column", metavar="NAME", help="Column of Parquet files with the images; if not given, it is found.")
@option("--key-column", metavar="NAME", help="Column of Parquet files to take the result's path from.")
@choice(
    "--decoder",
    options=("pillow", "simplejpeg"),
    default="pillow",
    help="What decodes JPEGs; simplejpeg has the same pixels sooner. [default pillow]",
)
@detector_options()
def plan_batch(
    inputs: tuple[str, ...],
    out: str,
    shard_images: int,
    shard_bytes: int,
    bytes_column: str | None,
    key_column: str | None,
    decoder: str,
    settings: dict[str, Any],
) -> None:
    """List the inputs once and cut them into shards.

    INPUT is a folder (searched to any depth), an image, a pattern, a list of paths (.txt, .lst), a tar, or a Parquet
    file with the bytes of images; a path, or a URL that fsspec opens. A tar is one shard, and so is a row group.
    """
    from mtcnn_fast.distributed import plan

    settings.pop("num_threads", None)
    with naming_options():
        made = plan(
            inputs,
            out,
            shard_images=shard_images,
            shard_bytes=shard_bytes,
            bytes_column=bytes_column,
            key_column=key_column,
            decoder=decoder,
            **settings,
        )
    print_line(f"{made.inputs:,} inputs in {len(made.counts):,} shards, settings {made.settings.hash}")


@batch.command("run", cls=Command, examples=EXAMPLES["run"])
@_OUT
@choice(
    "--executor", options=("local", "ray"), default="local", help="Processes here, or a Ray cluster. [default local]"
)
@option(
    "--workers",
    type=int,
    metavar="N",
    help="Processes, or tasks at a time; 0 works in this process. [default: all processors]",
)
@option("--shards", metavar="I/N", default="0/1", help="Do every N-th shard from the I-th on, I from 0. [default 0/1]")
@option(
    "--ray-address", metavar="ADDRESS", help="The Ray cluster, auto to find one; if not given, one is started here."
)
@_JSON
def run_batch(out: str, executor: str, workers: int | None, shards: str, ray_address: str | None, as_json: bool) -> int:
    """Detect in every shard that has no part yet; run it again to resume.

    The exit code is 0 when every shard has its part, though some rows may have an error.
    """
    import contextlib
    import dataclasses
    import sys

    from mtcnn_fast.distributed import run

    share = _SHARE.fullmatch(shards)
    if share is None or int(share[1]) >= int(share[2]):
        raise bad_option(f"must be I/N with I from 0 to N - 1, got {shards!r}", "--shards")
    # Ray prints its warnings on standard output, which is for the result.
    with naming_options(), resumable("the same command resumes"), contextlib.redirect_stdout(sys.stderr):
        report = run(
            out,
            executor=executor,
            workers=workers,
            shards=(int(share[1]), int(share[2])),
            ray_address=ray_address,
        )
    if as_json:
        print_line(json.dumps(dataclasses.asdict(report)))
    else:
        rate = report.images / report.seconds if report.seconds else 0.0
        print_line(
            f"{report.images:,} images in {report.seconds:.1f} s ({rate:,.1f} images/s), {report.faces:,} faces, "
            f"{report.errors:,} errors; {report.resumed:,} were there already"
        )
    for index, reason in report.failed.items():
        print_error(f"mtcnn-fast: shard {index} has no part: {reason}")
    return FAILED if report.failed else 0


@batch.command("finish", cls=Command, examples=EXAMPLES["finish"])
@_OUT
def finish_batch(out: str) -> None:
    """Check that every part is there with its number of rows, and write manifest.json."""
    from mtcnn_fast.distributed import finish

    manifest = finish(out)
    print_line(f"{manifest['rows']:,} rows for {manifest['inputs']:,} inputs in {manifest['shards']:,} parts")


@batch.command("verify", cls=Command, examples=EXAMPLES["verify"])
@_OUT
@option("--recompute", metavar="N", default="0", help="Compute N rows again here and compare; all for every one.")
@_JSON
def verify_batch(out: str, recompute: str, as_json: bool) -> int:
    """Read every part and prove that each input has exactly one row."""
    import dataclasses

    from mtcnn_fast.distributed import verify

    if recompute != "all" and not recompute.isdecimal():
        raise bad_option(f"must be a number or all, got {recompute!r}", "--recompute")
    found = verify(out, recompute=None if recompute == "all" else int(recompute))
    if as_json:
        print_line(json.dumps(dataclasses.asdict(found)))
    else:
        engines = ", ".join(f"{count} by {name}" for name, count in found.engines.items()) or "none"
        print_line(f"{found.rows:,} rows for {found.inputs:,} inputs, {found.errors:,} errors, {found.faces:,} faces")
        print_line(f"parts: {engines}; {found.recomputed:,} rows computed again; digest {found.digest}")
    for problem in found.problems:
        print_error(f"mtcnn-fast: {problem}")
    return 0 if found.ok else FAILED
