"""PostgreSQL's extensions that a scratch database lacks: what the models need, and who may create it.

Servers name what they lack only in the text of a message, so the statement is searched for names that extensions bring.
"""

from __future__ import annotations

import re
from functools import partial
from itertools import pairwise

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import ExceptionContext

from sqlstrata.databases.addresses import address
from sqlstrata.databases.lost import is_forbidden, words
from sqlstrata.errors import Unreachable, WrongUse
from sqlstrata.operations.failures import code_of

_UNDEFINED = {"42704", "42883"}
"""PostgreSQL's SQLSTATEs for a type, operator class, access method or function that does not exist."""
_BROUGHT = {
    "vector": "vector halfvec sparsevec hnsw ivfflat",
    "postgis": "geometry geography box2d box3d",
    "postgis_raster": "raster",
    "pg_trgm": "gin_trgm_ops gist_trgm_ops similarity word_similarity",
    "citext": "citext",
    "hstore": "hstore gin_hstore_ops gist_hstore_ops",
    "ltree": "ltree lquery ltxtquery gist_ltree_ops",
    "cube": "cube",
    "isn": "isbn isbn13 issn issn13 ean13 upc",
    "intarray": "gin__int_ops gist__int_ops query_int",
    "unaccent": "unaccent",
    "pgcrypto": "crypt gen_salt digest hmac pgp_sym_encrypt",
    "uuid-ossp": "uuid_generate_v1 uuid_generate_v1mc uuid_generate_v3 uuid_generate_v4 uuid_generate_v5",
}
_EXTENSIONS = {word: name for name, brought in _BROUGHT.items() for word in brought.split()}
_BY_METHOD = {"gist": "btree_gist", "gin": "btree_gin"}
"""What brings operator classes of ordinary types for an access method."""


def report(engine: sa.Engine) -> None:
    """Have an engine for a PostgreSQL scratch database raise errors that name the extension.

    WrongUse, with the line to write, where it may be missing; Unreachable, with an administrator's SQL, where the user
    may not create it.
    """
    sa.event.listen(engine, "handle_error", partial(_reported, address(engine.url)))


def _reported(where: str, context: ExceptionContext) -> WrongUse | Unreachable | None:
    error, statement = context.original_exception, " ".join((context.statement or "").split())
    if is_forbidden(error) and statement.startswith("CREATE EXTENSION "):
        hint = f"An administrator can run, in the database template1: {statement};"
        return Unreachable(f"{where} does not let this user create the extension: {words(error)}.", hint=hint)
    name = bringing(statement) if code_of(error) in _UNDEFINED else None
    if name is None:
        return None
    message = f"PostgreSQL needs an extension for the models: {words(error)}. The statement was: {statement}."
    written = name if name.isidentifier() else f'"{name}"'
    return WrongUse(message, hint=f"Write `extensions: [{written}]` in config.yaml, or add it to those.")


def bringing(statement: str) -> str | None:
    """Give the extension that brings a name in the statement; None without any."""
    found = re.findall(r"\w+", statement.lower())
    names = [_EXTENSIONS[word] for word in found if word in _EXTENSIONS]
    methods = [_BY_METHOD[word] for before, word in pairwise(found) if before == "using" and word in
               _BY_METHOD]  # fmt: skip
    return next(iter((*names, *methods)), None)
