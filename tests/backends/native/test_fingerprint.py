"""What each instruction set finds, compared with the past."""

from __future__ import annotations

import pytest

from support.fingerprint import COMMAND, fingerprint, recorded


def test_results_are_those_of_the_last_commit(isa):
    if isa not in recorded():
        pytest.skip(f"no fingerprint of {isa} is recorded: that takes a machine which has it")
    assert fingerprint(isa) == recorded()[isa], (
        f"the results on {isa} have changed, if only in the last bit. If that is meant, and the golden tests pass,"
        f" record them anew with: {COMMAND}"
    )
