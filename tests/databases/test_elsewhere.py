"""Nothing of anybody else's is touched: URLs that lead elsewhere, marks that travel, and names that somebody takes."""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from sqlstrata import commands
from sqlstrata.databases import addresses, creation, database, local, ownership, removal
from sqlstrata.errors import Locked, Protected, SqlstrataError, Unreachable, WrongUse
from sqlstrata.scratch.bracket import scratch
from sqlstrata.scratch.clear import clear
from tests.outcomes import outcome
from tests.projects import Project, write
from tests.servers import SERVERS, answering, anything

MODULES = {
    "pessoas": """
        class Pessoa(Base):
            __tablename__ = "pessoas"
            id: Mapped[int] = mapped_column(primary_key=True)
            nome: Mapped[str] = mapped_column(sa.String(50))
        """,
    "lojas": """
        class Loja(Base):
            __tablename__ = "lojas"
            id: Mapped[int] = mapped_column(primary_key=True)
        """,
}
STAGES = [
    {"name": "pessoas", "enable": ["pessoas"], "rows": {"pessoas": [{"nome": "Ana"}]}},
    {"name": "lojas", "enable": ["lojas"]},
]
YES: Callable[[str], bool] = lambda _: True  # noqa: E731


@dataclass(frozen=True)
class Place:
    """A project whose database is at the first stage, and a stranger's database full of rows on the same server."""

    project: Project
    mine: sa.URL
    other: sa.URL

    def url(self, lie: str) -> str:
        """A URL made of those of our database, its server, and the other one's name."""
        server = self.mine.set(database=None).render_as_string(hide_password=False)
        mine = self.mine.render_as_string(hide_password=False)
        return lie.format(mine=mine, server=server, other=self.other.database, name=self.mine.database)

    def rows(self, url: sa.URL) -> dict[str, list[tuple[object, ...]]]:
        """All that is in a database, asked past this program."""
        made = sa.create_engine(url, poolclass=sa.NullPool)
        with made.connect() as connection:
            names = sorted(sa.inspect(connection).get_table_names())
            return {name: [tuple(r) for r in connection.execute(sa.text(f"SELECT * FROM {name}"))] for name in names}


def fill(url: sa.URL) -> None:
    with database.engine(url).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE contas (id INTEGER, saldo INTEGER)")
        connection.exec_driver_sql(f"INSERT INTO contas VALUES {', '.join(f'({n}, {n * n})' for n in range(352))}")


@pytest.fixture(params=list(SERVERS))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    server = answering(request.param)
    names = [f"strata_test_{secrets.token_hex(6)}" for _ in range(2)]
    if server == "sqlite://":
        names = [str(tmp_path / "p" / f"{name}.db") for name in names]
    mine, other = (sa.make_url(server).set(database=name) for name in names)
    url = mine.render_as_string(hide_password=False)
    project = write(tmp_path / "p", MODULES, STAGES[:1], url=url, package="modelos")
    commands.onboard(project.plan())
    project.configure(stages=[{"message": each["name"], **each} for each in STAGES])
    commands.rebuild(project.plan(), apply_it=False, proof=False)
    creation.create(other)
    fill(other)
    yield Place(project, mine, other)
    for each in (mine, other):
        with suppress(SqlstrataError):
            removal.drop(each, anything)


def run_all(place: Place, url: str, *only: str) -> dict[str, SqlstrataError | None]:
    """Run every command on the URL, as `--url` or as the plan's database or server, and give what each ended with.

    only: the commands that are wanted, where these are not all.
    """
    project = place.project

    def configured(work: Callable[[], object], **changes: object) -> None:
        before = project.config.read_text(encoding="utf-8")
        try:
            project.configure(**changes)
            work()
        finally:
            project.config.write_text(before, encoding="utf-8")

    own = {"database": {"url": url}}
    works: dict[str, Callable[[], object]] = {
        "status": lambda: outcome(commands.status, project.plan(), url),
        "identify": lambda: commands.identify(project.plan(), url),
        "adopt": lambda: commands.adopt(project.plan(), url),
        "down": lambda: commands.down(project.plan(), "pessoas", url),
        "verify": lambda: commands.verify(project.plan(), (url,)),
        "prove_on": lambda: configured(lambda: commands.rebuild(project.plan(), apply_it=False), prove_on=[url]),
        "rebuild": lambda: configured(lambda: commands.rebuild(project.plan(), proof=False), **own),
        "onboard": lambda: configured(lambda: commands.onboard(project.plan()), **own),
        "up": lambda: commands.up(project.plan(), url=url),
        "reset": lambda: configured(lambda: commands.reset(project.plan(), YES), **own),
    }
    found: dict[str, SqlstrataError | None] = {}
    for name in only or works:
        try:
            works[name]()
            found[name] = None
        except SqlstrataError as error:
            found[name] = error
    return found


