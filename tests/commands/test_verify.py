"""`verify`: the history on disk, on other servers."""

from __future__ import annotations

import json

import pytest

from sqlstrata import commands
from sqlstrata.commands.verify import Verified
from sqlstrata.errors import HistoryDiffers, Unreachable
from tests.projects import Project
from tests.servers import answering


def test_verify_proves_on_several_servers_at_once(local: Project) -> None:
    local.configure(servers=["sqlite", "postgresql", "mariadb"])
    commands.rebuild(local.plan(), proof=False)
    urls = [
        "sqlite://",
        answering("postgresql"),
        answering("mariadb"),
        "postgresql+psycopg://ana:segredo99@127.0.0.1:1/x",
    ]
    with pytest.raises(Unreachable) as failed:
        commands.verify(local.plan(), urls)
    found = failed.value.result
    assert isinstance(found, Verified)
    assert [set(server.seconds) for server in found.servers[:3]] == [{"pessoas", "cidades", "email"}] * 3
    assert [server.error is None for server in found.servers] == [True, True, True, False]
    assert "segredo99" not in json.dumps(failed.value.to_json())


def test_verify_tells_a_history_that_does_not_do(local: Project) -> None:
    commands.rebuild(local.plan(), proof=False)
    path = next(local.versions.glob("0003*"))
    path.write_text(path.read_text().replace("nullable=True", "nullable=False"))
    with pytest.raises(HistoryDiffers, match="hand edit"):
        commands.verify(local.plan())
