"""The exporter runs on the interpreters of old code: it needs Python 3.7 and SQLAlchemy 1.3, or later ones."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sqlstrata.past import exporter

FOLDER = Path(exporter.__file__).parent
FILES = sorted(FOLDER.glob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_imports_nothing_but_python_and_sqlalchemy(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 7))
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [str(node.module)]
        assert {name.partition(".")[0] for name in names} <= {"sqlalchemy", *sys.stdlib_module_names}


def asked(folder: Path, **more: object) -> dict[str, Any]:
    given = {"folder": str(folder), "roots": [str(folder)], "stubs": [], "modules": ["modelos"], "ignored": [],
             "bases": [["modelos:metadata"]], "memory": 4_000_000_000, "seconds": 60,
             "dialects": {"sqlite": {"driver": "sqlite", "version": [3, 45]}}, **more}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "exporter"], cwd=FOLDER.parent, input=json.dumps(given), capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_a_table_is_one_statement(tmp_path: Path) -> None:
    (tmp_path / "modelos.py").write_text(
        "import sqlalchemy as sa\n"
        "metadata = sa.MetaData(naming_convention={'pk': 'pk_%(table_name)s', 'ix': 'ix_%(column_0_label)s'})\n"
        "sa.Table('a', metadata, sa.Column('id', sa.Integer, primary_key=True), sa.Column('b', sa.String(3), index=True))\n"
    )
    assert asked(tmp_path) == {
        "statements": [
            "sa.Table('a', metadata, sa.Column('id', sa.Integer(), nullable=False), "
            "sa.Column('b', sa.String(length=3), nullable=True), "
            "sa.PrimaryKeyConstraint('id', name=sa.schema.conv('pk_a')), sa.Index(sa.schema.conv('ix_a_b'), 'b'))"
        ],
        "tables": ["a"],
        "notes": [],
    }


def test_an_index_without_a_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "modelos.py").write_text(
        "import sqlalchemy as sa\n"
        "metadata = sa.MetaData(naming_convention={'pk': 'pk'})\n"
        "sa.Table('a', metadata, sa.Column('b', sa.String(3), index=True))\n"
    )
    assert asked(tmp_path) == {"error": "table a: an index has no name.", "where": None, "kind": "models"}


def test_a_view_that_only_a_function_creates_is_one_that_listens(tmp_path: Path) -> None:
    (tmp_path / "modelos.py").write_text(
        "import sqlalchemy as sa\n"
        "metadata = sa.MetaData()\n"
        "sa.Table('a', metadata, sa.Column('id', sa.Integer))\n"
        "@sa.event.listens_for(metadata, 'after_create')\n"
        "def make(target, connection, **_):\n"
        "    connection.execute(sa.text('CREATE VIEW v AS SELECT id FROM a'))\n"
    )
    listening = "sa.event.listen(metadata, 'after_create', sa.DDL('CREATE VIEW v AS SELECT id FROM a'))"
    assert asked(tmp_path)["statements"][-1] == listening


def test_an_event_that_needs_a_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "modelos.py").write_text(
        "import sqlalchemy as sa\n"
        "metadata = sa.MetaData()\n"
        "sa.event.listen(metadata, 'after_create', lambda target, connection, **_: connection.nada())\n"
    )
    answer = asked(tmp_path)
    assert answer["error"].startswith("a DDL event fails without a database: AttributeError: ")
