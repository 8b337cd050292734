"""Tables, types and sequences of MetaData as Python that needs only SQLAlchemy."""

from __future__ import annotations

from typing import Any, Iterable, Iterator, List, Optional, Tuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from .stubs import Stub, StubMixin
from .text import CannotExport, Dialects, call, ddl_compiler, is_plain, options, quoted, same, sql
from .types import stored_as, type_source

Named = List[Tuple[str, str]]
_PREPARER = sqlite.dialect().identifier_preparer
_COUNTED = ("start", "increment", "minvalue", "maxvalue", "nominvalue", "nomaxvalue", "cycle", "cache")


def is_view(table: Any) -> bool:
    return bool(getattr(table, "is_view", False))


def tables(metadatas: Iterable[Any], dialects: Dialects) -> Iterator[Tuple[str, str]]:
    """The key of each table, and the statement that defines it. Raises CannotExport."""
    known = set()
    for metadata in metadatas:
        for key, table in metadata.tables.items():
            if is_view(table):
                continue
            if key in known:
                raise CannotExport("table %s is on two bases" % key)
            known.add(key)
            yield key, _table(table, dialects)


def _table(table: Any, dialects: Dialects) -> str:
    if getattr(table, "_creator_ddl", None) is not None:
        raise CannotExport("table %s is made from a query" % table.fullname)
    try:
        constraints = sorted(filter(None, (_constraint(each, dialects) for each in table.constraints)))
        columns = [_column(each, dialects) for each in table.columns if not each.system]
        indexes = sorted(_index(each, dialects) for each in table.indexes)
    except (CannotExport, sa.exc.NoReferenceError) as error:
        raise CannotExport("table %s: %s" % (table.fullname, error)) from error
    named: Named = []
    prefixes = [str(each) for each in table._prefixes]  # no public name
    named += [("prefixes", quoted(prefixes))] if prefixes else []
    named += [("quote", "True")] if getattr(table.name, "quote", None) else []
    named += [("schema", quoted(table.schema))] if table.schema is not None else []
    named += [("comment", quoted(table.comment))] if table.comment is not None else []
    named += options(table, dialects)
    return call("sa.Table", [quoted(table.name), "metadata", *columns, *constraints, *indexes], named)


def _column(column: Any, dialects: Dialects) -> str:
    try:
        return _column_source(column, dialects)
    except CannotExport as error:
        raise CannotExport("column %s: %s" % (column.name, error)) from error


def _column_source(column: Any, dialects: Dialects) -> str:
    rest = [quoted(column.name), type_source(column.type, column, dialects)]
    named: Named = [("nullable", quoted(bool(column.nullable)))]
    if isinstance(column.default, sa.Sequence):
        rest.append(sequence(column.default, dialects))
    elif getattr(column.default, "is_scalar", False) and type(column.default.arg) in (str, int, float, bool):
        named.append(("default", quoted(column.default.arg)))
    computed, identity = getattr(column, "computed", None), getattr(column, "identity", None)
    default = column.server_default
    if computed is not None:
        persisted = [] if computed.persisted is None else [("persisted", quoted(computed.persisted))]
        rest.append(call("sa.Computed", [sql(dialects.expression(computed.sqltext))], persisted))
    elif identity is not None:
        always = [("always", "True")] if identity.always else []
        rest.append(call("sa.Identity", (), [*always, *_counted(identity, dialects)]))
    elif isinstance(default, sa.DefaultClause):
        named.append(("server_default", _default(default.arg, column, dialects)))
    rest += sorted(filter(None, (_constraint(each, dialects) for each in column.constraints)))
    if column.autoincrement != "auto":
        named.append(("autoincrement", quoted(column.autoincrement)))
    if column.comment is not None:
        named.append(("comment", quoted(column.comment)))
    if getattr(column.name, "quote", None):
        named.append(("quote", "True"))
    return call("sa.Column", rest, [*named, *options(column, dialects)])