REFUSED = {
    "postgresql": {
        "{mine}?dbname={other}": "dbname",
        "{mine}?dbname={name}&dbname={other}": "dbname",
        "{mine}?host=127.0.0.1": "host",
        "{mine}?user=ninguem": "user",
        "{mine}?port=5432": "port",
    },
    "mariadb": {
        "{mine}?database={other}": "database",
        "{mine}?db={other}": "db",
        "{mine}?init_command=USE+{other}": "init_command",
        "{mine}?host=localhost": "host",
        "{mine}?user=ninguem": "user",
    },
    "sqlite": {
        "{mine}?mode=ro": "mode",
        "{mine}?uri=true&mode=memory": "mode",
        "sqlite:///file:{other}?uri=true": "file",
    },
}


def test_a_url_that_leads_elsewhere_is_refused_with_its_option(place: Place) -> None:
    before = place.rows(place.mine), place.rows(place.other)
    for lie, key in REFUSED[addresses.server_kind(place.mine)].items():
        for name, error in run_all(place, place.url(lie)).items():
            assert isinstance(error, WrongUse), (lie, name, error)
            assert key in str(error), (lie, name, error)
    assert (place.rows(place.mine), place.rows(place.other)) == before


HONOURED: dict[str, list[tuple[str, dict[str, str]]]] = {
    "postgresql": [
        ("{server}?dbname={name}", {}),
        ("{mine}", {"PGDATABASE": "{other}", "PGHOST": "nowhere", "PGPORT": "1", "PGUSER": "nobody"}),
        ("{mine}", {"PGSERVICE": "loja"}),
        ("{mine}?application_name=x&options=-csearch_path%3Dpublic", {"PGOPTIONS": "-cstatement_timeout=60000"}),
    ],
    "mariadb": [
        ("{server}?db={name}", {}),
        ("{mine}?read_default_file={options}", {}),
        ("{mine}?init_command=SET+time_zone%3D'%2B03:00'", {}),
    ],
    "sqlite": [("{mine}?timeout=3", {}), ("sqlite:///{link}", {})],
}


