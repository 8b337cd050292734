"""config.yaml as a value: `read(path)` gives a Plan, or raises WrongUse with the place of the first mistake.

1. document: the YAML text becomes data, each value with its line and column.
2. variables: `${NAME}` is expanded.
3. form: msgspec checks types and keys.
4. stages, hints, places, outside: what types cannot express, such as names, modules on and off, SQL and folders.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sqlstrata.plan import form, outside, places
from sqlstrata.plan.document import load
from sqlstrata.plan.finding import find
from sqlstrata.plan.stages import stages
from sqlstrata.plan.values import Base, Cast, Database, Models, Plan, Sql, Stage
from sqlstrata.plan.variables import expanded

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Base", "Cast", "Database", "Models", "Plan", "Sql", "Stage", "find", "read"]


def read(path: Path | str, environ: Mapping[str, str] = os.environ) -> Plan:
    """Read a configuration file; environ has the values for `${NAME}`.

    No module is imported and no database is touched. Raises WrongUse.
    """
    top = expanded(load(Path(path)), environ)
    config = form.config(top)
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links away from the user's folder
    folder = absolute.parent
    place = places.url(top["database"]["url"], folder)
    proved = places.prove_on(top, folder, config, place)
    servers = places.servers(top, config, place, proved)
    return Plan(
        path=absolute,
        folder=folder,
        database=Database(place.url, config.database.protected),
        models=places.models(top["models"], config.models),
        migrations=places.own_folder(top, "migrations", folder, config.migrations),
        frozen=places.own_folder(top, "frozen", folder, config.frozen),
        prove_on=tuple(each.url for each in proved),
        stages=stages(top, config.stages),
        marks=top.marks,
        servers=servers,
        not_ours=outside.not_ours(top),
        version_table=outside.version_table(top, config, servers),
        legacy=outside.legacy(top, folder),
        extensions=outside.extensions(top, config, servers),
        notes=tuple(each.note for each in (place, *proved) if each.note),
    )
