"""The folder of revision files: read, compared, and replaced in one step or not at all, whatever happens meanwhile."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic.script import ScriptDirectory

from sqlstrata import folder as history
from sqlstrata.errors import HistoryDiffers, Locked, WrongUse
from sqlstrata.folder import (
    File,
    environment,
    environment_mismatch,
    files,
    foreign,
    heal,
    locked,
    read,
    replace,
    surroundings,
)
from sqlstrata.revisions.revision import Revision, digest, older_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TEXT = '''\
"""{message}

Stage: {stage}
Revision ID: {id}
Revises:{parent_in_words}
"""

from alembic import op

revision = "{id}"
down_revision = {parent}
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("{sql}")


def downgrade() -> None:
    pass
'''


def chain(*stages: str) -> tuple[Revision, ...]:
    """Make a history of stages, each given as "name", "name: SQL" or "name: SQL: message"."""
    made: list[Revision] = []
    for number, given in enumerate(stages, 1):
        name, sql, message = (*given.split(": "), *["SELECT 1", "Mudança"][given.count(": ") :])[:3]
        parent = made[-1].id if made else None
        known = {
            "message": message,
            "stage": name,
            "sql": sql,
            "parent": f'"{parent}"' if parent else None,
            "parent_in_words": f" {parent}" if parent else "",
        }
        identity = digest(TEXT.format(id="0" * 12, **known))
        made.append(Revision(name, message, number, parent, TEXT.format(id=identity, **known), identity, ()))
    return tuple(made)


OLD = chain("usuario", "produto", "usuario_email")
NEW = chain("usuario", "produto: SELECT 2", "usuario_email", "pedido")


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    """Give a folder that holds the old history."""
    folder = tmp_path / "migrations" / "versions"
    replace(folder, OLD)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Give the files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def as_files(revisions: tuple[Revision, ...]) -> dict[str, bytes]:
    """Give the files that a folder with these revisions has."""
    return {revision.filename: revision.text.encode() for revision in revisions}


def beside(folder: Path) -> list[str]:
    """Give the names that lie beside the folder."""
    return sorted(path.name for path in folder.parent.iterdir() if path != folder)


def made(folder: Path) -> Path:
    """Make an empty folder."""
    folder.mkdir()
    return folder


def edit(path: Path, old: str, new: str) -> None:
    """Edit a file by hand."""
    text = path.read_text()
    assert old in text
    path.unlink()
    path.write_text(text.replace(old, new))


# ------------------------------------------------------------------------------------------------------------- reading


def test_a_file_says_its_stage_its_id_its_parent_and_its_message(versions: Path) -> None:
    first, second, _ = read(versions)
    assert first == File("0001_usuario.py", OLD[0].text, "usuario", OLD[0].id, None, "Mudança")
    assert (second.stage, second.id, second.parent, second.number) == ("produto", OLD[1].id, OLD[0].id, 2)
    assert (second.ours, second.wrong) == (True, None)


def test_what_nobody_has_edited_is_read_without_parsing_it(versions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says the same as when it is parsed, whatever its message is."""
    said = chain("um", r"dois: SELECT 1: Diz \"olá\" \\ e acabou")
    replace(versions, said)
    monkeypatch.setattr(files, "_HEAD", re.compile(r"$."))
    expected = read(versions)
    monkeypatch.undo()
    monkeypatch.setattr(files, "_tree", pytest.fail)
    assert read(versions) == expected
    assert expected[1].message == 'Diz "olá" \\ e acabou'


def test_files_are_sorted_by_name_and_a_folder_that_is_not_there_has_none(versions: Path, tmp_path: Path) -> None:
    assert [file.name for file in read(versions)] == [revision.filename for revision in OLD]
    assert read(tmp_path / "nowhere") == ()


