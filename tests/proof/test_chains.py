"""Any chain of stages goes up, down and up again on each server, or is refused before anything is written.

`STRATA_CHAINS=1000 pytest -o faulthandler_timeout=0 tests/proof/test_chains.py` makes a thousand for each server, other ones
each time.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, event, given, settings

from sqlstrata.commands.staging import staged
from sqlstrata.dialects import unmarked
from sqlstrata.errors import Refused, WrongUse
from sqlstrata.plan import Cast, Plan, Sql, Stage
from sqlstrata.plan.values import Base, Database, Mark, Marks, Models
from sqlstrata.proof.mirror import Mirror
from sqlstrata.proof.prove import prove
from sqlstrata.proof.verdict import NotProved
from sqlstrata.revisions.generate import Step, steps_of
from sqlstrata.scratch.bracket import scratch
from sqlstrata.scratch.clear import clear
from sqlstrata.snapshot import Snapshot, snapshot
from tests.proof.chains import Chain, chains
from tests.servers import SERVERS, answering

LONG = int(os.environ.get("STRATA_CHAINS", "0"))
SLOW = list(HealthCheck)
GENERATE = tuple(Phase) if LONG else (Phase.explicit, Phase.generate)


def sample(number: int) -> settings:
    """This many chains, the same each time, and what fails is printed as it was drawn; or as many as were asked for."""
    return settings(
        max_examples=LONG or number,
        derandomize=not LONG,
        database=None,
        deadline=None,
        phases=GENERATE,
        suppress_health_check=SLOW,
        print_blob=bool(LONG),
    )


@given(chains("sqlite"))
@sample(20)
def test_a_chain_is_proved_on_sqlite(chain: Chain) -> None:
    event(outcome(chain).partition(":")[0])


@given(chains("postgresql"))
@sample(4)
def test_a_chain_is_proved_on_postgresql(chain: Chain) -> None:
    answering("postgresql")
    event(outcome(chain).partition(":")[0])


@given(chains("mariadb"))
@sample(4)
def test_a_chain_is_proved_on_mariadb(chain: Chain) -> None:
    answering("mariadb")
    event(outcome(chain).partition(":")[0])


@pytest.mark.parametrize("server", list(SERVERS))
def test_what_can_be_made_is_hardly_ever_refused(server: str) -> None:
    """A stage that nobody can migrate is rare: most of what create_all can make, a revision can, too."""
    refused = []

    @given(chains(server))
    @settings(sample(30), max_examples=30, derandomize=True)
    def look(chain: Chain) -> None:
        try:
            made(chain)
        except WrongUse as error:
            if "both need a `fill` by that name" not in error.message:  # config.yaml has one name for the two
                refused.append(error.message)

    look()
    assert len(refused) <= 2, refused


class ImpossibleError(Exception):
    """Models that the server refuses, such as two constraints with one name."""


@pytest.mark.parametrize("server", list(SERVERS))
def test_a_mirror_that_follows_shows_what_making_all_of_each_stage_does(server: str) -> None:
    url = answering(server)

    @given(chains(server))
    @sample(20 if server == "sqlite" else 5)
    def look(chain: Chain) -> None:
        whole: list[Snapshot] = []
        with Mirror(url) as mirror, scratch(url) as empty, empty.engine.connect() as connection:

            def hear(stage: Stage, metadata: sa.MetaData, changed: frozenset[str]) -> None:
                mirror.show(stage, metadata, changed)
                clear(connection)
                try:
                    with unmarked(metadata):
                        metadata.create_all(connection)
                except sa.exc.DBAPIError as error:
                    connection.rollback()
                    raise ImpossibleError from error
                connection.commit()
                whole.append(snapshot(connection))

            try:
                with suppress(WrongUse, Refused):
                    steps_of(plan(chain), chain.turns(), hear=hear)
            except ImpossibleError:
                with pytest.raises(WrongUse, match="cannot be created on"):
                    mirror.expected()
                return
            shown = mirror.expected()
        for number, (each, full) in enumerate(zip(shown, whole, strict=True)):
            assert each.snapshot == full
            if number and each.names is not None:
                before = whole[number - 1].things
                other = {key for key in {*before, *full.things} if before.get(key) != full.things.get(key)}
                assert other <= each.names

    look()


# ------------------------------------------------------------------------------ one chain


class Need(TypedDict):
    """What a refusal asks for, as `--json` tells it."""

    stage: str
    key: str
    name: str
    value: str | dict[str, str] | None


def plan(chain: Chain) -> Plan:
    """As much of a plan as the chain's server needs."""
    url, nowhere = SERVERS[chain.server], Path("nowhere")
    marks = Marks("config.yaml", Mark(1, 1, "", {}))
    stages = tuple(stage for stage, _ in chain.stages)
    return Plan(
        nowhere,
        nowhere,
        Database(url),
        Models("models", (Base("base", "Base"),)),
        nowhere,
        nowhere,
        (url,),
        stages,
        marks,
    )


def made(chain: Chain) -> tuple[Step, ...]:
    """The chain's revisions; what the refusal asks for is pasted, once: that must be enough."""
    try:
        return steps_of(plan(chain), chain.turns())
    except Refused as error:
        needs = error.details["needs"]
    chain = replace(chain, stages=tuple((pasted(stage, needs), schema) for stage, schema in chain.stages))
    return steps_of(plan(chain), chain.turns())


def pasted(stage: Stage, needs: Sequence[Need]) -> Stage:
    for need in needs:
        if need["stage"] == stage.name:
            stage = one_pasted(stage, need["key"], need["name"], need["value"])
    return stage


def one_pasted(stage: Stage, key: str, name: str, value: str | dict[str, str] | None) -> Stage:
    texts = value if isinstance(value, dict) else {"default": value}
    sql = Sql(**{server: (text,) for server, text in texts.items()})
    if key == "drop":
        return replace(stage, drop=(*stage.drop, name))
    if key == "fill":
        return replace(stage, fill={**stage.fill, name: sql})
    return replace(stage, cast={**stage.cast, name: Cast(up=sql)})


def outcome(chain: Chain) -> str:
    """`proved`, or who refused it before anything was written: the stages, or the rows."""
    try:
        steps = made(chain)
    except WrongUse as error:
        return f"refused: {error.message}"
    revisions = tuple(step.revision for step in steps)
    try:
        with staged(plan(chain), revisions) as folder:
            prove(SERVERS[chain.server], folder, steps, lambda _: None)
    except WrongUse as error:  # two columns of one enum under a convention: their checks have one name
        return f"refused: {error.message}"
    except NotProved as error:
        if getattr(error.__cause__, "code", None) in {6, 9}:
            return f"stopped: {error.message}"
        error.add_note("\n".join(revision.text for revision in revisions))
        raise
    return "proved"
