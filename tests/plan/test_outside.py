"""The keys for what a database has beside the models' tables, and for the MetaData of the models."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqlstrata.errors import WrongUse
from sqlstrata.plan import Base, Plan, read
from sqlstrata.plan.values import Extension, VersionTable

TEXT = """\
database: {{url: "{url}"}}
models: {{package: project.models, base: {base}}}
stages: [{{name: usuario, enable: [usuario]}}]
{line}
"""
POSTGRESQL = "postgresql+psycopg://u@host/d"


def plan(folder: Path, line: str = "", base: str = '"base:Base"', url: str = POSTGRESQL) -> Plan:
    """Read a file with this line 4."""
    (folder / "config.yaml").write_text(TEXT.format(url=url, base=base, line=line), "utf-8")
    return read(folder / "config.yaml")


def test_the_keys_are_read(tmp_path: Path) -> None:
    line = "not_ours: [spatial_ref_sys, 'gis.*']"
    assert plan(tmp_path, line).not_ours == ("spatial_ref_sys", "gis.*")
    assert plan(tmp_path, line).foreign == ("spatial_ref_sys", "gis.*", "alembic_version")
    assert plan(tmp_path, "version_table: versions").version_table == VersionTable("versions")
    assert plan(tmp_path, "version_table: app.versions").version_table == VersionTable("versions", "app")
    made = plan(tmp_path, "extensions: [vector, uuid-ossp, {name: postgis, schema: gis}, {name: ltree}]")
    assert made.extensions == (
        Extension("vector"), Extension("uuid-ossp"), Extension("postgis", "gis"), Extension("ltree"),
    )  # fmt: skip


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    made = plan(tmp_path)
    assert (made.not_ours, made.version_table, made.extensions) == ((), VersionTable("alembic_version"), ())
    assert (made.models.bases, made.models.ignore) == ((Base("base", "Base"),), ())


def test_the_metadata_of_the_models_may_be_several(tmp_path: Path) -> None:
    made = plan(tmp_path, base='["base:Base", "db:db.metadatas.audit"], ignore: ["old:metadata"]').models
    assert made.bases == (Base("base", "Base"), Base("db", "db.metadatas.audit"))
    assert made.ignore == (Base("old", "metadata"),)


# fmt: off
WRONG = [
    ("not_ours: spatial_ref_sys", "4:1", "`not_ours` must be a list of patterns of tables, not text. Write it as in `not_ours: [spatial_ref_sys]`."),
    ("not_ours: [3]", "4:12", 'Item 1 of `not_ours` must be the pattern of a table\'s name, but YAML reads `3` as a number. Put it in quotes: "3".'),
    ("not_ours: ['']", "4:12", "Item 1 of `not_ours` is empty and must be the pattern of a table's name. Write it as in `not_ours: [spatial_ref_sys]`."),
    ("not_ours: [a, '*']", "4:15", "`*` is every table, so nothing would be compared. Write a name, or a pattern such as `plugin_*`."),
    ("not_ours: ['*.*']", "4:12", "`*.*` is every table, so nothing would be compared. Write a name, or a pattern such as `plugin_*`."),
    ("version_table: [a]", "4:1", "`version_table` must be the name of a table, not a list. Write it as in `version_table: alembic_version`."),
    ("version_table: a b", "4:1", "`a b` is not the name of a table. Write it as in `version_table: alembic_version`, or with its schema, `version_table: app.versions`."),
    ("extensions: vector", "4:1", "`extensions` must be a list of PostgreSQL extensions, not text. Write it as in `extensions: [vector, {name: postgis, schema: gis}]`."),
    ("extensions: [1]", "4:14", 'Item 1 of `extensions` must be an extension\'s name, or its name and schema, but YAML reads `1` as a number. Put it in quotes: "1".'),
    ("extensions: [{nam: a}]", "4:15", "`nam` is not a key of item 1 of `extensions`. The nearest key is `name`."),
    ("extensions: [{schema: a}]", "4:14", "Item 1 of `extensions` has no `name`. Add it, as in `name: postgis`."),
    ("extensions: [{name: 1}]", "4:15", '`name` must be the extension\'s name, but YAML reads `1` as a number. Put it in quotes: "1".'),
    ("extensions: [{name: ''}]", "4:15", "`name` is empty and must be the extension's name. Write it as in `name: postgis`."),
    ("extensions: [a, {name: a, schema: b}]", "4:17", "The extension `a` is there twice. Remove one of the two."),
]
# fmt: on


@pytest.mark.parametrize(("line", "place", "message"), WRONG, ids=[line for line, _, _ in WRONG])
def test_what_is_wrong_is_reported_with_its_place(tmp_path: Path, line: str, place: str, message: str) -> None:
    with pytest.raises(WrongUse) as caught:
        plan(tmp_path, line)
    assert str(caught.value) == f"{tmp_path / 'config.yaml'}:{place}: {message}"


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("[]", "2:35: `base` is empty and must be module:attribute. Write it as in `base: base:Base`."),
        ('["base:Base", 3]', "2:55: Item 2 of `base` must be module:attribute, but YAML reads `3` as a number."),
        ('["base:Base", Base]', "2:55: `Base` is not module:attribute."),
        ('"base:Base", ignore: [metadata]', "2:63: `metadata` is not module:attribute."),
        ('"base:Base", ignore: "a:b"', "2:54: `ignore` must be a list of MetaData, not text."),
    ],
)
def test_a_wrong_metadata_is_reported_with_its_place(tmp_path: Path, base: str, message: str) -> None:
    with pytest.raises(WrongUse) as caught:
        plan(tmp_path, base=base)
    assert str(caught.value).startswith(f"{tmp_path / 'config.yaml'}:{message}")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("version_table: a.b", "`a.b` has a schema, and SQLite has none. Write `version_table: b`."),
        ("extensions: [a]", "`extensions` are PostgreSQL's, which `servers` does not name. Remove them, or add postgresql "
                            "to `servers`."),
    ],
)  # fmt: skip
def test_what_sqlite_does_not_have_is_refused(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(WrongUse) as caught:
        plan(tmp_path, line, url="sqlite:///x.db")
    assert str(caught.value) == f"{tmp_path / 'config.yaml'}:4:1: {message}"