def test_reading_does_not_import_what_it_reads(versions: Path, tmp_path: Path) -> None:
    (versions / "0004_x.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    read(versions)
    assert not (tmp_path / "ran").exists()
    assert not (versions / "__pycache__").exists()


def test_the_cache_and_hidden_files_are_is_ignored(versions: Path) -> None:
    (versions / "__pycache__").mkdir()
    (versions / ".gitkeep").touch()
    assert history.compare(read(versions), OLD) is None


EDITS: list[tuple[str, str, str, str]] = [
    ("another operation", "SELECT 1", "SELECT 9", "was edited by hand: its id is not that of its content"),
    (
        "another parent",
        "down_revision = ",
        "down_revision = None  # ",
        "was edited by hand: its id is not that of its content",
    ),
    (
        "another id",
        f'revision = "{OLD[1].id}"',
        'revision = "0123456789ab"',
        "was edited by hand: its id is not that of its content",
    ),
    (
        "another id in words",
        f"ID: {OLD[1].id}",
        "ID: 0123456789ab",
        "was edited by hand: its id is not that of its content",
    ),
    ("another stage", "Stage: produto", "Stage: produtos", "does not have the name of its stage, produtos"),
    ("a comment", "branch_labels", "# mine\nbranch_labels", "was edited by hand: its id is not that of its content"),
    ("no stage", "Stage: produto\n", "", "was not written by a rebuild"),
    ("no id", f'revision = "{OLD[1].id}"', "", "was not written by a rebuild"),
    ("not Python", "def upgrade", "def def upgrade", "cannot be read as Python"),
    ("a NUL", "SELECT 1", "\0", "cannot be read as Python"),
    ("conflict marks", "def upgrade", "<<<<<<< HEAD\ndef upgrade", "cannot be read as Python"),
]


@pytest.mark.parametrize(("old", "new", "wrong"), [case[1:] for case in EDITS], ids=[case[0] for case in EDITS])
def test_a_hand_edit_shows(versions: Path, old: str, new: str, wrong: str) -> None:
    edit(versions / "0002_produto.py", old, new)
    (file,) = foreign(read(versions))
    assert (file.name, file.wrong) == ("0002_produto.py", wrong)
    mismatch = history.compare(read(versions), OLD)
    assert mismatch is not None
    assert (mismatch.stage, mismatch.cause, mismatch.file) == ("produto", "hand edit", "0002_produto.py")
    assert mismatch.diff


def test_an_id_made_to_fit_by_hand_is_no_hand_edit_but_still_differs(versions: Path) -> None:
    path = versions / "0003_usuario_email.py"
    edit(path, "SELECT 1", "SELECT 9")
    edit(path, OLD[2].id, digest(path.read_text()))
    assert foreign(read(versions)) == ()
    mismatch = history.compare(read(versions), OLD)
    assert mismatch is not None
    assert (mismatch.stage, mismatch.cause) == ("usuario_email", "models")


LAYOUTS = [
    ("broken up", 'op.execute("SELECT 1")', 'op.execute(\n        "SELECT 1",\n    )', True),
    ("spaces in a text", "SELECT 1", "SELECT  1", False),
    ("a comma in a text", "SELECT 1", "SELECT 1,  ]", False),
    ("out of the function", '    op.execute("SELECT 1")', '    pass\nop.execute("SELECT 1")', False),
    ("a comment", 'op.execute("SELECT 1")', 'op.execute("SELECT 1")  # mine', False),
    ("the message", "Mudança", 'Outra \\"mudança\\"', True),
]


@pytest.mark.parametrize(("old", "new", "same"), [case[1:] for case in LAYOUTS], ids=[case[0] for case in LAYOUTS])
def test_neither_the_message_nor_the_layout_is_part_of_an_id(versions: Path, old: str, new: str, *, same: bool) -> None:
    edit(versions / "0002_produto.py", old, new)
    assert (foreign(read(versions)) == ()) == same
    mismatch = history.compare(read(versions), OLD)
    assert mismatch is not None
    assert mismatch.cause == ("stages" if old == "Mudança" else "hand edit")


def test_a_file_of_an_older_version_is_no_hand_edit(versions: Path) -> None:
    text = OLD[2].text.replace(OLD[2].id, older_digest(OLD[2].text))
    (versions / OLD[2].filename).write_text(text)
    assert foreign(read(versions)) == ()
    assert replace(versions, OLD)


def test_an_id_that_is_not_the_digest_stands_beside_it(versions: Path) -> None:
    text = OLD[2].text.replace(OLD[2].id, "ae10.Inicio").replace("Revises:", f"Digest: {OLD[2].id}\nRevises:")
    (versions / OLD[2].filename).write_text(text)
    *_, last = read(versions)
    assert (last.id, last.wrong) == ("ae10.Inicio", None)
    edit(versions / OLD[2].filename, "SELECT 1", "SELECT 9")
    assert foreign(read(versions))[0].wrong == "was edited by hand: its id is not that of its content"


def test_line_ends_that_git_made_are_not_ours_to_keep_but_differ(versions: Path) -> None:
    path = versions / "0002_produto.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert foreign(read(versions)) == ()
    mismatch = history.compare(read(versions), OLD)
    assert mismatch is not None
    assert (mismatch.stage, mismatch.cause) == ("produto", "hand edit")
    assert "-revision" in mismatch.diff
    assert "\\r" in mismatch.diff
    assert replace(versions, OLD)
    assert contents(versions) == as_files(OLD)


def lay(path: Path, name: str) -> None:
    """Lay what is not ours into a folder, by its name."""
    target = path / name
    match name:
        case "backup":
            target.mkdir()
            (target / "x.txt").write_text("x")
        case "link.py":
            target.symlink_to("nowhere")
        case "latin.py":
            target.write_bytes(b"# caf\xe9\n")
        case "0002_produto (copy).py":
            shutil.copy(path / "0002_produto.py", target)
        case "1975ea83b712_of_alembic.py":
            target.write_text(
                '"""x\n\nRevision ID: 1975ea83b712\nRevises: \n"""\nrevision = "1975ea83b712"\ndown_revision = None\n'
            )
        case _:
            target.write_text("x\n")


STRAYS = [
    "notes.txt",
    "backup",
    "link.py",
    "latin.py",
    "0002_produto (copy).py",
    "1975ea83b712_of_alembic.py",
    "__init__.py",
    "0002_x.pyc",
]


@pytest.mark.parametrize("name", STRAYS)
def test_a_stray_file_differs_stops_a_rebuild_and_is_kept_by_force(versions: Path, name: str) -> None:
    lay(versions, name)
    assert [file.name for file in foreign(read(versions))] == [name]
    mismatch = history.compare(read(versions), OLD)
    assert mismatch is not None
    assert (mismatch.stage, mismatch.cause, mismatch.file) == (None, "file too many", name)
    mismatch.diff.encode()
    with pytest.raises(HistoryDiffers, match="A rebuild would overwrite files that it did not write"):
        replace(versions, OLD)
    assert (versions / name).is_symlink() or (versions / name).exists()

    replaced = replace(versions, OLD, force=True)
    assert replaced
    assert replaced.kept == versions.parent / "versions.kept-1"
    assert [path.name for path in replaced.kept.iterdir()] == [name]
    assert contents(versions) == as_files(OLD)


def test_what_is_no_folder_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "versions").write_text("mine")
    for call in (read, lambda place: replace(place, OLD), lambda place: replace(place, OLD, force=True)):
        with pytest.raises(WrongUse) as caught:
            call(tmp_path / "versions")
        assert str(caught.value) == (
            "versions is not a folder. Move it away, or name another folder with `migrations` in config.yaml."
        )
    assert (tmp_path / "versions").read_text() == "mine"


