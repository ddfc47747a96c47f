"""What the build adds to the metadata: the repository's address, and with it links that work outside the repository.

The address stands in no file, so that a fork's packages point to the fork: the environment variable ``MTCNN_FAST_URL``
names it, as the workflow of the release does. Without it there are no URLs, and the README's links stay relative.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

VARIABLE = "MTCNN_FAST_URL"
#: Code, which stays as it is; a link or picture to a file of the repository: no scheme, no place on the same page.
CODE = r"(?s:```.*?```)|`[^`\n]*`"
RELATIVE = re.compile(CODE + r"|(?P<begin>(?P<picture>!?)\[[^\]]*\]\()(?![a-z]+:|#)(?P<path>[^)\s]+)")


def absolute_links(text: str, url: str, version: str) -> str:
    """Turn links to files of the repository into links to the same files of that version."""

    def replace(found: re.Match[str]) -> str:
        if found["path"] is None:
            return found[0]
        kind = "raw" if found["picture"] else "blob"
        return f"{found['begin']}{url}/{kind}/v{version}/{found['path']}"

    return RELATIVE.sub(replace, text)


def urls(url: str) -> dict[str, str]:
    """Return the project's addresses under the labels that PyPI knows."""
    blob = f"{url}/blob/HEAD"
    return {
        "Homepage": url,
        "Source": url,
        "Issues": f"{url}/issues",
        "Documentation": f"{blob}/docs",
        "Changelog": f"{blob}/CHANGELOG.md",
    }


def dynamic_metadata(field: str, settings: Mapping[str, Any], project: Mapping[str, Any]) -> dict[str, str]:
    """Answer scikit-build-core, which asks for the fields `readme` and `urls`."""
    url = os.environ.get(VARIABLE, "").rstrip("/")
    if url and not re.fullmatch(r"https://[^\s/]+/\S+", url):
        raise SystemExit(f"{VARIABLE} must be the address of a repository like https://example.org/name, got {url!r}")
    if field == "urls":
        return urls(url) if url else {}
    if field != "readme":
        raise SystemExit(f"project_metadata.py gives the fields readme and urls, not {field}")
    text = Path("README.md").read_text(encoding="utf-8")
    if url:
        text = absolute_links(text, url, project["version"])
    return {"content-type": "text/markdown", "text": text}
