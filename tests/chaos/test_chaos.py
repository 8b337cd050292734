"""Some chaos in every run of the tests; `python -m tests.chaos` does as much as one likes."""

from __future__ import annotations

import itertools
import os

import pytest

from tests.chaos.campaign import campaign, play
from tests.chaos.holes import HOLES
from tests.chaos.registry import cases
from tests.servers import SERVERS, answering

SEED = int(os.environ.get("STRATA_SEED", "20240229"))
SECONDS = float(os.environ.get("STRATA_CHAOS", "12"))
"""How long, over all servers."""


@pytest.mark.parametrize("kind", list(SERVERS))
def test_no_scenario_loses_a_row_or_touches_a_stranger_s_database(kind: str) -> None:
    answering(kind)
    tally = campaign(SEED, SECONDS / len(SERVERS), wanted=lambda case: case.server == kind)
    assert tally.runs
    assert not tally.bad, "\n".join(["", *(str(each) for each in tally.bad), tally.table()])


@pytest.mark.parametrize("name", list(HOLES)[:: 1 if SECONDS >= 60 else 3])
def test_a_fault_that_is_put_back_is_found(name: str) -> None:
    """So that one sees that the campaign looks where it should."""
    hole = HOLES[name]
    fitting = (case for case in cases(SEED) if hole.only == case.scenario.name)
    found = (play(case, name) for case in itertools.islice(fitting, 8))
    assert any(fault.what == hole.fault for outcome in found for fault in outcome.faults)