def _default(given: Any, column: Any, dialects: Dialects) -> str:
    if isinstance(given, str):
        return quoted(given)
    if isinstance(given, (Stub, StubMixin)):
        raise CannotExport("its server default comes from the stub `%s`" % given.stub_name)
    for source, value in (
        ("sa.true()", sa.true()),
        ("sa.false()", sa.false()),
        ("sa.func.now()", sa.func.now()),
        ("sa.null()", sa.null()),
    ):
        if type(given) is type(value) and str(given) == str(value):
            return source

    def compiled(dialect: Any) -> str:
        return ddl_compiler(dialect).get_column_default_string(column) or ""

    return sql(dialects.on_each(compiled))


# ------------------------------------------------------------------------- constraints


def _constraint(constraint: Any, dialects: Dialects) -> Optional[str]:
    """One constraint; None for a primary key without columns, and for one that no server gets."""
    if isinstance(constraint, sa.ForeignKeyConstraint):
        return _foreign_key(constraint, dialects)
    if isinstance(constraint, postgresql.ExcludeConstraint):
        return _exclusion(constraint, dialects)
    kinds = (sa.PrimaryKeyConstraint, sa.UniqueConstraint, sa.CheckConstraint)
    kind = next((each for each in kinds if isinstance(constraint, each)), None)
    if kind is None:
        raise CannotExport("%s is a kind of constraint that cannot be carried over" % type(constraint).__name__)
    if kind is sa.CheckConstraint:
        return _check(constraint, dialects)
    given = [quoted(each.name) for each in constraint.columns]
    named = [*_rules(constraint), *options(constraint, dialects)]
    return call("sa.%s" % kind.__name__, given, named) if given else None


def _check(constraint: Any, dialects: Dialects) -> Optional[str]:
    """A check, for the servers that get it: that of a type is for those without the type."""
    wanted = [name for name in dialects if _is_created(constraint, dialects[name])]
    texts = {name: text for name, text in dialects.expression(constraint.sqltext).items() if name in wanted}
    if not any(texts.values()):
        return None
    one = same(texts)
    given = quoted(one) if one is not None and is_plain(one) else sql(texts)
    made = call("sa.CheckConstraint", [given], [*_rules(constraint), *options(constraint, dialects)])
    if len(wanted) < len(dialects.by_name):
        made += ".ddl_if(dialect=(%s,))" % ", ".join(map(quoted, wanted))
    return made


def _is_created(constraint: Any, dialect: Any) -> bool:
    """Whether create_all makes a constraint on a server; there is no public name for its rules."""
    compiler = ddl_compiler(dialect)
    is_created = getattr(constraint, "_should_create_for_compiler", None)  # not in 1.x
    if is_created is not None:
        return bool(is_created(compiler))
    rule = constraint._create_rule
    return rule is None or bool(rule(compiler))


def _rules(constraint: Any) -> Named:
    named: Named = []
    name = _name(constraint)
    if name is not None:
        named.append(("name", "sa.schema.conv(%s)" % quoted(name)))
    for each in ("ondelete", "onupdate", "deferrable", "initially", "match", "comment"):
        value = getattr(constraint, each, None)
        if value is not None:
            named.append((each, quoted(value)))
    return named


def _name(element: Any) -> Optional[str]:
    """The name that the naming convention gives, or none."""
    if element.name is None:
        return None
    try:
        name = _PREPARER.format_constraint(element)
    except sa.exc.InvalidRequestError:  # 1.3 has no name for the check of a type, and then cannot create it
        return None
    if name is None:
        return None
    return name[1:-1].replace('""', '"') if name.startswith('"') else str(name)


def _foreign_key(constraint: Any, dialects: Dialects) -> str:
    targets = [each.column for each in constraint.elements]
    columns = [quoted(each.parent.name) for each in constraint.elements]
    named = _rules(constraint) + ([("use_alter", "True")] if constraint.use_alter else [])
    to = ["%s.%s" % (each.table.fullname, each.name) for each in targets]
    return call(
        "sa.ForeignKeyConstraint",
        ["[%s]" % ", ".join(columns), quoted(to)],
        [*named, *options(constraint, dialects)],
    )


