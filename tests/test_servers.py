"""Kinds of servers: URLs of every driver become those of ours, and a server that is too old is refused."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from sqlstrata import commands, servers
from sqlstrata.databases import addresses, database
from sqlstrata.databases.version import problem, require_version
from sqlstrata.errors import SqlstrataError, WrongUse
from sqlstrata.plan import read, urls
from sqlstrata.scratch.bracket import scratch
from tests.commands.test_onboard import inv
from tests.migrate.test_identify import MODULES, STAGES
from tests.projects import Project, write
from tests.servers import SERVERS, answering

# ------------------------------------------------------------------ URLs

PG, MY, MA = "postgresql+psycopg", "mysql+pymysql", "mariadb+pymysql"

CARRIED = [
    ("postgres://u:p@h/d", f"{PG}://u:p@h/d"),
    ("postgres+asyncpg://u:p@h/d", f"{PG}://u:p@h/d"),
    ("postgresql://u:p@h/d?sslmode=require", f"{PG}://u:p@h/d?sslmode=require"),
    ("postgresql+psycopg2://u:p@h:5433/d?application_name=x", f"{PG}://u:p@h:5433/d?application_name=x"),
    ("postgresql+psycopg2cffi://u@h/d", f"{PG}://u@h/d"),
    ("postgresql+psycopg_async://u@h/d", f"{PG}://u@h/d"),
    ("postgresql+asyncpg://u@h/d?ssl=require", f"{PG}://u@h/d?sslmode=require"),
    ("postgresql+asyncpg://u@h/d?ssl=verify-full", f"{PG}://u@h/d?sslmode=verify-full"),
    ("postgresql+asyncpg://u@h/d?ssl=true", f"{PG}://u@h/d?sslmode=require"),
    ("postgresql+asyncpg://u@h/d?timeout=2.5", f"{PG}://u@h/d?connect_timeout=3"),
    ("postgresql+asyncpg://u@h/d?timeout=logo", f"{PG}://u@h/d?connect_timeout=logo"),
    (
        "postgresql+asyncpg://u@h/d?direct_tls=true&ssl=require",
        f"{PG}://u@h/d?sslmode=require&sslnegotiation=direct",
    ),
    ("postgresql+asyncpg://u@h/?database=d", f"{PG}://u@h/d"),
    ("postgresql+asyncpg://u@h/d?database=d", f"{PG}://u@h/d"),
    (
        "postgresql+asyncpg://u@/d?host=/run/postgresql&passfile=/x",
        f"{PG}://u@/d?host=/run/postgresql&passfile=/x",
    ),
    ("postgresql+pg8000://u@h/d?timeout=5&tcp_keepalive=false", f"{PG}://u@h/d?connect_timeout=5&keepalives=0"),
    (
        "postgresql+pg8000://u@localhost/d?unix_sock=/run/postgresql/.s.PGSQL.5433",
        f"{PG}://u@/d?host=/run/postgresql&port=5433",
    ),
    ("mysql://u:p@h/d?charset=utf8mb4", f"{MY}://u:p@h/d?charset=utf8mb4"),
    ("mysql://u@h/d?ssl-mode=REQUIRED", f"{MY}://u@h/d?ssl_check_hostname=false"),
    ("mysql+mysqldb://u@h/d?ssl_mode=DISABLED", f"{MY}://u@h/d?ssl_disabled=true"),
    ("mysql+mysqldb://u@h/d?ssl_mode=PREFERRED", f"{MY}://u@h/d"),
    (
        "mysql+mysqldb://u@h/d?ssl_mode=VERIFY_CA&ssl_ca=/ca.pem",
        f"{MY}://u@h/d?ssl_ca=/ca.pem&ssl_check_hostname=false",
    ),
    (
        "mysql+mysqldb://u@h/d?ssl_mode=verify_identity&ssl_ca=/ca.pem",
        f"{MY}://u@h/d?ssl_ca=/ca.pem&ssl_check_hostname=true",
    ),
    ("mysql+mysqldb://u@h/?db=d&passwd=segredo", f"{MY}://u@h/d?passwd=segredo"),
    (
        "mysql+mysqldb://u@localhost/d?read_timeout=5&unix_socket=/s",
        f"{MY}://u@localhost/d?read_timeout=5&unix_socket=/s",
    ),
    ("mysql+aiomysql://u@h/d?ssl_ca=/ca.pem&connect_timeout=4", f"{MY}://u@h/d?ssl_ca=/ca.pem&connect_timeout=4"),
    ("mysql+asyncmy://u@h/d?charset=utf8mb4", f"{MY}://u@h/d?charset=utf8mb4"),
    ("mariadb+asyncmy://u@h/d", f"{MA}://u@h/d"),
    (
        "mysql+mysqlconnector://h/d?username=u&password1=segredo&connection_timeout=3&allow_local_infile=1",
        f"{MY}://h/d?user=u&password=segredo&connect_timeout=3&local_infile=1",
    ),
    ("mysql+mysqlconnector://u@h/d?ssl_verify_cert=true", f"{MY}://u@h/d?ssl_verify_cert=true"),
    (
        "mysql+mysqlconnector://u@h/d?ssl_verify_cert=true&ssl_verify_identity=true&ssl_ca=/ca.pem",
        f"{MY}://u@h/d?ssl_ca=/ca.pem&ssl_check_hostname=true",
    ),
    ("mysql+mysqlconnector://u@h/d?ssl_disabled=false", f"{MY}://u@h/d"),
    ("mysql+mysqlconnector://u@h/d?option_files=/my.cnf", f"{MY}://u@h/d?read_default_file=/my.cnf"),
    ("mariadb+mariadbconnector://u@h/d?ssl=true", f"{MA}://u@h/d?ssl_check_hostname=false"),
    ("mariadb+mariadbconnector://u@h/d?ssl=true&ssl_ca=/ca.pem", f"{MA}://u@h/d?ssl_ca=/ca.pem"),
    ("mariadb+mariadbconnector://u@h/d?default_file=/my.cnf", f"{MA}://u@h/d?read_default_file=/my.cnf"),
    ("sqlite+aiosqlite:////srv/x.db?timeout=3", "sqlite:////srv/x.db?timeout=3"),
    ("sqlite+aiosqlite://", "sqlite://"),
    ("sqlite+pysqlite:////srv/x.db", "sqlite:////srv/x.db"),
]


@pytest.mark.parametrize(("text", "meant"), CARRIED, ids=[case[0] for case in CARRIED])
def test_a_url_of_another_driver_is_carried_over(text: str, meant: str) -> None:
    """Nothing is left out, so there is nothing to say."""
    assert urls.given(text) == urls.Given(sa.make_url(meant))
    assert addresses.parsed(text) == addresses.parsed(meant) == sa.make_url(meant)


LEFT_OUT = [
    ("postgresql+asyncpg://u@h/d?server_settings=x&ssl=allow", f"{PG}://u@h/d?sslmode=allow", "`server_settings`"),
    (
        "postgresql+asyncpg://u@h/d?command_timeout=9&prepared_statement_cache_size=0",
        f"{PG}://u@h/d",
        "`command_timeout`, `prepared_statement_cache_size`",
    ),
    ("postgresql+pg8000://u@h/d?source_address=x", f"{PG}://u@h/d", "`source_address`"),
    ("mysql+mysqldb://u@h/d?compress=true&charset=utf8mb4", f"{MY}://u@h/d?charset=utf8mb4", "`compress`"),
    ("mysql+aiomysql://u@h/d?echo=true&maxsize=5", f"{MY}://u@h/d", "`echo`, `maxsize`"),
    ("mysql+mysqlconnector://u@h/d?time_zone=UTC&pool_size=3", f"{MY}://u@h/d", "`time_zone`, `pool_size`"),
    (
        "mysql+mysqlconnector://u@h/d?ssl_ca=/x&ssl_verify_cert=false",
        f"{MY}://u@h/d?ssl_ca=/x",
        "`ssl_verify_cert`",
    ),
    ("mariadb+mariadbconnector://u@h/d?reconnect=true", f"{MA}://u@h/d", "`reconnect`"),
    ("sqlite+aiosqlite:////srv/x.db?iter_chunk_size=9", "sqlite:////srv/x.db", "`iter_chunk_size`"),
]


@pytest.mark.parametrize(("text", "meant", "names"), LEFT_OUT, ids=[case[0] for case in LEFT_OUT])
def test_an_option_that_only_the_other_driver_has_is_ignored_and_named(text: str, meant: str, names: str) -> None:
    given = urls.given(text)
    assert given.url == sa.make_url(meant)
    assert given.ignored is not None
    assert names in given.ignored
    assert urls.note(text) == f"The URL {given.ignored}."


REFUSED = [
    ("postgresql+asyncpg://u@h/d?database=other", "has two databases: d and other"),
    ("postgresql+pg8000://u@h/d?database=other", "has two databases: d and other"),
    ("postgresql+psycopg2://u@h/d?dbname=other", "has two databases: d and other"),
    ("mysql+mysqldb://u@h/d?db=other", "has two databases: d and other"),
    ("mysql+mysqlconnector://u@h/d?database=other", "has two databases: d and other"),
    ("mariadb+mariadbconnector://u@h/d?db=other", "has two databases: d and other"),
    ("postgres://u@h/d?host=other", "has its host twice"),
    ("postgresql+asyncpg://u@h/d?host=other", "has its host twice"),
    ("postgresql+asyncpg://u@/d?host=a&host=b", "has several servers"),
    ("mysql+mysqlconnector://u@h/d?username=other", "has its username twice"),
    ("mysql+mysqlconnector://u:p@h/d?password1=segredo9", "has its password twice"),
    ("mysql+mysqldb://u@h/d?unix_socket=/s", "has the server h, and with `unix_socket` one on this machine"),
    ("mysql+mysqlconnector://u@h/d?failover=x", "the option `failover`, which cannot be translated"),
    ("postgresql+psycopg2://u@h/d?dsn=x", "the option `dsn`, which cannot be translated"),
    ("postgresql+asyncpg://u@h/d?dsn=x", "the option `dsn`, which cannot be translated"),
    ("postgresql+pg8000://u@h/d?unix_sock=/run/.s.PGSQL.5432", "has the server h, and with `unix_sock` one on this"),
    ("postgresql+pg8000://u@/d?unix_sock=/run/x", "`unix_sock`, which is not the path of a PostgreSQL socket"),
    ("postgresql+pg8000://u@h/d?ssl_context=true", "`ssl_context`, which cannot be translated"),
    ("postgresql+asyncpg://u@h/d?ssl=require&sslmode=disable", "`ssl` and `sslmode`, which contradict each other"),
    ("postgresql+asyncpg://u@h/d?ssl=require&ssl=disable", "the option `ssl` more than once"),
    ("mysql://u@h/d?ssl_mode=VERIFY_CA", "`ssl_mode` without `ssl_ca`"),
    ("mysql://u@h/d?ssl_mode=nada", "has an unknown value for the option `ssl_mode`"),
    ("mysql+mysqlconnector://u@h/d?ssl_verify_identity=true", "`ssl_verify_identity` without `ssl_ca`"),
    ("mysql+mysqlconnector://u@h/d?ssl_disabled=talvez", "`ssl_disabled`, which must be true or false"),
    ("mariadb+mariadbconnector://u@h/d?ssl_crl=/x", "`ssl_crl`, which cannot be translated"),
    ("sqlite+aiosqlite:///x.db?mode=ro", "the option `mode`"),
    ("sqlite+aiosqlite:///file:x.db", "is a file: URI"),
    ("cockroachdb://u@h/d", "uses `cockroachdb`, which is not supported"),
    ("mssql+pymssql://u@h/d?database=other", "uses `mssql`, which is not supported"),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED, ids=[case[0] for case in REFUSED])
def test_what_could_lead_elsewhere_or_weaken_tls_is_refused(text: str, reason: str) -> None:
    with pytest.raises(WrongUse) as raised:
        addresses.parsed(text)
    assert reason in raised.value.message
    assert urls.note(text) is None


@pytest.mark.parametrize(
    ("kind", "scheme"),
    [
        ("postgresql", "postgres"),
        ("postgresql", "postgresql+asyncpg"),
        ("postgresql", "postgresql+pg8000"),
        ("mariadb", "mysql"),
        ("mariadb", "mysql+asyncmy"),
        ("mariadb", "mariadb+mariadbconnector"),
    ],
)
def test_a_url_of_another_driver_connects(kind: str, scheme: str) -> None:
    url = sa.make_url(answering(kind)).set(drivername=scheme)
    with database.connect(database.engine(url.render_as_string(hide_password=False))) as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1


@pytest.fixture
def local(tmp_path: Path) -> Project:
    made = write(tmp_path / "p", MODULES, STAGES, package="modelos")
    assert inv(made, "rebuild", "--no-apply", "--no-proof").returncode == 0
    return made


def test_a_command_says_once_what_it_leaves_out(local: Project, tmp_path: Path) -> None:
    """In config.yaml with the place, however often the URL is used; of `--url`, the same; standard output is as ever."""
    url = f"sqlite+aiosqlite:///{tmp_path}/a.db?iter_chunk_size=9"
    sentence = "has the option `iter_chunk_size` of aiosqlite, ignored by pysqlite."
    local.configure(database={"url": url}, prove_on=[url, url])
    for words, code in ((["up", "--json"], 0), (["status"], 0), (["check"], 0), (["verify"], 0)):
        done = inv(local, *words)
        assert done.returncode == code, done.stderr
        told = [line for line in done.stderr.splitlines() if "iter_chunk_size" in line]
        assert told[0] == f"config.yaml:2:3: `url` {sentence}"
        assert len(told) == len(set(told)) == 3
        assert "iter_chunk_size" not in done.stdout
    local.configure(database={"url": "sqlite:///dev.db"}, prove_on=["sqlite://"])
    for words in (["status", "--url", url], ["verify", "--url", url, "--url", url]):
        done = inv(local, *words)
        assert done.returncode == 0, done.stderr
        assert done.stderr.splitlines() == [f"The URL {sentence}"]


def test_a_heroku_url_from_the_environment_does(local: Project) -> None:
    """The password is never seen, the driver is ours, and a wrong kind is exit code 2."""
    url = sa.make_url(answering("postgresql")).set(drivername="postgres", database="loja")
    local.configure(database={"url": url.render_as_string(hide_password=False)})
    assert read(local.config).database.url.startswith("postgresql+psycopg://")
    done = inv(local, "status", "--url", "mssql+pyodbc://u:segredo@h/d")
    assert (done.returncode, "segredo" in done.stderr) == (2, False)
    assert "uses `mssql`, which is not supported" in done.stderr


# -------------------------------------------------------------- versions

VERSIONS = [
    ("postgresql", "PostgreSQL 18.6 on x86_64-pc-linux-gnu, compiled by gcc", None),
    ("postgresql", "PostgreSQL 13.0 (Debian 13.0-1.pgdg100+1) on x86_64", None),
    ("postgresql", "PostgreSQL 19beta1 on x86_64", None),
    ("postgresql", "PostgreSQL 12.22 on x86_64", "has version 12.22, which is too old"),
    ("postgresql", "PostgreSQL 9.6.24 on x86_64", "has version 9.6, which is too old"),
    ("postgresql", "PostgreSQL 8.0.2 on i686-pc-linux-gnu, Redshift 1.0.77", "has version 8.0, which is too old"),
    (
        "postgresql",
        "CockroachDB CCL v24.1.0 (x86_64-pc-linux-gnu)",
        "is `CockroachDB CCL v24.1.0 (x86_64-pc-linux`, which is not supported",
    ),
    ("mariadb", "10.6.0-MariaDB", None),
    ("mariadb", "10.11.18-MariaDB-0+deb12u1-log", None),
    ("mariadb", "11.8.2-MariaDB-ubu2404", None),
    ("mariadb", "5.5.5-10.6.12-MariaDB-1:10.6.12+maria~ubu2004", None),
    ("mariadb", "10.6.18-14-MariaDB-enterprise-log", None),
    ("mariadb", "10.5.29-MariaDB", "has version 10.5, which is too old"),
    ("mariadb", "5.5.68-MariaDB", "has version 5.5, which is too old"),
    ("mariadb", "5.5.5-10.3.39-MariaDB-log", "has version 10.3, which is too old"),
    ("mariadb", "8.0.36", "is MySQL 8.0.36, which is not supported"),
    ("mariadb", "8.4.3-0ubuntu0.24.04.1", "is MySQL 8.4.3, which is not supported"),
    ("mariadb", "8.0.35-27", "is MySQL 8.0.35, which is not supported"),
    ("mariadb", "outra coisa", "is `outra coisa`, which is not supported"),
    ("sqlite", "3.31.0", None),
    ("sqlite", "3.53.1", None),
    ("sqlite", "3.7.17", "has version 3.7, which is too old"),
]


@pytest.mark.parametrize(("kind", "text", "reason"), VERSIONS, ids=[f"{case[0]} {case[1]}" for case in VERSIONS])
def test_a_version_is_read_as_the_server_says_it(kind: str, text: str, reason: str | None) -> None:
    assert problem(servers.KINDS[kind], text) == reason


def old(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Have every server of this kind be too old."""
    monkeypatch.setitem(servers.KINDS, kind, replace(servers.KINDS[kind], minimum=(99,)))  # type: ignore[misc]