# ----------------------------------------------------------------------------------------------------------- comparing

DIFFERENCES: list[tuple[str, tuple[Revision, ...], tuple[str, str, str]]] = [
    ("other code", chain("usuario", "produto: SELECT 2", "usuario_email"), ("produto", "models", "0002_produto.py")),
    (
        "another message",
        chain("usuario", "produto: SELECT 1: Outra", "usuario_email"),
        ("produto", "stages", "0002_produto.py"),
    ),
    ("both", chain("usuario", "produto: SELECT 2: Outra", "usuario_email"), ("produto", "stages", "0002_produto.py")),
    ("another name", chain("usuario", "produtos", "usuario_email"), ("produtos", "stages", "0002_produto.py")),
    ("another order", chain("produto", "usuario", "usuario_email"), ("produto", "stages", "0001_usuario.py")),
    ("one put in", chain("usuario", "pedido", "produto", "usuario_email"), ("pedido", "stages", "0002_produto.py")),
    ("one taken out", chain("usuario", "usuario_email"), ("usuario_email", "stages", "0002_produto.py")),
    (
        "one at the end",
        chain("usuario", "produto", "usuario_email", "pedido"),
        ("pedido", "file missing", "0004_pedido.py"),
    ),
    ("the last taken", chain("usuario", "produto"), ("usuario_email", "file too many", "0003_usuario_email.py")),
    ("none left", (), ("usuario", "file too many", "0001_usuario.py")),
    (
        "the first of several",
        chain("usuario: SELECT 2", "produto: SELECT 3: X"),
        ("usuario", "models", "0001_usuario.py"),
    ),
]


@pytest.mark.parametrize(
    ("revisions", "expected"), [case[1:] for case in DIFFERENCES], ids=[case[0] for case in DIFFERENCES]
)
def test_the_first_stage_that_differs_is_found_with_its_cause(
    versions: Path, revisions: tuple[Revision, ...], expected: tuple[str, str, str]
) -> None:
    mismatch = history.compare(read(versions), revisions)
    assert mismatch is not None
    assert (mismatch.stage, mismatch.cause, mismatch.file) == expected


def test_the_same_does_not_differ(versions: Path) -> None:
    assert history.compare(read(versions), OLD) is None


@pytest.mark.parametrize("revision", OLD, ids=lambda revision: revision.stage)
def test_a_file_that_was_deleted_is_missing(versions: Path, revision: Revision) -> None:
    (versions / revision.filename).unlink()
    mismatch = history.compare(read(versions), OLD)
    assert mismatch is not None
    assert (mismatch.stage, mismatch.cause, mismatch.file) == (revision.stage, "file missing", revision.filename)


def test_a_file_with_a_number_that_is_taken_is_too_many_at_its_place(versions: Path) -> None:
    lay(versions, "0002_produto (copy).py")
    edit(versions / "0003_usuario_email.py", "SELECT 1", "SELECT 9")
    mismatch = history.compare(read(versions), OLD)
    assert mismatch is not None
    assert (mismatch.cause, mismatch.file) == ("file too many", "0002_produto (copy).py")


def test_the_diff_leads_from_the_file_to_what_the_stages_give(versions: Path) -> None:
    mismatch = history.compare(read(versions), chain("usuario", "produto: SELECT 2"))
    assert mismatch is not None
    lines = mismatch.diff.splitlines()
    assert lines[:2] == ["--- on disk/0002_produto.py", "+++ from the stages/0002_produto.py"]
    assert '-    op.execute("SELECT 1")' in lines
    assert '+    op.execute("SELECT 2")' in lines


def test_a_line_end_that_is_missing_shows_in_the_diff(versions: Path) -> None:
    path = versions / "0001_usuario.py"
    path.write_text(path.read_text().rstrip("\n"))
    mismatch = history.compare(read(versions), OLD)
    assert mismatch is not None
    assert "-    pass\\ no line end\n+    pass" in mismatch.diff


