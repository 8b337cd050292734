"""Operations that Alembic lacks, or gets wrong, on SQLite, PostgreSQL or MariaDB.

Importing this package registers them: `env.py` does, so that revisions can use `op.change_table(...)`.
It needs only Alembic and SQLAlchemy, and nothing else of sqlstrata; `sqlstrata eject` copies it beside env.py.

Besides Alembic's own operations a revision can use:

* `op.require_…`: conditions on the rows, checked before the first statement. If one does not hold, the revision stops
  with an example row, and nothing was changed.
* `op.create_table`: Alembic's, with the table's indexes in it, which MariaDB makes in the same statement.
* `op.change_table`: the table after the change, with `op.added`, `op.changed` and `op.removed` around the differences.
* `op.rename_table`, `op.rename_column`, `op.rename_key`, `op.create_enum`, `op.drop_enum`, `op.change_enum`,
  `op.create_sequence`, `op.drop_sequence`, `op.add_foreign_key`, `op.drop_foreign_key`, `op.comment_table`: one thing
  each.
* `op.prepare_values`: columns with values from before the change, for an op.change_table that reads what it changes.
* `op.run_sql`: SQL text, for every server or for one; `op.sql`: an expression that differs by server.

`environment` is what `env.py` calls, and `running` how it runs revisions: one run at a time (`lock`), on MariaDB with a
`journal`, from which an interrupted revision is undone (`interrupted`), on SQLite with a check for `orphans`.
"""

from __future__ import annotations

from . import (
    clients,
    creation,
    driver,
    environment,
    failures,
    journal,
    keys,
    lock,
    orphans,
    private_names,
    renames,
    rows,
    running,
    table,
    text,
    types,
    updates,
)

__all__ = [
    "clients",
    "creation",
    "driver",
    "environment",
    "failures",
    "journal",
    "keys",
    "lock",
    "orphans",
    "private_names",
    "renames",
    "rows",
    "running",
    "table",
    "text",
    "types",
    "updates",
]
