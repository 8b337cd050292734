"""What a session, a role, a database or a URL sets does not change the values that a stage gives."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.util import CommandError

import sqlstrata
from sqlstrata.databases import database
from sqlstrata.errors import SqlstrataError
from sqlstrata.migrate.apply import configuration
from sqlstrata.operations.session import settled
from sqlstrata.plan import Plan
from sqlstrata.scratch.bracket import scratch
from tests.projects import write
from tests.servers import answering

BEFORE = """
class Item(Base):
    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    dia: Mapped[object] = mapped_column(sa.Date, nullable=True)
"""
AFTER = """
class Item(Base):
    __tablename__ = "item"
    __table_args__ = {"comment": "a\\\\b 'c'"}
    id: Mapped[int] = mapped_column(primary_key=True)
    dia: Mapped[str | None] = mapped_column(sa.String(40), comment="d\\\\e")
    nota: Mapped[str] = mapped_column(sa.String(40))
    quando: Mapped[object] = mapped_column(TYPE)
"""
STRANGE = {
    "postgresql": {
        "standard_conforming_strings": "off",
        "datestyle": "German, DMY",
        "timezone": "America/Sao_Paulo",
        "intervalstyle": "iso_8601",
    },
    "mariadb": {"sql_mode": "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT", "time_zone": "-03:00"},
}
TYPES = {"postgresql": "sa.DateTime(timezone=True)", "mariadb": "sa.TIMESTAMP"}
NOTES = {"postgresql": ("'x\\y'", "x\\y"), "mariadb": ('concat("x\\\\y", 1 || 0)', "x\\y1")}


def project(folder: Path, kind: str, nota: str) -> Plan:
    stages: list[dict[str, Any]] = [
        {"name": "antes", "enable": ["antes"]},
        {
            "name": "depois", "disable": ["antes"], "enable": ["depois"],
            "fill": {"item.nota": nota, "item.quando": "'2024-01-01 10:00:00'"},
        },
    ]  # fmt: skip
    modules = {"antes": BEFORE, "depois": AFTER.replace("TYPE", TYPES[kind])}
    server = answering(kind)
    url = sa.make_url(server).set(database="nowhere").render_as_string(hide_password=False)
    return write(folder / "p", modules, stages, url=url, prove_on=[server]).plan()


@contextmanager
def strange(kind: str) -> Iterator[sa.URL]:
    """A scratch database whose sessions have other settings."""
    with scratch(answering(kind)) as empty:
        url = empty.url
        if kind == "postgresql":
            with empty.engine.connect() as connection:
                for name, value in STRANGE[kind].items():
                    connection.exec_driver_sql(f"ALTER DATABASE {url.database} SET {name} = '{value}'")
                connection.commit()
        else:
            settings = ", ".join(f"{name} = '{value}'" for name, value in STRANGE[kind].items())
            url = url.update_query_dict({"init_command": f"SET {settings}"})
        yield url


def insert(url: sa.URL) -> None:
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        connection.execute(sa.text("INSERT INTO item (id, dia) VALUES (1, :dia)"), {"dia": dt.date(2024, 3, 2)})


def found(url: sa.URL) -> tuple[Any, ...]:
    """The row, as a session in UTC reads it, and the comments."""
    with database.connect(database.engine(url)) as connection:
        row = connection.exec_driver_sql("SELECT dia, nota, quando FROM item").one()
        inspector = sa.inspect(connection)
        comments = {each["name"]: each["comment"] for each in inspector.get_columns("item")}
        table = inspector.get_table_comment("item")["text"]
    return row.dia, row.nota, row.quando.replace(tzinfo=None), table, comments["dia"]


@pytest.mark.parametrize("kind", STRANGE)
@pytest.mark.parametrize("by", ["up", "alembic"])
def test_the_values_are_right_whatever_a_session_says(kind: str, by: str, tmp_path: Path) -> None:
    nota, value = NOTES[kind]
    plan = project(tmp_path, kind, nota)
    sqlstrata.rebuild(plan, apply_it=False)
    with strange(kind) as url:
        for stage, revision in zip(("antes", "depois"), sqlstrata.history(plan), strict=True):
            if by == "up":
                sqlstrata.up(plan, to=stage, url=url.render_as_string(hide_password=False))
            else:
                config = configuration(plan.migrations)
                config.set_main_option("sqlalchemy.url", url.render_as_string(hide_password=False).replace("%", "%%"))
                command.upgrade(config, revision.id)
            if stage == "antes":
                insert(url)
        expected = ("2024-03-02", value, dt.datetime(2024, 1, 1, 10), "a\\b 'c'", "d\\e")  # noqa: DTZ001
        assert found(url) == expected


def test_mariadb_cuts_nothing_off_where_it_is_not_strict(tmp_path: Path) -> None:
    plan = project(tmp_path, "mariadb", f"'{'x' * 50}'")
    sqlstrata.rebuild(plan, apply_it=False, proof=False)
    with strange("mariadb") as url:
        text = url.render_as_string(hide_password=False)
        sqlstrata.up(plan, to="antes", url=text)
        insert(url)
        with pytest.raises(SqlstrataError, match="Data too long for column 'nota'"):
            sqlstrata.up(plan, url=text)


@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("postgresql", "SET standard_conforming_strings = off"),
        ("mariadb", "SET sql_mode = 'ANSI_QUOTES'"),
        ("mariadb", "SET sql_mode = 'NO_BACKSLASH_ESCAPES'"),
    ],
)
def test_a_connection_that_sqlalchemy_has_adapted_to_is_refused(kind: str, statement: str) -> None:
    with scratch(answering(kind)) as empty, empty.engine.connect() as connection:
        connection.exec_driver_sql(statement)
        connection.commit()
        with pytest.raises(CommandError, match="where a revision's SQL would mean something else"), settled(connection):
            pass


@pytest.mark.parametrize(
    ("kind", "name", "value"), [("postgresql", "TimeZone", "Asia/Tokyo"), ("mariadb", "time_zone", "+09:00")]
)
def test_somebodys_connection_has_its_settings_again(kind: str, name: str, value: str) -> None:
    ask = {"postgresql": "SHOW TimeZone", "mariadb": "SELECT @@time_zone"}[kind]
    with scratch(answering(kind)) as empty, empty.engine.connect() as connection:
        connection.exec_driver_sql(f"SET {name} = '{value}'")
        connection.commit()
        with settled(connection):
            assert connection.exec_driver_sql(ask).scalar() in {"UTC", "+00:00"}
        assert connection.exec_driver_sql(ask).scalar() == value
