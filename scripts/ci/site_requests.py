#!/usr/bin/env python3
"""Refuse a site whose pages make a browser ask another host for anything: scripts, styles, fonts, pictures.

    python scripts/ci/site_requests.py build/site

A link that a reader follows is none.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

#: Attributes whose address a browser fetches by itself.
FETCHED = {"src", "srcset", "poster", "data"}

#: Kinds of <link> that are fetched. Others name a page, such as the canonical address.
FETCHED_LINKS = {"stylesheet", "preload", "prefetch", "modulepreload", "preconnect", "dns-prefetch", "icon", "manifest"}

#: Classes for which the theme's script loads a library from a content delivery network.
LOADERS = {"mermaid", "arithmatex"}

FOREIGN = re.compile(r"^\s*(https?:)?//", re.IGNORECASE)
IN_STYLES = re.compile(r"""(?:url\(|@import)\s*["']?\s*((?:https?:)?//[^"')\s]+)""", re.IGNORECASE)


class Requests(HTMLParser):
    """Gathers the foreign addresses that a page fetches."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        fetched = [value for name, value in values.items() if name in FETCHED]
        if tag == "link" and FETCHED_LINKS & set(values.get("rel", "").lower().split()):
            fetched.append(values.get("href", ""))
        self.found += [f"<{tag}> {address}" for address in fetched if FOREIGN.match(address)]
        self.found += [f"<{tag} style> {address}" for address in IN_STYLES.findall(values.get("style", ""))]
        self.found += [f"class {name} loads a library" for name in LOADERS & set(values.get("class", "").split())]


def foreign_requests(site: Path) -> list[str]:
    """Return what the pages and style sheets below a folder ask other hosts for."""
    found = []
    for page in sorted(site.rglob("*.html")):
        parser = Requests()
        text = page.read_text(encoding="utf-8")
        parser.feed(text)
        styles = re.findall(r"<style[^>]*>(.*?)</style>", text, flags=re.DOTALL)
        found += [
            f"{page.relative_to(site)}: {each}" for each in [*parser.found, *IN_STYLES.findall("\n".join(styles))]
        ]
    for sheet in sorted(site.rglob("*.css")):
        found += [f"{sheet.relative_to(site)}: {each}" for each in IN_STYLES.findall(sheet.read_text(encoding="utf-8"))]
    return found


def main() -> None:
    site = Path(sys.argv[1])
    if not list(site.rglob("*.html")):
        sys.exit(f"{site} has no page")
    found = foreign_requests(site)
    if found:
        sys.exit("\n".join(["the site asks other hosts:", *found]))
    print(f"{len(list(site.rglob('*.html')))} pages ask no other host")


if __name__ == "__main__":
    main()
