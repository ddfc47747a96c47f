"""``mtcnn-fast video``: find faces in videos and streams, print them, and write the video with them drawn or hidden."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from mtcnn_fast._paths import exists, is_folder
from mtcnn_fast.checks import Count
from mtcnn_fast.cli.commands import Command, option
from mtcnn_fast.cli.exit_codes import Interrupted
from mtcnn_fast.cli.settings import (
    bad_option,
    check_exclusive,
    checked,
    detector_options,
    make_detector,
    naming_options,
)

EXAMPLES = """
mtcnn-fast video talk.mp4 --blur --track -o talk_blurred.mp4
mtcnn-fast video talk.mp4 --track --jsonl > faces.jsonl
mtcnn-fast video talk.mp4 --stride 25 --parquet > faces.parquet
mtcnn-fast video camera:0 --jsonl
mtcnn-fast video rtsp://camera.local/stream --draw -o seen.mkv
"""

READING = "Reading"
FACES = "Faces"
RESULTS = "Results"
WRITING = "Video"


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("source", metavar="IN")
@option("--start", type=float, metavar="SECONDS", section=READING, help="Begin at this time.")
@option("--stop", type=float, metavar="SECONDS", section=READING, help="End before this time.")
@option(
    "--stride",
    type=int,
    default=1,
    callback=checked(Count()),
    metavar="N",
    section=READING,
    help="Take each n-th frame. [default 1]",
)
@option(
    "--fps", type=float, metavar="RATE", section=READING, help="Frames a second of a sequence of images. [default 25]"
)
@option(
    "--timeout",
    type=float,
    default=10.0,
    metavar="SECONDS",
    section=READING,
    help="How long a stream or camera may be silent. [default 10]",
)
@option(
    "--reconnect",
    type=float,
    default=30.0,
    metavar="SECONDS",
    section=READING,
    help="How long a live stream that broke off is tried again; 0 does not try. [default 30]",
)
@option("--track", is_flag=True, section=FACES, help="Give each face an id that stays the same over the frames.")
@option(
    "--detect-every",
    type=int,
    default=1,
    callback=checked(Count()),
    metavar="N",
    section=FACES,
    help="With --track, look for new faces in each n-th frame only: faster. [default 1]",
)
@option("--jsonl", "as_jsonl", is_flag=True, section=RESULTS, help="Print a JSON object a frame.")
@option("--parquet", "as_parquet", is_flag=True, section=RESULTS, help="Print a Parquet file, a row for each face.")
@option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    metavar="OUT",
    section=WRITING,
    help="The video to write: mp4, mov, mkv, webm, avi, ts, gif, webp, or numbered images such as out/%05d.png.",
)
@option("--draw", is_flag=True, section=WRITING, help="Draw the faces.")
@option("--blur", is_flag=True, section=WRITING, help="Blur each face.")
@option("--pixelate", is_flag=True, section=WRITING, help="Pixelate each face.")
@option("--no-audio", is_flag=True, section=WRITING, help="Leave out the sound.")
@option("--codec", metavar="NAME", section=WRITING, help="Encoder of FFmpeg. [default libx264; libvpx-vp9 for webm]")
@option(
    "--quality",
    type=int,
    callback=checked(Count(0, 63)),
    metavar="CRF",
    section=WRITING,
    help="Constant quality of the encoder, less is better. [default 20 for libx264]",
)
@detector_options()
def video(
    source: str,
    start: float | None,
    stop: float | None,
    stride: int,
    fps: float | None,
    timeout: float,
    reconnect: float,
    track: bool,
    detect_every: int,
    as_jsonl: bool,
    as_parquet: bool,
    out: Path | None,
    draw: bool,
    blur: bool,
    pixelate: bool,
    no_audio: bool,
    codec: str | None,
    quality: int | None,
    settings: dict[str, Any],
) -> int:
    """Find the faces in a video, print them, and write the video with them drawn or hidden.

    IN is a video file, an animation, a folder or pattern of images, an address (http, rtsp, ...), or camera:0.

    A damaged packet is reported and skipped. Ctrl-C completes OUT with what was done.
    """
    check_exclusive({"--draw": draw, "--blur": blur, "--pixelate": pixelate})
    check_exclusive({"--jsonl": as_jsonl, "--parquet": as_parquet})
    kinds = [name for name, wanted in (("draw", draw), ("blur", blur), ("pixelate", pixelate)) if wanted]
    _check_out(source, out, kinds)
    if detect_every > 1 and not track:
        raise bad_option("needs --track, which follows faces through the frames between", "--detect-every")
    if as_parquet and sys.stdout.isatty():
        raise bad_option("prints bytes, which a terminal cannot show: redirect them to a file", "--parquet")
    with make_detector(settings) as detector:
        from mtcnn_fast.cli.video_run import VideoRun
        from mtcnn_fast.cli.video_tables import make_table
        from mtcnn_fast.video import Tracking
        from mtcnn_fast.video.finding import Reader
        from mtcnn_fast.video.reading import Reading
        from mtcnn_fast.video.sources import open_source

        with naming_options():
            reading = Reading(start=start, stop=stop, fps=fps, timeout=timeout, reconnect=reconnect)
        # A face that is lost for a moment must not show; where faces are counted it must not be made up.
        fill = 0.5 if blur or pixelate else 0.0
        tracking = Tracking(detect_every=detect_every, fill=fill) if track else False
        table = make_table(as_jsonl, as_parquet, silent=out is not None)
        opened = open_source(
            source, reading, max_pixels=detector.config.max_pixels, with_sound=out is not None and not no_audio
        )
        run = VideoRun(detector, Reader(opened, stride), tracking, table)
        try:
            if out is not None:
                with naming_options():
                    run.write_to(out, kinds[0], codec=codec, quality=quality, shifts=start is not None)
            run.go()
        except KeyboardInterrupt:
            raise Interrupted(run.advice()) from None
        finally:
            run.report()
    return 0


def _check_out(source: str, out: Path | None, kinds: list[str]) -> None:
    if kinds and out is None:
        raise bad_option(f"--{kinds[0]} needs a file to write to", "--out")
    if out is None:
        return
    if not kinds:
        raise bad_option("say what to do with the faces: --draw, --blur or --pixelate", "--out")
    if is_folder(out):
        raise bad_option(f"{str(out)!r} is a folder", "--out")
    if not is_folder(out.parent) and "%" not in out.name:
        raise bad_option(f"there is no folder {str(out.parent)!r}", "--out")
    if exists(out) and exists(source) and os.path.samefile(source, out):  # noqa: PTH121
        raise bad_option("is the input, which would be replaced: name another file", "--out")
