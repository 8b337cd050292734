"""No password is seen, however it is written: in errors, tracebacks, JSON, warnings and what modules print."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from invoke import Context, Exit

from sqlstrata import secret, tasks
from sqlstrata.databases import addresses
from sqlstrata.errors import WrongUse
from sqlstrata.secret import keep_secret, keep_url, masked
from tests.commands.test_onboard import inv
from tests.migrate.test_identify import MODULES, STAGES
from tests.projects import Project, write

ROOT = Path(__file__).resolve().parents[1]
ALPHABET = "abzAZ019@:/#?&=+%.,;!*()[]<>|'\"`\\ \té€😀$-_"
PASSWORDS = st.text(ALPHABET, min_size=4, max_size=24).filter(lambda text: text.strip() == text and len(set(text)) > 2)


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret, "_secrets", set())


def latin(text: str) -> str:
    """Percent-encoded as Latin-1, where it can be."""
    return quote(text, safe="", encoding="latin-1", errors="ignore") if text.isascii() else quote(text, safe="")


def partly(text: str) -> str:
    """Every second character percent-encoded."""
    return "".join(quote(each, safe="") if place % 2 else each for place, each in enumerate(text))


def every(text: str) -> str:
    """Every octet percent-encoded, also where it need not be."""
    return "".join(f"%{octet:02X}" for octet in text.encode())


WRITTEN: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "quote": lambda text: quote(text, safe=""),
    "quote, in lower case": lambda text: re.sub("%..", lambda found: found[0].lower(), quote(text, safe="")),
    "quote, some left": quote,
    "quote_plus": quote_plus,
    "twice": lambda text: quote(quote(text, safe=""), safe=""),
    "partly": partly,
    "every octet": every,
    "latin-1": latin,
    "repr": lambda text: repr(text)[1:-1],
    "repr of a repr": lambda text: repr(repr(text))[2:-2],
    "ascii": lambda text: ascii(text)[1:-1],
    "bytes": lambda text: repr(text.encode())[2:-1],
    "bytes of the quoted": lambda text: repr(quote(text, safe="").encode())[2:-1],
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON, not ASCII": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "SQL": lambda text: text.replace("'", "''"),
    "doubled %": lambda text: quote(text, safe="").replace("%", "%%"),
    "UTF-8 taken for Latin-1": lambda text: text.encode().decode("latin-1"),
    "on one line": lambda text: " ".join(text.split()),
}
AROUND = ["'{}'", "://ana:{}@servidor:5432/x", "%3A%2F%2Fana%3A{}%40servidor", "password={} host", "a\\n{}\\n", "({})"]


def parts(password: str) -> list[str]:
    return [each for each in (password, *re.split("[@:/#?]", password)) if len(each) >= 4]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(password=PASSWORDS, way=st.sampled_from(list(WRITTEN)), around=st.sampled_from(AROUND))
@example(password="p@ss:w/or#d?x", way="as it is", around="'{}'")
@example(password="\\\\''", way="repr of a repr", around="'{}'")
@example(password="50%off", way="twice", around="({})")
def test_a_password_is_hidden_however_it_is_written(password: str, way: str, around: str) -> None:
    for known in (quote(password, safe=""), password):
        secret._secrets.clear()
        keep_url(f"postgresql://ana:{known}@servidor/x")
        keep_secret(password)
        shown = masked(around.format(WRITTEN[way](password)))
        for part in parts(password):
            assert part not in shown
            assert WRITTEN[way](part) not in shown


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(password=PASSWORDS)
@example(password="p@ss:w/or#d?x")
@example(password="a@segredo?host=b")
@example(password="x@segredo/y?z=1&w")
def test_a_password_that_is_not_escaped_is_known_from_its_url(password: str) -> None:
    secret._secrets.clear()
    keep_url(f"postgresql://ana:{password}@servidor:5432/x?sslmode=prefer")
    shown = masked("invalid: " + " | ".join(parts(password)))
    assert not [part for part in parts(password) if part in shown]


@pytest.mark.parametrize(
    ("url", "text", "shown"),
    [
        ("postgresql://ana:umsegredo@s/x", "umsegredos e umsegredo", "umsegredos e ***"),
        ("postgresql://ana:abc@s/x", "abc", "abc"),
        ("postgresql://ana:ab@cd@s/x", "ab cd", "ab cd"),
        ("postgresql://ana@servidor:5432/dados", "servidor:5432 dados ana", "servidor:5432 dados ana"),
        ("mariadb://ana:umsegredo@servidor/x?user=a@b&charset=utf8", "servidor utf8 umsegredo", "servidor utf8 ***"),
        ("sqlite:////casa/a:b/dados@minha.db", "/casa/a:b/dados@minha.db", "/casa/a:b/dados@minha.db"),
        ("postgresql://ana:1234@s/x", "revision a1234f", "revision a1234f"),
        ("postgresql://s/x?password=umsegredo&user=ana", "umsegredo ana", "*** ana"),
        ("mariadb://s/x?passwd=um%20segredo9", "'um segredo9'", "'***'"),
        ("postgresql://s/x?sslpassword=umsegredo", "umsegredo", "***"),
    ],
)
def test_what_is_no_password_stays(url: str, text: str, shown: str) -> None:
    keep_url(url)
    assert masked(text) == shown


def test_an_option_with_a_password_is_hidden_in_any_url() -> None:
    assert masked("postgresql://s/x?user=a&password=abc&b=1") == "postgresql://s/x?user=a&password=***&b=1"


@pytest.mark.parametrize("variable", ["PGPASSWORD", "MYSQL_PWD"])
def test_a_password_in_the_environment_is_hidden(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "um@segredo")
    assert masked("um@segredo, um%40segredo and segredo") == "***, *** and ***"
    monkeypatch.setenv("DATABASE_URL", "postgresql://ana:outro99x@s/x")
    assert masked("outro99x") == "***"


def test_many_backslashes_are_looked_through_at_once() -> None:
    keep_secret("\\'\\'\\'\\'\\%%\\ \\\t\\")
    assert len(masked("\\" * 2_000 + "%" * 2_000 + "' " * 100)) == 4_200


@pytest.mark.parametrize(
    "url",
    ["postgresql://ana:um@segredo/y@servidor/x", "mariadb://ana:um@segredo?y@servidor/x"],
)
def test_a_url_whose_password_passes_for_a_host_is_refused(url: str) -> None:
    """Otherwise a part of the password would be looked up as a host's name."""
    with pytest.raises(WrongUse, match="a second `@`"):
        addresses.parsed(url)


