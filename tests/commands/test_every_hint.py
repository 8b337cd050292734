"""Ten stages with every hint, on every server."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from pymysql.constants import CLIENT

from sqlstrata.databases import creation, database, removal
from tests.commands.running import (
    Inv,
    Ran,
    rows,
    tables,
)
from tests.projects import NOTE, SHOP_STAGES, shop
from tests.servers import anything


@pytest.mark.parametrize("server_url", ["sqlite", "postgresql", "mariadb"], indirect=True)
def test_the_sql_of_stages_with_every_hint_does_what_up_does(
    inv: Inv, server_url: tuple[str, str], tmp_path: Path
) -> None:
    _, url = server_url
    loja = shop(tmp_path / "loja", url=url)
    words = ("--config", str(loja.config))
    assert inv("rebuild", "--no-apply", "--no-proof", *words).code == 0
    script = inv("sql", "--to", "servidores", *words).out
    creation.create(url)
    run_script(url, script)
    assert min(rows(url, "SELECT texto FROM avisos")) == (NOTE,)
    at = inv("status", "--json", *words).json
    assert (at["stage"], at["schema_matches"], at["pending"][0]) == ("servidores", True, "sem_fone")
    run_script(url, inv("sql", "--from-stage", "servidores", "--to", "base", *words).out)
    assert tables(url) == []


def run_script(url: str, script: str) -> None:
    """Run a script as the server's own client would."""
    made = database.engine(url)
    if made.dialect.name == "sqlite":
        connection = sqlite3.connect(str(made.url.database), isolation_level=None)
        connection.executescript(script)
        connection.close()
        return
    if made.dialect.name in {"mysql", "mariadb"}:
        made = sa.create_engine(made.url, poolclass=sa.NullPool, connect_args={"client_flag": CLIENT.MULTI_STATEMENTS})
    with database.connect(made) as connection:
        cursor = connection.connection.cursor()
        cursor.execute(script)
        while cursor.nextset():
            pass
        connection.connection.commit()


@pytest.mark.parametrize("server_url", ["sqlite", "postgresql", "mariadb"], indirect=True)
def test_stock_alembic_works_in_a_folder_that_rebuild_made(
    inv: Inv, server_url: tuple[str, str], tmp_path: Path
) -> None:
    _, url = server_url
    loja = shop(tmp_path / "loja")
    assert inv("rebuild", "--no-apply", "--no-proof", "--config", str(loja.config)).code == 0
    creation.create(url)

    def alembic(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "alembic", *words],
            cwd=loja.folder, env={**os.environ, "DATABASE_URL": url}, capture_output=True, text=True, check=False,
        )  # fmt: skip

    (loja.folder / "loja" / "__init__.py").write_text(
        "from . import avisos\nfrom .cadastro import clientes, sem_fone\nfrom .clientes import Cliente\n"
    )
    for words in (["upgrade", "head"], ["check"], ["downgrade", "-1"]):
        done = alembic(*words)
        assert done.returncode == 0, done.stderr
    stopped = alembic("downgrade", "base")
    assert stopped.returncode != 0
    assert "This stage cannot be undone (downgrade: false). Nothing was changed." in stopped.stdout + stopped.stderr
    assert inv("status", "--url", url, "--json", "--config", str(loja.config)).json["stage"] == "inteiro"


@pytest.mark.parametrize("server_url", ["sqlite", "postgresql", "mariadb"], indirect=True)
def test_ten_stages_with_every_hint_go_up_and_down_and_up(
    inv: Inv, server_url: tuple[str, str], tmp_path: Path
) -> None:
    server, url = server_url
    loja = shop(tmp_path / "loja", url=url, prove_on=[server])
    kind = sa.make_url(server).get_backend_name().replace("mariadb", "mysql")
    names = [stage["name"] for stage in SHOP_STAGES]

    def given(*words: str) -> Ran:
        return inv(*words, "--config", str(loja.config))

    ran = given("rebuild", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["applied"] == names
    assert given("check").code == 0
    assert given("status").code == 0
    assert rows(url, "SELECT nome_completo, idade, apelido, pais FROM clientes ORDER BY id") == [
        ("Alice", 30, "alice%:", "BR"),
        ("Bob", None, "bob%:", "BR"),
        ("Célia", 41, "célia%:", "BR"),
        ("Davi", 7, "davi", "PT"),
    ]
    assert rows(url, "SELECT cliente_id, valor FROM encomendas ORDER BY id") == [
        (1, 10),
        (3, 21),
    ]
    assert rows(url, "SELECT cliente_id, nome FROM etiquetas ORDER BY 1") == [(1, "vip"), (4, "vip")]

    assert given("down", "--json").json == {"undone": ["etiquetas"]}
    refused = given("down", "--json")
    assert refused.code == 6
    assert "This stage cannot be undone" in refused.error["message"]
    assert given("up", "--json").json == {"applied": ["etiquetas"]}

    removal.drop(url, anything)
    loja.configure(stages=[dict(stage) for stage in SHOP_STAGES[:8]])
    assert given("rebuild", "--no-proof").code == 0
    assert given("down", "--to", "servidores").code == 0
    assert rows(url, "SELECT texto FROM avisos ORDER BY texto") == []
    assert rows(url, "SELECT nome_completo, fone FROM clientes ORDER BY id") == [
        (name, "?") for name in ("Alice", "Bob", "Célia", "Davi")
    ]
    assert given("down", "--to", "nomes").code == 0
    assert given("up", "--to", "servidores").code == 0
    assert rows(url, "SELECT texto FROM avisos ORDER BY texto") == [(NOTE,), (f"on {kind}",), ("second",)]
    assert given("down", "--to", "clientes").code == 0
    assert rows(url, "SELECT nome, idade FROM clientes ORDER BY id") == [
        ("Alice", "30"), ("Bob", None), ("Célia", "41"), ("Davi", "7"),
    ]  # fmt: skip
    assert given("down", "--to", "base", "--json").json == {"undone": ["clientes"]}
    assert tables(url) == []
    assert given("up", "--json").json == {"applied": names[:8]}
    assert given("status").code == 0
