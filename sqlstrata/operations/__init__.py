"""The operations that Alembic has none for, or does wrongly, on SQLite, PostgreSQL or MariaDB.

Importing this package registers them: `env.py` does, so that the revisions beside it can say `op.change_table(...)`.
It needs Alembic and SQLAlchemy alone, and nothing else of sqlstrata; `sqlstrata eject` copies it beside env.py.

What a revision may say with it, besides Alembic's own operations:

* `op.require_…`: what must be true of the rows. Counted before the first statement; where it is not true the
  revision stops, names a row, and nothing was touched.
* `op.create_table`: Alembic's, with the table's indexes in it, which MariaDB makes in the same statement.
* `op.change_table`: the table as it is to stand, with `op.added`, `op.changed` and `op.removed` around what is new.
* `op.rename_table`, `op.rename_column`, `op.rename_key`, `op.create_enum`, `op.drop_enum`, `op.change_enum`,
  `op.create_sequence`, `op.drop_sequence`, `op.add_foreign_key`, `op.drop_foreign_key`, `op.comment_table`: one thing
  each.
* `op.run_sql`: SQL text as it stands, for every server or for one; `op.sql`: an expression that differs by server.

`environment` is what `env.py` does, and `running` how it runs revisions: one run at a time (`lock`), on MariaDB with a
`journal`, from which one that was `cut_off` is undone, on SQLite with an eye on `orphans`.
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
    names,
    orphans,
    private_names,
    rows,
    running,
    table,
    text,
    types,
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
    "names",
    "orphans",
    "private_names",
    "rows",
    "running",
    "table",
    "text",
    "types",
]
