"""A storyboard as a page for the browser, in one file."""

from __future__ import annotations

import base64
import io
from html import escape

from mtcnn_fast.faces.fates import Fate
from mtcnn_fast.faces.storyboard import COLORS, KEPT, MEANINGS, Story, step_panels, title_of, view_of
from mtcnn_fast.faces.trace import STEPS

#: Rows of each step's table; more are counted below it.
ROWS = 20

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.45 system-ui, sans-serif; }
body { max-width: 84rem; margin: 2rem auto; padding: 0 1rem; }
.steps { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: 1.5rem; }
figure { margin: 0; } img { width: 100%; height: auto; border-radius: 4px; }
figcaption, .note { opacity: .75; font-size: .9rem; }
.remedy { border-left: 4px solid #145aff; padding-left: .8rem; }
.swatch { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 1em; }
table { border-collapse: collapse; font-size: .85rem; } th, td { padding: .15rem .6rem; text-align: right; }
"""


def storyboard_page(story: Story) -> str:
    """Return an HTML page with a storyboard: title, verdict, remedy, legend, a picture and a table for each step.

    Parameters
    ----------
    story : Story

    Returns
    -------
    html : str
        A whole page that loads nothing; it follows the reader's light or dark colors.
    """
    fates = {fate.step: fate for fate in story.fates}
    figures = []
    for (head, notes, panel), name in zip(step_panels(story, view_of(story)), STEPS, strict=True):
        file = io.BytesIO()
        panel.save(file, "PNG")
        data = base64.b64encode(file.getvalue()).decode()
        table = _table(fates[name]) if name in fates else ""
        caption = "<br>".join(escape(note) for note in notes)
        figures.append(
            f"<figure><h2>{escape(head)}</h2><figcaption>{caption}</figcaption>"
            f'<img alt="{escape(head)}: {escape(notes[-1])}" src="data:image/png;base64,{data}">{table}</figure>'
        )
    title = escape(title_of(story))
    remedy = f'<p class="remedy">{escape(story.remedy)}</p>' if story.remedy else ""
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>"
        f"<p>{escape(story.verdict[:1].upper() + story.verdict[1:])}.</p>{remedy}{_legend()}"
        f'<div class="steps">{"".join(figures)}</div></body></html>'
    )


def _legend() -> str:
    entries = [(KEPT, "kept"), *((color, f"dropped: {MEANINGS[reason]}") for reason, color in COLORS.items())]
    swatches = (f'<span class="swatch" style="background:rgb{color}"></span>{escape(text)}' for color, text in entries)
    return f'<p class="note">{"".join(swatches)}</p>'


def _table(fate: Fate) -> str:
    """List the candidates at the point that a step dropped, and the best one that it kept."""
    rows = []
    if fate.best is not None:
        rows.append(("kept (best)", fate.best[:4], fate.best[4]))
    rows += [(reason, box, score) for reason, box, score, _ in fate.dropped[:ROWS]]
    if not rows:
        return ""
    body = "".join(
        f"<tr><td>{escape(what)}</td><td>{score:.4f}</td>" + "".join(f"<td>{v:.0f}</td>" for v in box) + "</tr>"
        for what, box, score in rows
    )
    hidden = len(fate.dropped) - ROWS
    note = f'<p class="note">and {hidden} more dropped</p>' if hidden > 0 else ""
    head = "".join(f"<th>{name}</th>" for name in ("at the point", "score", "x1", "y1", "x2", "y2"))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"
