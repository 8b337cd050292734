"""A database's MetaData, with what SQLAlchemy's reflection leaves out."""

from __future__ import annotations

import warnings
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SAWarning

from sqlstrata.snapshot import snapshot
from sqlstrata.snapshot.values import OURS

ALEMBIC = "alembic_version"


def reflected(connection: sa.Connection) -> sa.MetaData:
    """Read all tables but Alembic's and our own; on PostgreSQL in all schemas."""
    metadata = sa.MetaData()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # what is not read is a difference that `identify` reports
        for schema in _schemas(connection):
            metadata.reflect(connection, schema, only=lambda name, _: name not in OURS)
    if connection.dialect.name == "sqlite":
        _complete_sqlite(connection, metadata)
    elif connection.dialect.name != "postgresql":
        _complete_mariadb(connection, metadata)
    return metadata


def _schemas(connection: sa.Connection) -> tuple[str | None, ...]:
    """The default schema, and on PostgreSQL all others; on MariaDB they are databases of their own."""
    if connection.dialect.name != "postgresql":
        return (None,)
    found = sa.inspect(connection)
    system = {"information_schema", found.default_schema_name}
    return (None, *(name for name in found.get_schema_names() if name not in system and not name.startswith("pg_")))


# ------------------------------------------------ SQLite


def _complete_sqlite(connection: sa.Connection, metadata: sa.MetaData) -> None:
    """Add what a column's own definition says: its collation, AUTOINCREMENT, UNIQUE and the actions of REFERENCES."""
    things = snapshot(connection, ()).things
    for table in metadata.tables.values():
        for element in things[table.name].elements:
            column = table.columns.get(element.name or "") if element.kind == "column" else None
            if column is not None:
                _complete_column(column, element.facts.get("collation"))
                if element.facts.get("autoincrement"):
                    table.dialect_options["sqlite"]["autoincrement"] = True
        _add_uniques(connection, table)
        _add_actions(connection, table)


def _complete_column(column: sa.Column[object], collation: str | None) -> None:
    if collation is not None and isinstance(column.type, sa.String):
        length = column.type.length
        made: sa.types.TypeEngine[Any] = sa.String(length, collation) if length else sa.Text(collation=collation)
        column.type = made


def _add_uniques(connection: sa.Connection, table: sa.Table) -> None:
    known = [{*each.columns.keys()} for each in table.constraints if isinstance(each, sa.UniqueConstraint)]
    name = connection.dialect.identifier_preparer.quote(table.name)
    for index in connection.exec_driver_sql(f"PRAGMA index_list({name})").mappings().all():
        if index["origin"] == "u":
            quoted = connection.dialect.identifier_preparer.quote(index["name"])
            columns = [each.name for each in connection.exec_driver_sql(f"PRAGMA index_info({quoted})")]
            if {*columns} not in known:
                table.append_constraint(sa.UniqueConstraint(*columns))


def _add_actions(connection: sa.Connection, table: sa.Table) -> None:
    name = connection.dialect.identifier_preparer.quote(table.name)
    for row in connection.exec_driver_sql(f"PRAGMA foreign_key_list({name})").mappings().all():
        for element in table.columns[row["from"]].foreign_keys:
            constraint = element.constraint
            if constraint is not None and element.column.table.name == row["table"]:
                for key in ("on_delete", "on_update"):
                    action = None if row[key] == "NO ACTION" else row[key]
                    for each in (constraint, *constraint.elements):
                        setattr(each, key.replace("_", ""), action)


# ------------------------------------------------ MariaDB


def _complete_mariadb(connection: sa.Connection, metadata: sa.MetaData) -> None:
    """Take out what is the database's default, so that the models do not repeat it; read JSON, and columns' checks."""
    query = (
        "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata "
        "WHERE schema_name = DATABASE()"
    )
    charset, collation = connection.exec_driver_sql(query).one()
    defaults = {"engine": "InnoDB", "default charset": charset, "collate": collation}
    for table in metadata.tables.values():
        for key, value in list(table.kwargs.items()):
            dialect, _, option = key.partition("_")
            if option == "comment" or defaults.get(option) == value:
                del table.dialect_options[dialect][option]
            elif option == "default charset":
                del table.dialect_options[dialect][option]
                table.dialect_options[dialect]["charset"] = value
    rows = connection.exec_driver_sql(
        "SELECT table_name, constraint_name, check_clause FROM information_schema.check_constraints "
        "WHERE constraint_schema = DATABASE() AND level = 'Column'"
    )
    for table_name, name, check in rows.all():
        if table_name in metadata.tables:
            column = metadata.tables[table_name].columns[name]  # such a check is named like its column
            if check == f"json_valid(`{name}`)":
                column.type = sa.JSON()
            else:
                checks_of(metadata)[table_name, name] = check


def checks_of(metadata: sa.MetaData) -> dict[tuple[str, str], str]:
    """The checks that are part of a column's definition, by table and column."""
    found: dict[tuple[str, str], str] = metadata.info.setdefault("checks", {})
    return found
