"""Requests drawn from the OpenAPI document get the answers that the document promises."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from PIL import Image

from support.data import PHOTO
from support.portrait import portrait
from support.serving import Server, skip_without_extra

skip_without_extra()
schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")

from schemathesis.specs.openapi.checks import positive_data_acceptance  # noqa: E402


def pictures() -> Any:
    """Draw files of which some are images."""
    file = io.BytesIO()
    Image.fromarray(portrait()).save(file, "PNG")
    whole = [file.getvalue(), PHOTO.read_bytes()]
    return st.sampled_from(whole) | st.binary(max_size=200) | st.builds(lambda n: whole[0][:n], st.integers(0, 5000))


for kind in ("jpeg", "png", "webp", "avif", "heic", "gif", "bmp", "tiff"):
    schemathesis.openapi.media_type(f"image/{kind}", pictures())


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_answers_are_those_of_the_document(server: Server, mode: Any) -> None:
    document = schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/openapi.json")
    names = []
    for found in document.get_all_operations():
        operation = found.ok()
        names.append(operation.label)
        with contextlib.suppress(hypothesis.errors.Unsatisfiable):
            check(operation.as_strategy(generation_mode=mode))
    assert len(names) > 10
    assert "POST /v1/detect" in names


def check(cases: Any) -> None:
    """Send requests, and hold each answer against what the document says of it."""

    @hypothesis.settings(
        max_examples=8,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(case=cases)
    def send(case: Any) -> None:
        # A file that is no image has the form that the document asks for, and is refused all the same.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    send()