def _exclusion(constraint: Any, dialects: Dialects) -> Optional[str]:
    if "postgresql" not in dialects.by_name:
        return None
    given = []
    for expression, _, operator in constraint._render_exprs:  # no public name
        is_column = isinstance(expression, sa.Column)
        part = quoted(expression.name) if is_column else _on_postgresql(expression, dialects)
        given.append("(%s, %s)" % (part, quoted(operator)))
    named = [*_rules(constraint), ("using", quoted(constraint.using))]
    if constraint.where is not None:
        named.append(("where", _on_postgresql(constraint.where, dialects)))
    if getattr(constraint, "ops", None):
        named.append(("ops", quoted(dict(constraint.ops))))
    return call("postgresql.ExcludeConstraint", given, named)


def _on_postgresql(expression: Any, dialects: Dialects) -> str:
    return sql({"postgresql": dialects.expression(expression)["postgresql"]})


def _index(index: Any, dialects: Dialects) -> str:
    parts = [_part(each, dialects) for each in index.expressions]
    named: Named = [("unique", "True")] if index.unique else []
    if getattr(index, "_ddl_if", None) is not None:
        raise CannotExport("index %s has a condition (ddl_if)" % index.name)
    name = _name(index)
    if name is None:
        raise CannotExport("an index has no name")
    return call("sa.Index", ["sa.schema.conv(%s)" % quoted(name), *parts], [*named, *options(index, dialects)])


def _part(expression: Any, dialects: Dialects) -> str:
    if isinstance(expression, sa.Column):
        return quoted(expression.name)
    texts = dialects.expression(expression)
    if "postgresql" in texts:
        texts["postgresql"] = dialects.expression(expression.self_group())["postgresql"]
    if isinstance(expression, (sa.sql.functions.FunctionElement, sa.sql.elements.BinaryExpression)):
        for name in ("mysql", "mariadb"):
            if texts.get(name):
                texts[name] = "(%s)" % texts[name]
    return sql(texts)


# -------------------------------------------------------------------- types, sequences


def sequence(given: Any, dialects: Dialects, named: Iterable[Tuple[str, str]] = ()) -> str:
    schema = [] if given.schema is None else [("schema", quoted(given.schema))]
    optional = [("optional", "True")] if given.optional else []
    return call("sa.Sequence", [quoted(given.name)], [*_counted(given, dialects), *schema, *optional, *named])


def _counted(given: Any, dialects: Dialects) -> Named:
    values = ((name, getattr(given, name, None)) for name in _COUNTED)
    named = [(name, quoted(value)) for name, value in values if value is not None]
    return [*named, *options(given, dialects)]


def own(metadatas: Iterable[Any], dialects: Dialects) -> Iterator[str]:
    """The statements that define the types and sequences of MetaData that no table has."""
    for metadata in metadatas:
        columns = [each for table in metadata.tables.values() for each in table.columns]
        used = {each.default.name for each in columns if isinstance(each.default, sa.Sequence)}
        for each in metadata._sequences.values():  # no public name
            if each.name not in used:
                yield sequence(each, dialects, [("metadata", "metadata")])
        names = (
            {getattr(stored_as(each.type, "postgresql", dialects), "name", None) for each in columns}
            if "postgresql" in dialects.by_name
            else set()
        )
        for each in sorted(_types(metadata), key=lambda each: str(each.name)):
            if each.name not in names and getattr(each, "native_enum", False):
                source = type_source(each, None, dialects)
                yield "%s, metadata=metadata)" % source[:-1]


def _types(metadata: Any) -> List[Any]:
    """The types that were given this MetaData themselves."""
    listed = list(getattr(metadata, "_objects", ()))  # 2.1's
    for listener in metadata.dispatch.before_create:
        function = getattr(listener, "func", listener)
        listed.append(getattr(function, "target", getattr(function, "__self__", None)))
    found = (each for each in listed if isinstance(each, sa.Enum) and each.metadata is metadata and each.name)
    return list({each.name: each for each in found}.values())
