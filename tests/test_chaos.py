"""A minute of chaos in every run of the tests; `python -m tests.chaos` does as much as one likes."""

from __future__ import annotations

import os

import pytest
from conftest import SERVERS, answering

from tests.chaos.campaign import campaign

SEED = int(os.environ.get("STRATA_SEED", "20240229"))
SECONDS = float(os.environ.get("STRATA_CHAOS", "60"))
"""How long, over all servers."""


@pytest.mark.parametrize("kind", list(SERVERS))
def test_no_scenario_loses_a_row_or_touches_a_stranger_s_database(kind: str) -> None:
    answering(kind)
    tally = campaign(SEED, SECONDS / len(SERVERS), wanted=lambda case: case.server == kind)
    assert tally.runs
    assert not tally.bad, "\n".join(["", *(str(each) for each in tally.bad), tally.table()])
