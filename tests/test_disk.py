"""A file is written whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sqlstrata.disk import heal, together, write_whole
from sqlstrata.errors import WrongUse


def test_a_new_file_is_written(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"new"}


def test_a_file_that_is_replaced_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")
    file.chmod(0o640)
    write_whole(file, b"new")
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"new", 0o640)


def test_a_link_stays_and_what_it_names_is_replaced(tmp_path: Path) -> None:
    link, file = tmp_path / "link", tmp_path / "elsewhere" / "file"
    file.parent.mkdir()
    file.write_bytes(b"old")
    link.symlink_to(file)
    write_whole(link, b"new")
    assert (link.is_symlink(), file.read_bytes()) == (True, b"new")


def test_a_file_that_exists_stays_where_it_is_not_to_be_replaced(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_whole(file, b"first", replace=False)
    write_whole(file, b"second", replace=False)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"first"}


def test_what_fails_leaves_the_file_and_nothing_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(file, b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"old"}


def _write(*paths: Path) -> None:
    with together() as write:
        for path in paths:
            write(path, b"new")


def test_of_several_files_none_is_written_where_one_fails(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old")
    (tmp_path / "folder").mkdir()
    with pytest.raises(WrongUse, match=r"Cannot write a file: .* Nothing was changed\."):
        _write(tmp_path / "old", tmp_path / "a" / "b" / "new", tmp_path / "folder")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["folder", "old"]
    assert (tmp_path / "old").read_bytes() == b"old"


def test_several_files_are_written(tmp_path: Path) -> None:
    _write(tmp_path / "a" / "b", tmp_path / "c")
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"b", "c"}


KILLED = """
import os, sys
from pathlib import Path
from sqlstrata.disk import together

folder, last = Path(sys.argv[1]), sys.argv[2]
with together(folder / "config.yaml") as write:
    for name in ("new/one.py", "there.py", "config.yaml"):
        write(folder / name, b"new")
        if name == last:
            (folder / f"{name}.strata-partial-1").touch()
            os._exit(9)
"""


@pytest.mark.parametrize("last", ["new/one.py", "there.py", "config.yaml"])
def test_what_a_killed_process_had_begun_is_undone_unless_it_is_complete(tmp_path: Path, last: str) -> None:
    before = {"config.yaml": b"old", "there.py": b"old"}
    for name, content in before.items():
        (tmp_path / name).write_bytes(content)
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), last], cwd=Path(__file__).parents[1], check=False)
    said = heal(tmp_path / "config.yaml")
    after = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    if last == "config.yaml":
        assert (said, after) == (None, {"new/one.py": b"new", "there.py": b"new", "config.yaml": b"new"})
    else:
        assert said == "What a killed run had begun to write with config.yaml was undone."
        assert (after, (tmp_path / "new").exists()) == (before, False)
    assert heal(tmp_path / "config.yaml") is None


def test_what_was_changed_since_then_and_what_runs_still_stays(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    with together(config) as write:
        write(tmp_path / "one.py", b"new")
        assert heal(config) is None
        assert (tmp_path / "one.py").exists()
        assert (tmp_path / ".config.yaml.strata-unfinished").exists()
    (tmp_path / "one.py").unlink()
    subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), "new/one.py"], cwd=Path(__file__).parents[1], check=False
    )
    (tmp_path / "new" / "one.py").write_bytes(b"edited")
    heal(config)
    assert (tmp_path / "new" / "one.py").read_bytes() == b"edited"