# ----------------------------------------------------------------------------------------------------------- replacing


def test_a_folder_is_made_where_there_is_none(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b" / "versions"
    assert replace(folder, OLD) == history.Replaced(None)
    assert contents(folder) == as_files(OLD)
    assert beside(folder) == []


def test_a_folder_is_replaced_and_nothing_is_left_beside_it(versions: Path) -> None:
    assert replace(versions, NEW) == history.Replaced(None)
    assert contents(versions) == as_files(NEW)
    assert beside(versions) == []


def test_where_nothing_differs_no_file_is_touched(versions: Path) -> None:
    def times() -> dict[str, tuple[int, int, int]]:
        stats = {path.name: path.stat() for path in (versions, *versions.iterdir())}
        return {name: (found.st_ino, found.st_mtime_ns, found.st_ctime_ns) for name, found in stats.items()}

    before = times()
    assert replace(versions, OLD) is None
    assert replace(versions, OLD, force=True) is None
    assert times() == before


def test_files_that_stay_stay_the_same_files(versions: Path) -> None:
    before = (versions / "0001_usuario.py").stat()
    replace(versions, NEW)
    after = (versions / "0001_usuario.py").stat()
    assert (before.st_ino, before.st_mtime_ns, after.st_nlink) == (after.st_ino, after.st_mtime_ns, 1)


def test_a_link_in_the_folder_becomes_a_file(versions: Path, tmp_path: Path) -> None:
    (versions / "0001_usuario.py").rename(tmp_path / "elsewhere.py")
    (versions / "0001_usuario.py").symlink_to(tmp_path / "elsewhere.py")
    replace(versions, NEW)
    assert contents(versions) == as_files(NEW)
    assert not (versions / "0001_usuario.py").is_symlink()
    assert (versions / "0001_usuario.py").stat().st_nlink == 1
    assert (tmp_path / "elsewhere.py").exists()


def test_without_hard_links_files_are_written_again(versions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    replace(versions, NEW)
    assert contents(versions) == as_files(NEW)


def test_hidden_files_and_the_rights_of_the_folder_stay(versions: Path) -> None:
    (versions / ".gitkeep").touch()
    (versions / ".notes").mkdir()
    (versions / ".notes" / "a").write_text("a")
    (versions / "__pycache__").mkdir()
    versions.chmod(0o2770)
    replace(versions, NEW)
    assert {path.name for path in versions.iterdir()} == {*as_files(NEW), ".gitkeep", ".notes"}
    assert (versions / ".notes" / "a").read_text() == "a"
    assert stat.S_IMODE(versions.stat().st_mode) == 0o2770


def test_a_link_to_the_folder_stays_a_link(versions: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(versions)
    replace(link, NEW)
    assert link.is_symlink()
    assert contents(versions) == as_files(NEW)


def test_hand_edits_and_strays_stop_a_rebuild_which_names_each(versions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(versions.parents[1])
    edit(versions / "0002_produto.py", "SELECT 1", "SELECT 9")
    lay(versions, "notes.txt")
    before = contents(versions)
    calls: list[Callable[[], object]] = [
        lambda: replace(versions, NEW),
        lambda: history.require_ours(versions),
    ]
    for call in calls:
        with pytest.raises(HistoryDiffers) as caught:
            call()
        assert str(caught.value) == (
            "migrations/versions: A rebuild would overwrite files that it did not write: 0002_produto.py was edited by hand: its "
            "id is not that of its content; notes.txt is not a revision file. Make the change in the models or "
            "config.yaml, or move the file away; `--force` overwrites it and keeps a copy."
        )
        assert caught.value.code == 3
        assert caught.value.details == {"files": ["0002_produto.py", "notes.txt"]}
    assert contents(versions) == before
    assert beside(versions) == []


def test_force_keeps_a_copy_of_each_beside_the_folder_every_time(versions: Path) -> None:
    edit(versions / "0002_produto.py", "SELECT 1", "SELECT 9")
    lay(versions, "notes.txt")
    lay(versions, "backup")
    mine = {name: (versions / name).read_bytes() for name in ("0002_produto.py", "notes.txt")}
    replaced = replace(versions, OLD, force=True)
    assert replaced
    assert replaced.kept
    assert {name: (replaced.kept / name).read_bytes() for name in mine} == mine
    assert (replaced.kept / "backup" / "x.txt").read_text() == "x"
    assert contents(versions) == as_files(OLD)

    lay(versions, "notes.txt")
    again = replace(versions, OLD, force=True)
    assert again == history.Replaced(versions.parent / "versions.kept-2")


def test_alembic_sees_the_folder_and_nothing_that_lies_beside_it(versions: Path) -> None:
    edit(versions / "0002_produto.py", "SELECT 1", "SELECT 9")
    assert replace(versions, NEW, force=True)
    with locked(versions):
        for name in ("versions.strata-partial", "versions.strata-previous"):
            history.write(made(versions.with_name(name)), chain("alheio"))
        seen = [script.revision for script in ScriptDirectory(str(versions.parent)).walk_revisions()]
    assert seen == [revision.id for revision in reversed(NEW)]


def test_our_own_old_files_are_not_kept(versions: Path) -> None:
    replaced = replace(versions, chain("outro"), force=True)
    assert replaced == history.Replaced(None)
    assert contents(versions) == as_files(chain("outro"))


def test_a_proof_can_have_the_files_in_a_folder_of_its_own(tmp_path: Path) -> None:
    history.write(tmp_path, OLD)
    assert contents(tmp_path) == as_files(OLD)
    with pytest.raises(WrongUse, match="could not be written: File exists"):
        history.write(tmp_path, OLD)


# ------------------------------------------------------------------------------------------ stopped at any of its steps


class Ended(BaseException):
    """Stands for whatever is no OSError, as Ctrl-C is."""


UNREACHED = 4


def started(act: Callable[[], object]) -> int:
    """Do something in a process of its own, whose exit code tells how it ended; give its id."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    code = 99
    try:
        code = UNREACHED if act() is UNREACHED else 0
    except WrongUse:
        code = WrongUse.code
    except Locked:
        code = Locked.code
    except Ended:
        code = 3
    except BaseException:  # noqa: BLE001 - a forked process must not come back into pytest
        traceback.print_exc()
    finally:
        os._exit(code)


def ended(child: int) -> int:
    """Wait for a process; give its exit code, or the signal that ended it as a negative number."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


STEPS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "os.chmod", "os.truncate", "os.scandir"}


def stopped(act: Callable[[], object], near: Path, step: int, stop: Callable[[], object]) -> Callable[[], object]:
    """Do something, and stop just before the step of this number that touches something in or beside a folder."""

    def run() -> object:
        numbers = iter(range(1, step + 1))
        reached = False

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal reached
            named = event in STEPS and any(str(near.parent) in str(each) for each in arguments)
            inside = event in {"os.remove", "os.rmdir"}  # rmtree names files by the folder's descriptor
            if (named or inside) and next(numbers, None) == step:
                reached = True
                stop()

        sys.addaudithook(hook)  # never goes away, but its process does
        act()
        return None if reached else UNREACHED

    return run


def kill() -> None:
    """End this process as nothing can prevent."""
    os.kill(os.getpid(), signal.SIGKILL)


def fail() -> None:
    """Let the operating system refuse."""
    raise OSError(errno.ENOSPC, "No space left on device")


def leave() -> None:
    """Press Ctrl-C."""
    raise Ended


def state(folder: Path) -> dict[str, bytes] | None:
    """Give the files of a folder that may not be there."""
    return contents(folder) if folder.exists() else None


ENDS: list[tuple[str, Callable[[], object], int]] = [
    ("kill -9", kill, -signal.SIGKILL),
    ("disk full", fail, WrongUse.code),
    ("Ctrl-C", leave, 3),
]


@pytest.mark.parametrize(("stop", "code"), [case[1:] for case in ENDS], ids=[case[0] for case in ENDS])
@pytest.mark.parametrize("start", ["an old history", "nothing", "a hand edit"])
def test_stopped_at_any_step_the_folder_is_the_old_or_the_new_one(
    tmp_path: Path, start: str, stop: Callable[[], object], code: int
) -> None:
    results = set()
    for step in count(1):
        folder = tmp_path / str(step) / "migrations" / "versions"
        if start == "nothing":
            folder.parent.mkdir(parents=True)
        else:
            replace(folder, OLD)
        if start == "a hand edit":
            edit(folder / "0002_produto.py", "SELECT 1", "SELECT 9")
        before, after = state(folder) or {}, as_files(NEW)

        def rebuild(folder: Path = folder) -> None:
            heal(folder)
            replace(folder, NEW, force=True)

        result = ended(started(stopped(rebuild, folder, step, stop)))
        if result == UNREACHED:
            break
        assert result in {code, 0}, f"step {step}"
        if result == WrongUse.code:  # says that all is as it was
            assert (state(folder) or {}) == before, f"step {step}"
        previous = state(folder.with_name("versions.strata-previous"))
        assert previous in (None, before), f"step {step}: half of a folder may be put back"
        heal(folder)
        assert (state(folder) or {}) in (before, after), f"step {step}"
        results.add(state(folder) == after)
        left = beside(folder)
        if start == "a hand edit":
            assert left in ([], ["versions.kept-1"]), f"step {step}"
            assert all(
                contents(folder.parent / name) == {"0002_produto.py": before["0002_produto.py"]} for name in left
            )
            assert left or state(folder) == before, f"step {step}: the edit is nowhere"
        else:
            assert left == [], f"step {step}"
        rebuild()
        assert contents(folder) == after, f"step {step}: the next rebuild"
    assert results == {False, True}
    assert step > 10


def test_where_both_the_step_and_its_undoing_fail_it_is_reported_and_healed(
    versions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(versions.parents[1])
    rename, calls = os.rename, count(1)

    def failing(*paths: Path) -> None:
        if next(calls) > 1:
            raise OSError(errno.EIO, "Input/output error")
        rename(*paths)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", failing)
        with pytest.raises(WrongUse) as caught:
            replace(versions, NEW)
    assert str(caught.value) == (
        "migrations/versions could not be replaced: Input/output error. "
        "Its content is in migrations/versions.strata-previous; the next command moves it back."
    )
    assert heal(versions) == (
        "An earlier run was killed while it replaced migrations/versions: the folder is as it was before."
    )
    assert contents(versions) == as_files(OLD)
    assert beside(versions) == []


@pytest.mark.parametrize("call", [1, 2])
def test_a_rename_that_fails_leaves_the_old_folder(versions: Path, monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    monkeypatch.chdir(versions.parents[1])
    rename, calls = os.rename, count(1)

    def failing(*paths: Path) -> None:
        if next(calls) == call:
            raise OSError(errno.EBUSY, "Device or resource busy")
        rename(*paths)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", failing)
        with pytest.raises(WrongUse) as caught:
            replace(versions, NEW)
    assert str(caught.value) == (
        "migrations/versions could not be replaced: Device or resource busy. Nothing in it was changed. "
        "It is in use or a mount point: mount the folder above it instead."
    )
    assert contents(versions) == as_files(OLD)
    assert beside(versions) == []


def test_a_disk_that_is_full_is_reported_and_nothing_is_half_written(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    small = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    mount = subprocess.run(small, check=False, capture_output=True)
    if mount.returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        folder = disk / "versions"
        replace(folder, OLD)
        with pytest.raises(WrongUse) as caught:
            replace(folder, chain("usuario", f"produto: {'x' * 100_000}"))
        assert str(caught.value) == (
            f"{folder} could not be replaced: No space left on device. Nothing in it was changed. "
            "The disk is full: free some space and run the command again."
        )
        assert contents(folder) == as_files(OLD)
        assert beside(folder) == []
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.fixture
def public(versions: Path) -> Iterator[Path]:
    """Give a folder with the old history that everybody may go to."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        folder = Path(name) / "migrations" / "versions"
        shutil.copytree(versions, folder)
        yield folder


def told_to_nobody(act: Callable[[], object]) -> str:
    """Do something as a user who is not root; give what it told as WrongUse."""
    reading, writing = os.pipe()

    def run() -> None:
        if os.getuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        try:
            os.write(writing, str(act()).encode())
        except WrongUse as error:
            os.write(writing, str(error).encode())

    assert ended(started(run)) == 0
    os.close(writing)
    with os.fdopen(reading) as pipe:
        return pipe.read()


def test_a_folder_that_may_not_be_written_is_reported(public: Path) -> None:
    public.parent.chmod(0o555)
    assert told_to_nobody(lambda: replace(public, NEW)) == (
        f"{public} could not be locked: Permission denied ({public}.strata-lock). Nothing in it was changed. "
        "Give this user permission to write in it and beside it."
    )
    assert contents(public) == as_files(OLD)
    public.parent.chmod(0o755)


def test_a_folder_that_may_not_be_read_is_reported(public: Path) -> None:
    public.chmod(0)
    assert told_to_nobody(lambda: read(public)).startswith(f"{public} could not be read: Permission denied ({public}).")
    public.chmod(0o755)


def test_a_folder_below_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "migrations").write_text("mine")
    with pytest.raises(WrongUse, match=r"could not be locked: (Not a directory|File exists)"):
        replace(tmp_path / "migrations" / "versions", OLD)
    assert (tmp_path / "migrations").read_text() == "mine"


# ------------------------------------------------------------------------------------------------------------- healing


def test_where_nothing_is_wrong_healing_writes_nothing(versions: Path, tmp_path: Path) -> None:
    before = versions.parent.stat().st_mtime_ns
    assert heal(versions) is None
    assert heal(tmp_path / "nowhere" / "versions") is None
    assert versions.parent.stat().st_mtime_ns == before


def test_between_the_two_renames_the_old_folder_goes_back(versions: Path) -> None:
    replace(versions.with_name("versions.strata-partial"), NEW)
    versions.rename(versions.with_name("versions.strata-previous"))
    assert heal(versions)
    assert contents(versions) == as_files(OLD)
    assert beside(versions) == []


@pytest.mark.parametrize("name", ["versions.strata-partial", "versions.strata-previous"])
def test_what_an_ended_run_left_beside_a_whole_folder_is_removed(
    versions: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(versions.parents[1])
    versions.with_name(name).mkdir()
    (versions.with_name(name) / "0001_usuario.py").touch()
    assert heal(versions) == "Removed what a killed run had left beside migrations/versions."
    assert contents(versions) == as_files(OLD)
    assert beside(versions) == []


def test_a_first_history_that_was_never_finished_is_no_history(tmp_path: Path) -> None:
    (tmp_path / "versions.strata-partial").mkdir()
    (tmp_path / "versions.strata-partial" / "0001_usuario.py").touch()
    heal(tmp_path / "versions")
    assert list(tmp_path.iterdir()) == []


def test_nobody_else_s_folder_is_taken_for_a_leftover(versions: Path) -> None:
    for name in ("versions.old", "versions.new", "versions.kept-1", "versions.bak"):
        versions.with_name(name).mkdir()
    before = beside(versions)
    heal(versions)
    replace(versions, NEW)
    assert beside(versions) == before


def test_the_operations_are_healed_as_well(versions: Path) -> None:
    old = versions.with_name("operations.strata-previous")
    old.mkdir()
    (old / "text.py").touch()
    assert heal(versions)
    assert [path.name for path in versions.with_name("operations").iterdir()] == ["text.py"]


def test_a_leftover_beside_a_whole_folder_does_not_stop_who_may_only_read(public: Path) -> None:
    public.with_name("versions.strata-partial").mkdir()
    public.parent.chmod(0o555)
    assert told_to_nobody(lambda: heal(public)) == "None"
    public.parent.chmod(0o755)


def test_a_folder_that_cannot_be_put_back_is_reported(public: Path) -> None:
    public.rename(public.with_name("versions.strata-previous"))
    public.parent.chmod(0o555)
    told = told_to_nobody(lambda: heal(public))
    assert "could not be locked: Permission denied" in told
    assert "the next command moves it back." in told
    public.parent.chmod(0o755)


# ------------------------------------------------------------------------------------------------------- one at a time


@pytest.fixture
def holder(versions: Path) -> Iterator[int]:
    """Give the id of another process that holds the folder."""
    reading, writing = os.pipe()

    def hold() -> None:
        with locked(versions, 0):
            os.write(writing, b"!")
            time.sleep(60)

    child = started(hold)
    os.read(reading, 1)
    os.close(reading)
    os.close(writing)
    yield child
    with suppress(ProcessLookupError, ChildProcessError):  # the test may have ended it
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_second_run_is_told_who_holds_the_folder(
    versions: Path, holder: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(versions.parents[1])
    told: list[str] = []
    begun = time.monotonic()
    with pytest.raises(Locked) as caught, locked(versions, 0.3, waiting=told.append):
        pass
    assert 0.3 <= time.monotonic() - begun < 5
    sentence = f"Another run is using migrations/versions: process {holder} on {socket.gethostname()}."
    assert told == [sentence]
    assert caught.value.code == 7
    assert str(caught.value) == f"{sentence} Wait until it has ended, or wait longer with `--wait SECONDS`."
    with pytest.raises(Locked):
        replace(versions, NEW, wait=0)
    assert contents(versions) == as_files(OLD)


def test_a_lock_goes_with_its_process_even_by_kill(versions: Path, holder: int) -> None:
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    assert beside(versions) == ["versions.strata-lock"]
    assert heal(versions) is None
    assert beside(versions) == []
    assert replace(versions, NEW, wait=0)


def test_a_lock_file_that_its_holder_removed_meanwhile_is_no_lock(
    versions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock, calls = fcntl.flock, count(1)

    def too_late(descriptor: int, operation: int) -> None:
        if next(calls) == 1:
            versions.with_name("versions.strata-lock").unlink()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", too_late)
    with locked(versions, 0):
        assert ended(started(lambda: replace(versions, NEW, wait=0))) == Locked.code


def test_who_waits_goes_on_when_the_other_has_ended(versions: Path, holder: int) -> None:
    timer = threading.Timer(0.3, os.kill, (holder, signal.SIGKILL))
    timer.start()
    assert replace(versions, NEW, wait=30)
    timer.join()


def test_healing_leaves_a_run_at_work_alone(versions: Path, holder: int) -> None:
    assert holder
    versions.with_name("versions.strata-partial").mkdir()
    begun = time.monotonic()
    assert heal(versions) is None
    assert time.monotonic() - begun < 1
    assert versions.with_name("versions.strata-partial").exists()


def test_healing_waits_for_a_run_that_is_between_the_renames(versions: Path) -> None:
    old = versions.with_name("versions.strata-previous")
    reading, writing = os.pipe()

    def slowly() -> None:
        with locked(versions, 0):
            versions.rename(old)
            os.write(writing, b"!")
            time.sleep(0.4)
            replace(versions, NEW)

    child = started(slowly)
    os.read(reading, 1)
    assert heal(versions) is None
    assert contents(versions) == as_files(NEW)
    assert ended(child) == 0


def test_a_forked_process_does_not_hold_what_its_parent_holds(versions: Path) -> None:
    with locked(versions, 0):
        assert ended(started(lambda: replace(versions, NEW, wait=0))) == Locked.code
    assert contents(versions) == as_files(OLD)


def test_a_thread_holds_a_folder_against_the_others_but_not_against_itself(versions: Path) -> None:
    caught: list[Locked] = []

    def attempt() -> None:
        try:
            replace(versions, NEW, wait=0)
        except Locked as error:
            caught.append(error)

    with locked(versions, 0):
        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()
        assert caught
        with locked(versions, 0):
            pass
        assert replace(versions, NEW, wait=0)
    assert beside(versions) == []


def test_many_rebuilds_at_once_leave_one_history_whole(versions: Path) -> None:
    chains = [chain(*(f"s{number}_{each}" for each in range(5))) for number in range(4)]

    def often(number: int) -> None:
        for _ in range(15):
            heal(versions)
            replace(versions, chains[number], wait=60)

    children = {started(partial(often, number)) for number in range(len(chains))}
    names = [set(as_files(OLD)), *(set(as_files(each)) for each in chains)]
    seen = 0
    while children:
        child, status = os.waitpid(-1, os.WNOHANG)
        children.discard(child)
        assert status == 0
        with suppress(FileNotFoundError):  # between the two renames
            found = {path.name for path in versions.iterdir()}
            assert any(found <= each for each in names), "a mixture"
            seen += 1
    assert contents(versions) in [as_files(each) for each in chains]
    assert beside(versions) == []
    assert seen


# ------------------------------------------------------------------------------------------- what lies around the files


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a small template in place of the real one."""
    folder = tmp_path / "template"
    folder.mkdir()
    (folder / "env.py").write_text("env")
    (folder / "script.py.mako").write_text("mako")
    monkeypatch.setattr(surroundings, "TEMPLATE", folder)
    return folder


def around(migrations: Path) -> tuple[str, str] | None:
    """Give the cause and the name of the first file that differs."""
    found = environment_mismatch(migrations)
    return (found.cause, found.file) if found else None


AROUND = {"env.py", "script.py.mako"}


def test_a_migrations_folder_is_made_whole(tmp_path: Path, template: Path) -> None:
    migrations = tmp_path / "a" / "migrations"
    assert environment(migrations) is None
    assert {path.name for path in migrations.iterdir()} == AROUND
    assert (migrations / "env.py").read_bytes() == (template / "env.py").read_bytes()
    assert environment_mismatch(migrations) is None


@pytest.mark.usefixtures("template")
def test_the_team_s_own_files_are_never_overwritten(tmp_path: Path) -> None:
    migrations = tmp_path / "migrations"
    migrations.mkdir()
    (migrations / "env.py").write_text("mine")
    (migrations / "operations").mkdir()
    (migrations / "operations" / "mine.py").write_text("mine")
    assert environment(migrations) is None
    assert (migrations / "env.py").read_text() == "mine"
    assert (migrations / "script.py.mako").read_text() == "mako"
    assert (migrations / "operations" / "mine.py").read_text() == "mine"
    assert environment_mismatch(migrations) is None


def test_the_first_file_that_is_missing_is_named(tmp_path: Path, template: Path) -> None:
    migrations = tmp_path / "migrations"
    assert around(migrations) == ("file missing", "env.py")
    environment(migrations)
    (migrations / "script.py.mako").unlink()
    assert around(migrations) == ("file missing", "script.py.mako")


OLD_ENV, OLD_OPERATIONS = b"import operations", {"__init__.py": b"", "text.py": b"old"}


@pytest.fixture
def old(tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A migrations folder as an older version left it, with operations beside env.py."""
    monkeypatch.setattr(surroundings, "_OLD_ENV", {hashlib.sha256(OLD_ENV).hexdigest()})
    monkeypatch.setattr(surroundings, "_OLD_OPERATIONS", {surroundings._digest(OLD_OPERATIONS)})
    return as_an_older_version_left_it(tmp_path / "migrations")


def as_an_older_version_left_it(migrations: Path) -> Path:
    (migrations / "operations").mkdir(parents=True)
    (migrations / "env.py").write_bytes(OLD_ENV)
    for name, content in OLD_OPERATIONS.items():
        (migrations / "operations" / name).write_bytes(content)
    return migrations


def test_the_operations_of_an_older_version_are_removed_and_what_replaces_them_is_reported(old: Path) -> None:
    assert "uses `sqlstrata.operations` of the installed program instead" in str(environment(old))
    assert {path.name for path in old.iterdir()} == AROUND
    assert (old / "env.py").read_text() == "env"
    assert environment(old) is None


def test_operations_of_an_older_version_that_were_edited_stay(old: Path) -> None:
    (old / "operations" / "text.py").write_text("mine")
    assert "it was edited, so it is not removed" in str(environment(old))
    assert (old / "operations" / "text.py").read_text() == "mine"
    assert (old / "env.py").read_text() == "env"


def test_an_env_py_of_an_older_version_that_was_edited_stays_with_its_operations(old: Path) -> None:
    (old / "env.py").write_bytes(OLD_ENV + b" # mine")
    assert "was edited, so it is not replaced" in str(environment(old))
    assert contents(old / "operations") == OLD_OPERATIONS
    assert (old / "env.py").read_bytes() == OLD_ENV + b" # mine"


@pytest.mark.usefixtures("old")
@pytest.mark.parametrize("stop", [kill, fail], ids=["kill -9", "disk full"])
def test_stopped_at_any_step_the_folder_works_as_before_or_as_after(tmp_path: Path, stop: Callable[[], object]) -> None:
    for step in count(1):
        migrations = as_an_older_version_left_it(tmp_path / f"step {step}" / "migrations")
        if ended(started(stopped(lambda: environment(migrations), migrations, step, stop))) == UNREACHED:  # noqa: B023
            break
        heal(migrations / "versions")
        env = (migrations / "env.py").read_bytes()
        assert env == b"env" or contents(migrations / "operations") == OLD_OPERATIONS, f"step {step}"
        environment(migrations)
        assert {path.name for path in migrations.iterdir()} == AROUND, f"step {step}"
    assert step > 5
