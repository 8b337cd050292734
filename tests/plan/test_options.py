"""The options behind the `?` of a URL: a wrong one is named, with its place in config.yaml, before or after connecting."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqlstrata.databases import addresses, database
from sqlstrata.errors import Unreachable, WrongUse
from sqlstrata.plan import read
from tests.commands.test_onboard import inv
from tests.migrate.test_identify import MODULES, STAGES
from tests.projects import Project, write
from tests.servers import SERVERS, answering

MISSING = {
    "mariadb": ("ssl_ca", "ssl_cert", "ssl_key", "ssl_capath", "read_default_file"),
    "postgresql": ("sslrootcert", "sslcert", "sslkey", "sslcrl", "sslcrldir", "passfile"),
}
WRONG = [
    *[(kind, key, "/no/such", "there is no such") for kind, keys in MISSING.items() for key in keys],
    ("mariadb", "ssl_ca", "{folder}", "that is a folder"),
    ("mariadb", "ssl_capath", "{file}", "that is not a folder"),
    ("mariadb", "ssl_ca", "{file}", "OpenSSL cannot use it"),
    ("mariadb", "ssl_cert", "{file}", "OpenSSL cannot use it"),
    ("mariadb", "ssl_cipher", "nada", "OpenSSL cannot use it"),
    ("mariadb", "read_default_file", "{file}", "it cannot be read"),
    ("mariadb", "connect_timeout", "logo", "it cannot be read"),
    ("mariadb", "charset", "nada", "no such character set"),
    ("mariadb", "collation", "nada", "the server does not know it"),
    ("mariadb", "sql_mode", "nada", "the server does not know it"),
    ("mariadb", "compress", "true", "Python code only"),
    ("mariadb", "cursorclass", "nada", "Python code only"),
    ("postgresql", "sslcrldir", "{file}", "that is not a folder"),
    ("postgresql", "connect_timeout", "logo", "a whole number"),
    ("postgresql", "keepalives", "logo", "a whole number"),
    ("postgresql", "tcp_user_timeout", "logo", "a whole number"),
    ("postgresql", "sslmode", "nada", "one of disable, allow"),
    ("postgresql", "gssencmode", "nada", "one of disable, prefer"),
    ("postgresql", "target_session_attrs", "nada", "one of any, read-write"),
    ("postgresql", "row_factory", "nada", "Python code only"),
    ("sqlite", "timeout", "logo", "it cannot be read"),
    ("sqlite", "nada", "1", "no such option"),
]


def given(kind: str, folder: Path, key: str, value: str) -> str:
    """The server's URL with this option."""
    file = folder / "nonsense"
    file.write_text("nonsense")
    value = value.format(folder=folder, file=file)
    server = f"sqlite:///{folder / 'a.db'}" if kind == "sqlite" else answering(kind)
    return f"{server}?{key}={value}"


@pytest.mark.parametrize(
    ("kind", "key", "value", "reason"), WRONG, ids=[f"{case[0]}:{case[1]}={case[2]}" for case in WRONG]
)
def test_the_option_that_is_wrong_is_named(kind: str, key: str, value: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(WrongUse) as raised:
        database.connect(database.engine(given(kind, tmp_path, key, value))).close()
    assert raised.value.message.startswith(f"The URL's option `{key}` is `")
    assert reason in raised.value.message
    assert raised.value.details == {"option": key}
    assert raised.value.where is None


@pytest.mark.parametrize("port", [0, 65536, 99999999999])
def test_a_port_that_cannot_be_is_no_part_of_a_url(port: int) -> None:
    for server in ("postgresql+psycopg", "mariadb+pymysql"):
        with pytest.raises(WrongUse, match="not a database URL"):
            addresses.parsed(f"{server}://u@127.0.0.1:{port}/x")


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("postgresql", "sslcert=&sslkey="),
        ("postgresql", "sslcrl=&sslmode=prefer"),
        ("postgresql", "sslcrldir={folder}"),
        ("mariadb", "read_default_file={file}&charset=utf8mb4&collation=utf8mb4_bin"),
    ],
)
def test_an_option_that_is_right_is_taken(kind: str, options: str, tmp_path: Path) -> None:
    file = tmp_path / "meu.cnf"
    file.write_text("[client]\n")
    url = f"{answering(kind)}?{options.format(folder=tmp_path, file=file)}"
    with database.connect(database.engine(url)) as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PGSSLROOTCERT", "/no/such.pem"),
        ("PGSSLCRLDIR", "/no/such"),
        ("PGSSLMODE", "nada"),
        ("PGTARGETSESSIONATTRS", "nada"),
    ],
)
def test_a_variable_of_libpq_is_named_where_the_connection_failed(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(WrongUse, match=f"The environment variable {variable} is `{value}`"):
        database.connect(database.engine("postgresql+psycopg://u@127.0.0.1:1/x"))


def test_options_that_are_right_leave_a_server_that_does_not_answer_what_it_is() -> None:
    with pytest.raises(Unreachable, match="cannot be reached"):
        database.connect(database.engine("postgresql+psycopg://u@127.0.0.1:1/x?sslmode=prefer&connect_timeout=2"))


@pytest.fixture
def local(tmp_path: Path) -> Project:
    made = write(tmp_path / "p", MODULES, STAGES, servers=tuple(SERVERS), package="modelos")
    assert inv(made, "rebuild", "--no-apply", "--no-proof").returncode == 0
    return made


@pytest.mark.parametrize(
    ("server", "option"),
    [
        ("mariadb+pymysql://u@127.0.0.1:1/x", "ssl_ca"),
        ("postgresql+psycopg://u@127.0.0.1:1/x", "sslrootcert"),
    ],
)
def test_in_config_yaml_the_option_has_its_place(local: Project, server: str, option: str) -> None:
    url = f"{server}?{option}=/no/such.pem"
    for words in (["up"], ["onboard", "--wait", "0"], ["adopt"]):
        elsewhere = inv(local, *words[:1], "--url", url) if words[0] not in {"onboard", "reset"} else None
        local.configure(database={"url": url})
        done = inv(local, *words)
        local.configure(database={"url": "sqlite:///dev.db"})
        assert done.returncode == 2, (words, done.stderr)
        assert done.stderr.splitlines()[-1].startswith(
            f"config.yaml:2:3: The URL's option `{option}` is `/no/such.pem`"
        )
        if elsewhere is not None:
            assert elsewhere.returncode == 2
            assert elsewhere.stderr.startswith(
                f"The URL's option `{option}` is `/no/such.pem`, but there is no such file."
            )


def test_config_yaml_is_read_where_the_file_of_an_option_is_not(local: Project) -> None:
    """`check` in CI needs no database, and so no certificate."""
    local.configure(database={"url": "postgresql+psycopg://u@host/x?sslrootcert=/no/such.pem"})
    assert read(local.config).database.url.endswith("/no/such.pem")
    assert inv(local, "check").returncode == 0
    done = inv(local, "stages")
    assert done.returncode == 0
    assert "The URL's option `sslrootcert`" in done.stdout