# ------------------------------------------------------------------- a command, as a whole


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Project]:
    yield write(tmp_path / "p", MODULES, STAGES, package="modelos")
    for name in [each for each in sys.modules if each.partition(".")[0] == "modelos"]:
        del sys.modules[name]


def said(command: Callable[..., object], **options: object) -> tuple[int, str]:
    """What a command's exit code is, and all that it wrote."""
    out, error = io.StringIO(), io.StringIO()
    out.fileno = lambda: 1  # type: ignore[method-assign]
    code = 0
    with redirect_stdout(out), redirect_stderr(error):
        try:
            command(Context(), **options)
        except Exit as end:
            code = end.code
    return code, out.getvalue() + error.getvalue()


def unreachable(project: Project, password: str, way: str) -> tuple[str, ...]:
    project.configure(database={"url": f"postgresql+psycopg://ana:{quote(password, safe='')}@127.0.0.1:1/x"})
    return "status", "up", "identify"


def unescaped(project: Project, password: str, way: str) -> tuple[str, ...]:
    project.configure(database={"url": f"postgresql+psycopg://ana:{password}@127.0.0.1:1/x"})
    return "status", "stages"


def migrations(project: Project, password: str, way: str) -> tuple[str, ...]:
    project.configure(migrations=f"postgresql://ana:{WRITTEN[way](password)}@127.0.0.1:1/x")
    return "status", "check"