def test_what_leads_nowhere_else_is_honoured_also_on_scratch_databases(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = addresses.server_kind(place.mine)
    service, options, link = (tmp_path / name for name in ("services", "options.cnf", "link.db"))
    service.write_text(f"[loja]\ndbname={place.other.database}\nhost=127.0.0.1\n", encoding="utf-8")
    options.write_text(f"[client]\ndatabase={place.other.database}\n", encoding="utf-8")
    monkeypatch.setenv("PGSERVICEFILE", str(service))
    link.symlink_to(str(place.mine.database))
    others = place.rows(place.other)
    some: tuple[str, ...] = ()  # all of them with the first URL
    for lie, variables in HONOURED[kind]:
        url = place.url(lie.replace("{options}", quote(str(options))).replace("{link}", str(link)))
        with monkeypatch.context() as context:
            for name, value in variables.items():
                context.setenv(name, value.format(other=place.other.database))
            assert {name: error for name, error in run_all(place, url, *some).items() if error is not None} == {}, lie
        assert place.rows(place.other) == others, lie
        assert place.rows(place.mine)["pessoas"] == [(1, "Ana")], lie
        commands.down(place.project.plan(), "pessoas", url)
        some = ("adopt", "verify", "up")


# ------------------------------------------------------------- the same database or not


def test_two_urls_are_one_database_if_the_servers_say_so(place: Place, tmp_path: Path) -> None:
    mine, other = place.mine, place.other
    assert database.same(mine, mine)
    assert not database.same(mine, other)
    if mine.get_backend_name() == "sqlite":
        copy, link, hard = (tmp_path / name for name in ("copy.db", "link.db", "hard.db"))
        shutil.copy(str(mine.database), copy)
        link.symlink_to(str(mine.database))
        os.link(str(mine.database), hard)
        same = [database.same(mine, f"sqlite:///{each}") for each in (copy, link, hard)]
        assert same == [False, True, True]
        return
    assert database.same(mine, mine.set(host="localhost"))
    assert database.same(mine, mine.set(host="127.0.0.2"))
    assert database.same(mine, mine.set(host="127.0.0.1", port=1)), "in doubt it is"


def test_a_plan_that_protects_its_database_does_so_under_any_url(place: Place) -> None:
    project = place.project
    commands.down(project.plan(), "base")
    with database.engine(place.mine).begin() as connection:
        connection.exec_driver_sql("DELETE FROM alembic_version")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('other')")
    project.configure(database={"url": place.url("{mine}"), "protected": True})
    url = place.url("{mine}?timeout=9") if place.mine.host is None else place.mine.set(host="localhost")
    with pytest.raises(Protected):
        commands.adopt(project.plan(), str(url))


# ------------------------------------------------------------------- marks that travel


def comment(url: sa.URL, text: str | None) -> None:
    """Write a comment on a database of a server, as a person would."""
    said = f"'{text}'" if text is not None else "NULL"
    name = str(url.database)
    sql = f"COMMENT ON DATABASE {name} IS {said}"
    if addresses.server_kind(url) == "mariadb":
        sql = f"ALTER DATABASE {name} COMMENT {said if text is not None else repr('')}"
    server = sa.create_engine(addresses.server(url), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(sql.replace("%", "%%"))


def line(url: sa.URL) -> str:
    """The line that our mark is."""
    with database.connect(database.engine(url)) as connection:
        return ownership.read(connection).line


def pointed(place: Place, url: sa.URL) -> Project:
    """The project with another database."""
    place.project.configure(database={"url": url.render_as_string(hide_password=False)})
    return place.project


PEOPLES = [
    "strata: this was never created by that tool, do not drop",
    "sqlstrata: created by hand, adopted by nobody",
    "sqlstrata: created",
    "strata: created",
    "x {mark}",
    "{mark} but not really",
]


@pytest.mark.parametrize("place", ["postgresql", "mariadb"], indirect=True)
def test_only_exactly_our_line_allows_a_database_to_be_dropped(place: Place) -> None:
    mark, before = line(place.mine), place.rows(place.mine)
    for words in PEOPLES:
        comment(place.mine, words.format(mark=mark))
        with pytest.raises(Protected, match="was not created or adopted"):
            commands.reset(place.project.plan(), YES)
        assert place.rows(place.mine) == before
    comment(place.mine, f"note\n{mark}\nstrata: a note of mine")
    assert commands.reset(place.project.plan(), YES).stage == "lojas"


@pytest.mark.parametrize("place", ["postgresql", "mariadb"], indirect=True)
def test_a_person_who_protects_is_understood_generously(place: Place) -> None:
    for words in (
        "strata: protected",
        "sqlstrata: created, protected by Ana",
        f"{line(place.mine)}\nstrata: PROTECTED? protected!",
    ):
        comment(place.mine, words)
        with pytest.raises(Protected, match="is protected"):
            commands.reset(place.project.plan(), YES)


@pytest.mark.parametrize("place", ["postgresql", "mariadb"], indirect=True)
def test_a_mark_that_was_copied_does_not_count(place: Place) -> None:
    comment(place.other, line(place.mine))
    before = place.rows(place.other)
    with pytest.raises(Protected, match="is marked as the database"):
        commands.reset(pointed(place, place.other).plan(), YES)
    assert place.rows(place.other) == before


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_a_mark_that_was_renamed_or_restored_does_not_count(place: Place) -> None:
    mark = line(place.mine)
    removal.drop(place.other, anything)
    server = sa.create_engine(addresses.server(place.mine), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {place.mine.database} RENAME TO {place.other.database}")
    with pytest.raises(Protected, match="is marked as the database"):
        commands.reset(pointed(place, place.other).plan(), YES)
    creation.create(place.mine)  # as a restored dump has it
    comment(place.mine, mark)
    with pytest.raises(Protected, match="is marked for another server"):
        commands.reset(pointed(place, place.mine).plan(), YES)


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_copy_of_a_file_is_not_what_the_project_made(place: Place) -> None:
    mine = Path(str(place.mine.database))
    for copied in (mine.with_name("backup.db"), mine):
        shutil.copy(mine, mine.with_name("aside.db"))
        mine.with_name("aside.db").rename(copied)
        url = place.mine.set(database=str(copied))
        with pytest.raises(Protected, match="perhaps a copy"):
            commands.reset(pointed(place, url).plan(), YES)
        assert place.rows(url)["pessoas"] == [(1, "Ana")]


def test_git_passes_over_what_a_project_keeps_on_a_machine(place: Place) -> None:
    folder = place.project.folder
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    done = subprocess.run(["git", "status", "--short", "-uall"], cwd=folder, capture_output=True, text=True, check=True)
    assert (folder / local.NAME).is_dir()
    assert local.NAME not in done.stdout


def test_another_checkout_adopts_before_it_resets(place: Place, tmp_path: Path) -> None:
    before = place.rows(place.mine)
    other = Project(
        shutil.copytree(place.project.folder, tmp_path / "q", ignore=shutil.ignore_patterns(local.NAME)), "modelos"
    )
    url = place.mine.render_as_string(hide_password=False)
    other.configure(database={"url": url})
    with pytest.raises(Protected, match=r"`inv adopt` first"):
        commands.reset(other.plan(), YES)
    assert place.rows(place.mine) == before
    commands.adopt(other.plan())
    assert commands.reset(other.plan(), YES).stage == "lojas"
    with pytest.raises(Protected):
        commands.reset(place.project.plan(), YES)


# -------------------------------------------------------- while the question stands


def drop(url: sa.URL) -> None:
    """Drop a server's database past this program."""
    server = sa.create_engine(addresses.server(url), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {url.database}")


def replaced(place: Place) -> None:
    """Somebody drops our database, and another one takes its name, with a copy of the mark."""
    if place.mine.get_backend_name() == "sqlite":
        shutil.copy(str(place.other.database), str(place.mine.database) + ".new")
        Path(str(place.mine.database) + ".new").rename(str(place.mine.database))
        with sqlite3.connect(str(place.mine.database)) as connection:
            connection.execute(f"PRAGMA application_id = {0x5354 << 16 | 1}")
        return
    mark = line(place.mine)
    drop(place.mine)
    creation.create(place.mine)
    fill(place.mine)
    comment(place.mine, mark)


def protected(place: Place) -> None:
    with database.connect(database.engine(place.mine)) as connection:
        ownership.mark(connection, place.project.folder, "protected")


def changed(place: Place) -> None:
    with database.engine(place.mine).begin() as connection:
        connection.exec_driver_sql("INSERT INTO pessoas (id, nome) VALUES (2, 'Rui')")


def grown(place: Place) -> None:
    fill(place.mine)


@pytest.mark.parametrize("meanwhile", [replaced, protected, changed, grown])
def test_what_was_asked_about_must_still_be_so_when_it_is_dropped(
    place: Place, meanwhile: Callable[[Place], None]
) -> None:
    asked: list[str] = []
    then: list[object] = []

    def confirmed(question: str) -> bool:
        asked.append(question)
        meanwhile(place)
        then.append(place.rows(place.mine))
        return True

    with pytest.raises(Protected):
        commands.reset(place.project.plan(), confirmed)
    assert [place.rows(place.mine)] == then
    assert "pessoas: 1" in asked[0]
    assert str(place.mine.database) in asked[0]


def test_between_the_last_look_and_the_end_nothing_can_take_the_place(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The window between looking and dropping, held open."""
    if place.mine.get_backend_name() == "mariadb":
        pytest.skip("MariaDB drops by name alone, and has nothing that another database would not have")
    name = "_remove" if place.mine.get_backend_name() == "sqlite" else "_renamed"
    work = getattr(removal, name)

    def late(*arguments: object) -> object:
        replaced(place)
        return work(*arguments)

    monkeypatch.setattr(removal, name, late)
    with pytest.raises(Protected, match="another one has taken its place"):
        commands.reset(place.project.plan(), YES)
    assert len(place.rows(place.mine)["contas"]) == 352


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.parametrize("mode", ["delete", "wal", "persist"])
def test_nothing_of_a_file_stays_beside_it(place: Place, mode: str) -> None:
    with sqlite3.connect(str(place.mine.database)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("INSERT INTO pessoas VALUES (7, 'Eva')")
    connection.close()
    commands.reset(place.project.plan(), YES)
    folder = Path(str(place.mine.database)).parent
    assert sorted(each.name for each in folder.glob("*test_*")) == sorted(
        Path(str(each.database)).name for each in (place.mine, place.other)
    )
    assert place.rows(place.mine)["pessoas"] == [(1, "Ana")]


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_reset_waits_for_a_writer_as_long_as_given_and_asks_afterwards(place: Place, mode: str) -> None:
    writer = sqlite3.connect(str(place.mine.database), isolation_level=None)
    writer.execute(f"PRAGMA journal_mode = {mode}")
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("INSERT INTO pessoas VALUES (7, 'Eva')")
    heard: list[str] = []
    with pytest.raises(Locked):
        commands.reset(place.project.plan(), YES, wait=0.3, notify=lambda doing, _: heard.append(doing))
    assert heard == []
    writer.execute("COMMIT")
    writer.close()
    assert (7, "Eva") in place.rows(place.mine)["pessoas"]


@pytest.mark.parametrize("place", ["postgresql", "mariadb"], indirect=True)
def test_who_could_not_make_it_again_may_not_drop_it(place: Place) -> None:
    """Looked at before the question; the SQL that the messages name is all that is missing."""
    kind, name, mine = addresses.server_kind(place.mine), f"loja_{secrets.token_hex(4)}", place.mine.database
    given = {
        "postgresql": [f"CREATE ROLE {name} LOGIN", f"ALTER DATABASE {mine} OWNER TO {name}"],
        "mariadb": [f"CREATE USER {name}@'%'", f"GRANT SELECT, INSERT, DROP, ALTER, INDEX ON {mine}.* TO {name}@'%'"],
    }[kind]
    if kind == "postgresql":
        administer(
            place.mine, *[f"ALTER TABLE {table} OWNER TO {name}" for table in place.rows(place.mine)], first=given
        )
    else:
        administer(addresses.server(place.mine), *given)
    before = place.rows(place.mine)
    project = pointed(place, place.mine.set(username=name))
    try:
        for _ in range(3):
            try:
                done = commands.reset(project.plan(), YES)
            except Unreachable as error:
                assert place.rows(place.mine) == before
                administer(addresses.server(place.mine), str(error.hint).partition("run: ")[2])
            else:
                assert done.stage == "lojas"
                break
        else:
            pytest.fail("what an administrator was asked for did not do")
    finally:
        drop(place.mine)
        administer(addresses.server(place.mine), f"DROP {'ROLE' if kind == 'postgresql' else 'USER'} {name}")


def administer(url: sa.URL, *statements: str, first: Sequence[str] = ()) -> None:
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        for statement in (*first, *statements):
            connection.execute(sa.text(statement.replace(":", r"\:")))


# ---------------------------------------------------------------------------- files


def test_a_connection_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        database.connect(database.engine(f"sqlite:///{tmp_path / 'a.db'}"))
    assert list(tmp_path.iterdir()) == []


def test_a_link_that_leads_to_nothing_gets_what_it_leads_to(tmp_path: Path) -> None:
    link, target = tmp_path / "link.db", tmp_path / "target.db"
    link.symlink_to(target)
    creation.create(f"sqlite:///{link}")
    assert target.exists()
    removal.drop(f"sqlite:///{link}", anything)
    assert not target.exists()
    assert link.is_symlink()


def test_of_a_file_with_two_names_one_goes(tmp_path: Path) -> None:
    one, two = tmp_path / "one.db", tmp_path / "two.db"
    creation.create(f"sqlite:///{one}")
    os.link(one, two)
    removal.drop(f"sqlite:///{one}", anything)
    assert creation.exists(f"sqlite:///{two}")


def test_clearing_touches_the_main_file_alone(tmp_path: Path) -> None:
    """An attached file, and a temporary table of the same name, stay."""
    aside = tmp_path / "aside.db"
    with sqlite3.connect(aside) as connection:
        connection.execute("CREATE TABLE item (id INTEGER)")
    with scratch("sqlite://") as there, there.engine.connect() as opened:
        opened.exec_driver_sql("CREATE TABLE item (id INTEGER)")
        opened.exec_driver_sql("CREATE TEMP TABLE item (id INTEGER)")
        opened.commit()
        opened.connection.cursor().execute("ATTACH ? AS aside", (str(aside),))
        clear(opened)
        assert opened.exec_driver_sql("SELECT count(*) FROM temp.item").scalar() == 0
    with sqlite3.connect(aside) as connection:
        assert connection.execute("SELECT count(*) FROM item").fetchone() == (0,)


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_a_search_path_that_a_scratch_database_cannot_have_is_refused(place: Place) -> None:
    url = place.url("{mine}?options=-csearch_path%3Dnenhum")
    with pytest.raises(WrongUse, match="`search_path` is nenhum"):
        commands.identify(place.project.plan(), url)
    place.project.configure(prove_on=[url])
    with pytest.raises(WrongUse, match="`search_path` is nenhum"):
        commands.rebuild(place.project.plan(), apply_it=False)
