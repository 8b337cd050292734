"""What a folder has is found without importing what does something, and in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sqlstrata.errors import WrongUse
from sqlstrata.start.candidates import candidates
from sqlstrata.start.discovery import Discovery, discover

MODEL = """
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def lay(**files: str) -> None:
    for name, text in files.items():
        path = Path(name.replace("__", "/")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def found(seconds: float = 30) -> Discovery:
    return discover(candidates(Path.cwd()), seconds)


@pytest.mark.parametrize(
    "place",
    ["tests", "venv", ".hidden", "node_modules", "migrations", "env", "build", "not-a-name", "site-packages"],
)
def test_some_folders_are_left_out(place: str) -> None:
    Path(place).mkdir()
    (Path(place) / "models.py").write_text(MODEL, encoding="utf-8")
    if place in {"venv", "env"}:
        (Path(place) / "pyvenv.cfg").touch()
    assert candidates(Path.cwd()).modules == ()


@pytest.mark.parametrize("name", ["setup.py", "conftest.py", "test_models.py", "models_test.py", "tasks.py", "a-b.py"])
def test_some_files_are_left_out(name: str) -> None:
    Path(name).write_text(MODEL, encoding="utf-8")
    assert candidates(Path.cwd()).modules == ()


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("Base.metadata.create_all(None)\n", "Base.metadata.create_all"),
        ("with open('x') as file:\n    Base.metadata.drop_all(None)\n", "Base.metadata.drop_all"),
        ("import sys\nif True:\n    sys.exit(1)\n", "sys.exit"),
        ("try:\n    main()\nexcept ValueError:\n    pass\n", "main"),
        ("import uvicorn\nuvicorn.run('x')\n", "uvicorn.run"),
    ],
)
def test_a_program_is_not_imported(text: str, call: str) -> None:
    """It would do its work: a table in a database, at the least."""
    lay(program=MODEL + text)
    assert found().found == ()
    (only,) = found().unseen
    assert only.startswith("program.py:")
    assert only.endswith(f": importing it would call `{call}`")


def test_what_a_program_does_only_when_it_is_run_is_no_reason() -> None:
    lay(app=f"{MODEL}\n\ndef main():\n    Base.metadata.create_all(None)\n\n\nif __name__ == '__main__':\n    main()\n")
    assert [str(each) for each in found().found] == ["app:Base"]


def test_a_file_that_is_no_python_is_named() -> None:
    lay(broken=f"{MODEL}\nclass\n")
    assert found().unseen == ("broken.py:14: Python cannot read it",)


def test_what_modules_print_and_read_goes_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    text = "import os, sys\nprint('out')\nprint('err', file=sys.stderr)\nos.write(1, b'raw')\nassert sys.stdin.read() == ''\n"
    lay(models=text + MODEL)
    assert [str(each) for each in found().found] == ["models:Base"]
    assert capfd.readouterr() == ("", "")
    assert not list(Path.cwd().rglob("__pycache__"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("raise ValueError('no')\n", "ValueError: no"),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3"),
        ("x = exit()\n", "SystemExit: None"),
        ("import os\nx = os._exit(3)\n", "it ends the process, or takes longer than 30 seconds"),
        (
            "import os, signal\nx = os.kill(os.getpid(), signal.SIGKILL)\n",
            "it ends the process, or takes longer than 30 seconds",
        ),
    ],
)
def test_a_module_that_fails_is_named_and_the_others_are_found(text: str, why: str) -> None:
    lay(bad=f"{MODEL}\n{text.replace('sys.exit(3)', 'x = sys.exit(3)')}", good=MODEL)
    seen = found()
    assert [str(each) for each in seen.found if each.module == "good"] == ["good:Base"]
    assert seen.unseen == (f"bad.py: {why}",)


def test_a_module_that_takes_too_long_is_ended_with_what_it_started() -> None:
    lay(
        slow=f"import subprocess, time\nx = subprocess.Popen(['sleep', '987'])\n{MODEL}\ny = time.sleep(900)\n",
        good=MODEL,
    )
    start = time.monotonic()
    seen = found(seconds=3)
    assert time.monotonic() - start < 20
    assert [str(each) for each in seen.found] == ["good:Base"]
    assert seen.unseen == ("slow.py: it ends the process, or takes longer than 3 seconds",)
    running = subprocess.run(["pgrep", "-f", "sleep 987"], capture_output=True, text=True, check=False).stdout
    assert running == ""


def test_a_thread_that_never_ends_keeps_nobody_waiting() -> None:
    lay(models=f"import threading, time\nthreading.Thread(target=time.sleep, args=(900,)).start()\n{MODEL}")
    assert [str(each) for each in found().found] == ["models:Base"]


def test_a_module_that_shadows_one_of_python_s_harms_nobody() -> None:
    lay(json="raise SystemExit\n", secrets="1 / 0\n", models=MODEL)
    assert [str(each) for each in found().found] == ["models:Base"]


def test_a_password_in_an_error_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://ana:s3gredo99@127.0.0.1/x")
    lay(models=f"import os\nraise ValueError(os.environ['DATABASE_URL'])\n{MODEL}")
    (only,) = found().unseen
    assert "s3gredo99" not in only


def test_each_table_knows_the_module_that_defines_it() -> None:
    """Not the one that happened to import it, nor that of its base."""
    lay(
        app__base="from sqlalchemy.orm import DeclarativeBase\n\n\nclass Base(DeclarativeBase):\n    def __init_subclass__(cls, **k):\n"
        "        super().__init_subclass__(**k)\n",
        app__a="from app import b\nfrom app.base import Base\nimport sqlalchemy as sa\n\n\nclass A(Base):\n    __tablename__ = 'a'\n"
        "    id = sa.Column(sa.Integer, primary_key=True)\n",
        app__b="from app.base import Base\nimport sqlalchemy as sa\n\n\nclass B(Base):\n    __tablename__ = 'b'\n"
        "    id = sa.Column(sa.Integer, primary_key=True)\n\n\nunused = sa.MetaData()\n",
    )
    seen = found()
    assert [(str(each), each.tables) for each in seen.found] == [
        ("app.base:Base", {"a": "app.a", "b": "app.b"}),
        ("app.b:unused", {}),
    ]


def test_a_process_that_does_not_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    lay(models=MODEL)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(WrongUse, match=r"The process that looks for models does not start\."):
        found()


def test_the_environment_of_the_program_is_that_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEEDED", "1")
    lay(models=f"import os\nos.environ['NEEDED']\n{MODEL}")
    assert found().unseen == ()
    assert os.environ["NEEDED"] == "1"