def key(project: Project, password: str, way: str) -> tuple[str, ...]:
    project.configure(**{f"postgresql://ana:{WRITTEN[way](password)}@127.0.0.1:1/x": 1})
    return ("check",)


def option(project: Project, password: str, way: str) -> tuple[str, ...]:
    project.configure(
        database={"url": f"postgresql+psycopg://127.0.0.1:1/x?user=ana&password={quote_plus(password)}&nada=1"}
    )
    return "status", "up"


def module(project: Project, password: str, way: str, statement: str = "raise RuntimeError(text)") -> tuple[str, ...]:
    unreachable(project, password, way)
    text = WRITTEN[way](password)
    project.module("pessoas", f"text = {'to ://ana:' + text + '@servidor'!r} + {text!r:>1}\n{statement}")
    return "rebuild", "check"


def warning(project: Project, password: str, way: str) -> tuple[str, ...]:
    text = "import warnings; warnings.simplefilter('always'); warnings.warn(text); print(text); 1 / 0"
    return module(project, password, way, text)


FAILURES = [unreachable, unescaped, migrations, key, option, module, warning]


@pytest.mark.filterwarnings("ignore")  # pytest keeps them for itself; the next test is of a process
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    password=PASSWORDS,
    fail=st.sampled_from(FAILURES),
    way=st.sampled_from(list(WRITTEN)),
    as_json=st.booleans(),
)
@example(password="p@ss:w/or#d?x9", fail=unescaped, way="as it is", as_json=True)
@example(password="p@ss:w/or#d?x9", fail=migrations, way="quote", as_json=False)
@example(password="um@segredo/é", fail=module, way="bytes", as_json=True)
@example(password="um@segredo/é", fail=warning, way="as it is", as_json=False)
@example(password="um segredo9", fail=option, way="as it is", as_json=False)
def test_no_command_says_a_password(
    local: Project,
    password: str,
    fail: Callable[[Project, str, str], tuple[str, ...]],
    way: str,
    *,
    as_json: bool,
) -> None:
    assume("${" not in password)
    secret._secrets.clear()
    before = local.config.read_text(), (local.folder / "modelos" / "pessoas.py").read_text()
    try:
        for name in fail(local, password, way):
            code, text = said(getattr(tasks, name), config=str(local.config), json=as_json)
            assert code != 0 or name == "stages"
            for part in parts(password):
                if part not in str(local.folder) and part not in before[1]:
                    assert part not in text, (name, code)
    finally:
        local.config.write_text(before[0])
        (local.folder / "modelos" / "pessoas.py").write_text(before[1])


def test_what_python_and_modules_print_has_no_password(local: Project) -> None:
    statements = "import logging, sys, warnings; warnings.warn(text); print(text); logging.warning(text)"
    module(local, "um@segredo/x", "quote", statements + "; sys.stderr.write(text)")
    done = inv(local, "check")
    assert done.returncode == 2
    assert "UserWarning: to ://ana:***@servidor***" in done.stderr
    assert done.stderr.count("to ://ana:***@servidor***") == 4
    assert "segredo" not in done.stdout + done.stderr


def test_a_traceback_has_no_password_of_the_environment(local: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "um@segredo/x")
    text = "import os, sqlstrata.commands as c\ndef up(*_, **__):\n    raise RuntimeError(os.environ['PGPASSWORD'])\nc.up = up\n"
    (local.folder / "sitecustomize.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", f"{local.folder}:{ROOT}")
    done = inv(local, "up", "--json")
    assert done.returncode == 1
    assert "RuntimeError: ***" in done.stderr
    assert json.loads(done.stdout)["error"]["message"] == "RuntimeError: ***"
    assert "segredo" not in done.stdout + done.stderr