def left(server: str) -> set[str]:
    """What there is on a server, or of scratch files."""
    if server == "sqlite://":
        return {str(each) for each in Path(tempfile.gettempdir()).glob("sqlstrata_*")}
    query = "SELECT datname FROM pg_database" if server.startswith("postgresql") else "SHOW DATABASES"
    with sa.create_engine(server, poolclass=sa.NullPool).connect() as connection:
        return set(connection.exec_driver_sql(query).scalars())


COMMANDS = {
    "rebuild": lambda plan, url: commands.rebuild(plan, apply_it=False),
    "up": lambda plan, url: commands.up(plan),
    "up --url": lambda plan, url: commands.up(plan, url=url),
    "status --url": commands.status,
    "identify": commands.identify,
    "adopt": commands.adopt,
    "onboard": lambda plan, url: commands.onboard(plan, wait=0),
    "reset": lambda plan, url: commands.reset(plan, lambda _: True),
}


@pytest.mark.parametrize("kind", list(SERVERS))
def test_a_server_that_is_too_old_is_refused_and_nothing_is_left_there(
    kind: str, local: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, name = answering(kind), f"loja_{tmp_path.name[-20:]}"
    url = f"sqlite:///{tmp_path}/nova.db" if kind == "sqlite" else str(sa.make_url(server).set(database=name))
    local.configure(database={"url": url}, prove_on=[server])
    plan, files = read(local.config), sorted(local.folder.rglob("*.py"))
    old(monkeypatch, kind)
    before = left(server)
    for command, run in COMMANDS.items():
        with pytest.raises(
            SqlstrataError, match=rf"which is too old\. Use .* {servers.KINDS[kind].title} 99 or"
        ) as raised:
            run(plan, url)
        assert raised.value.code == 2, command
    with pytest.raises(WrongUse, match="too old"), scratch(server):
        pass
    new = left(server) - before
    assert not {each for each in new if name in each}
    assert not (tmp_path / "nova.db").exists()
    assert sorted(local.folder.rglob("*.py")) == files


def test_a_server_of_another_make_is_refused() -> None:
    """As MySQL would be under a URL for MariaDB: PostgreSQL's own version text is none of MariaDB's."""
    with database.connect(database.engine(answering("postgresql"))) as connection:
        driver = connection.connection.dbapi_connection
        assert driver is not None
        with pytest.raises(
            WrongUse, match=r"X is `PostgreSQL .*, which is not supported\. Use a server with MariaDB 10\.6"
        ):
            require_version("mariadb", driver, "X")
