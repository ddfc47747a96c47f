"""Every backend against facenet-pytorch's faces in all reference images (docs/semantics.md, "Contracts")."""

from __future__ import annotations

import pytest

from support import golden_report
from support.data import DATA, shared
from support.golden import BORDERS, LEAST_MATCHED, compare_images, load_golden

pytestmark = pytest.mark.golden

#: Images a test looks at, at most: small enough to spread over processes.
_SHARE = 40


def _cases() -> list[tuple[str, str, int]]:
    """List file, event and first image of each test; without the data, one case that is skipped."""
    if not (DATA / "golden" / "default.json").exists():
        return [("default", "images", 0)]
    return [
        (name, event, first)
        for name in BORDERS
        for event, paths in load_golden(name).events().items()
        for first in range(0, len(paths), _SHARE)
    ]


CASES = _cases()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "event", "first"), CASES)
def test_faces_match_the_reference(make_backend, backend_name, record_property, name, event, first):
    shared(f"golden/{name}.json")
    golden = load_golden(name)
    paths = golden.events()[event][first : first + _SHARE]
    for path in paths:
        shared(path)
    tally = compare_images(make_backend, golden, paths)
    golden_report.attach(record_property, backend_name, name, len(CASES), tally)
    assert tally.faces == sum(len(golden.images[path]) for path in paths)
    assert tally.share_matched >= LEAST_MATCHED, "\n".join(tally.misses)
    assert len(tally.extras) <= (1 - LEAST_MATCHED) * tally.faces, "\n".join(tally.extras)
