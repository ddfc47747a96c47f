"""Every backend against the reference faces of the pictures that are part of the repository."""

from __future__ import annotations

import pytest

from support.data import COPY
from support.golden import BORDERS, compare_images, load_golden, match, read_image

pytestmark = pytest.mark.contract


@pytest.mark.parametrize("name", BORDERS)
def test_faces_match_the_reference(make_backend, name):
    golden = load_golden(name, COPY)
    tally = compare_images(make_backend, golden, golden.images)
    assert tally.faces == sum(map(len, golden.images.values())) > 0
    assert tally.matched == tally.faces, tally
    assert not tally.extras


def test_a_face_at_the_border_needs_zero_padding(make_backend):
    golden = load_golden("zero", COPY)
    image = read_image(COPY / "golden" / "images" / "astronaut_face_at_border.png")
    (padded,) = make_backend(border="zero").detect([image])
    pairs, _, _ = match(padded, golden.images["golden/images/astronaut_face_at_border.png"])
    assert len(pairs) == 1
    assert len(make_backend(border="clip").detect([image])[0]) == 0
