"""Tables on another MetaData than the base's are never left out without a word; several bases make one schema."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml

from sqlstrata import commands
from sqlstrata.databases import database
from sqlstrata.errors import WrongUse
from sqlstrata.modules.turning import turns
from sqlstrata.plan import Plan, read
from tests.servers import answering

Schema = list[list[str]]
Write = Callable[..., Plan]

BASE = """
    import sqlalchemy as sa
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

    class Base(DeclarativeBase):
        pass

    class Audit(DeclarativeBase):
        pass

    legacy = sa.MetaData()
"""
ITEM = """
    from bases.base import *

    class Item(Base):
        __tablename__ = "item"
        id: Mapped[int] = mapped_column(primary_key=True)
"""
EVENT = """
    from bases.base import *

    class Event(Audit):
        __tablename__ = "event"
        id: Mapped[int] = mapped_column(primary_key=True)
"""
# A library with a MetaData for each bind key, as Flask-SQLAlchemy has, and one that makes views as SQLAlchemy-Utils does.
BINDS = """
    import sqlalchemy as sa
    from sqlalchemy.orm import DeclarativeBase

    class Binds:
        def __init__(self):
            self.metadatas = {None: sa.MetaData()}
            binds = self

            class Model(DeclarativeBase):
                metadata = self.metadatas[None]

                def __init_subclass__(cls, bind_key=None, **options):
                    if bind_key is not None:
                        cls.metadata = binds.metadatas.setdefault(bind_key, sa.MetaData())
                    super().__init_subclass__(**options)

            self.Model = Model

    def view(name, metadata):
        table = sa.Table(name, sa.MetaData(), sa.Column("id", sa.Integer))
        return table

    def copies(metadata):
        private = sa.MetaData()
        return [table.to_metadata(private) for table in metadata.tables.values()]
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write the package `bases` with these modules, which the stages turn on one by one, and give the plan."""

    def written(
        modules: Mapping[str, str],
        *,
        base: object = "base:Base",
        ignore: object = None,
        off: Mapping[str, str] | None = None,
        **keys: object,
    ) -> Plan:
        folder = tmp_path / "p"
        (folder / "bases").mkdir(parents=True)
        for name, text in {"__init__": "", "base": BASE, **modules, **(off or {})}.items():
            (folder / "bases" / f"{name}.py").write_text(textwrap.dedent(text).lstrip(), "utf-8")
        models = {"package": "bases", "base": base, **({} if ignore is None else {"ignore": ignore})}
        stages = [{"name": name, "enable": [name]} for name in modules]
        config = {"database": {"url": "sqlite:///x.db"}, "models": models, "stages": stages, **keys}
        (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")
        return read((folder / "config.yaml").relative_to(tmp_path))

    library = tmp_path / "library"
    library.mkdir()
    (library / "some_binds.py").write_text(textwrap.dedent(BINDS), "utf-8")
    monkeypatch.syspath_prepend(str(library))
    monkeypatch.chdir(tmp_path)
    yield written
    sys.modules.pop("some_binds", None)


def tables(plan: Plan) -> Schema:
    """The names of each stage's tables."""
    return [sorted(metadata.tables) for _, metadata in turns(plan)]


def refusal(plan: Plan) -> str:
    with pytest.raises(WrongUse) as caught:
        tables(plan)
    return str(caught.value)


# ------------------------------------------------------------------ another MetaData


def lost(table: str, stage: str, name: str, line: int) -> str:
    """The error for a table that the history would not have."""
    return (
        f"p/bases/{stage}.py:{line}: The table `{table}` of stage `{stage}` is on `{name}`, which is neither the base nor "
        f"in `ignore`, so the history would not have it. Under `models`, write `base: [base:Base, {name}]` to have it, "
        f"or `ignore: [{name}]` to leave it out."
    )


FORGOTTEN = [
    ("a second declarative base", EVENT, lost("event", "event", "base:Audit", 3)),
    (
        "a table on a named MetaData",
        """
        import sqlalchemy as sa
        from bases.base import legacy
        sa.Table("event", legacy, sa.Column("id", sa.Integer))
        """,
        lost("event", "event", "base:legacy", 3),
    ),
    (
        "a MetaData of the module",
        """
        import sqlalchemy as sa
        mine = sa.MetaData()
        def made(name):
            return sa.Table(name, mine, sa.Column("id", sa.Integer))
        event = made("event")
        """,
        lost("event", "event", "event:mine", 4),
    ),
    (
        "a MetaData that only the table has",
        """
        import sqlalchemy as sa
        event = sa.Table("event", sa.MetaData(), sa.Column("id", sa.Integer))
        """,
        lost("event", "event", "event:event", 2).replace("`base: [base:Base, event:event]` to have it, or ", ""),
    ),
    (
        "a MetaData without a name",
        """
        import sqlalchemy as sa
        sa.Table("event", sa.MetaData(), sa.Column("id", sa.Integer))
        """,
        "p/bases/event.py:2: The table `event` of stage `event` is on a MetaData that no module has by a name, which is "
        "neither the base nor in `ignore`, so the history would not have it. Define it on `base:Base`.",
    ),
]


@pytest.mark.parametrize(("module", "message"), [case[1:] for case in FORGOTTEN], ids=[case[0] for case in FORGOTTEN])
def test_a_table_on_another_metadata_is_an_error(write: Write, module: str, message: str) -> None:
    assert refusal(write({"item": ITEM, "event": module})) == message


@pytest.mark.parametrize("module", [case[1] for case in FORGOTTEN[:4]], ids=[case[0] for case in FORGOTTEN[:4]])
def test_what_the_error_offers_is_enough(write: Write, module: str) -> None:
    """Ignored, the table is left out."""
    name = refusal(write({"item": ITEM, "event": module})).split("is on `")[1].split("`")[0]
    shutil.rmtree("p")
    assert tables(write({"item": ITEM, "event": module}, ignore=[name])) == [["item"], ["item"]]


def test_a_bind_key_s_metadata_counts(write: Write) -> None:
    """As in Flask-SQLAlchemy, where a model's bind key chooses the MetaData, which is created for its first model."""
    off = {"db": "from some_binds import Binds\ndb = Binds()\nBase = db.Model\n"}
    model = """
        import sqlalchemy as sa
        from bases.db import db

        class Event(db.Model, bind_key="audit"):
            __tablename__ = "event"
            id = sa.Column(sa.Integer, primary_key=True)
    """
    own = model.replace(', bind_key="audit"', "").replace("event", "item").replace("Event", "Item")
    assert refusal(write({"item": own, "event": model}, base="db:db.Model", off=off)) == lost(
        "event", "event", "db:db.metadatas.audit", 4
    ).replace("[base:Base", "[db:db.Model")


@pytest.mark.parametrize(("base", "ignore", "last"), [
    (["db:Base", "db:db.metadatas.audit"], [], ["event", "item"]),
    ("db:db", [], None),
    ("db:Base", ["db:db.metadatas.audit"], ["item"]),
])  # fmt: skip
def test_a_metadata_that_a_mapping_has_is_named_by_its_key(
    write: Write, base: object, ignore: list[str], last: list[str] | None
) -> None:
    off = {"db": "from some_binds import Binds\ndb = Binds()\nBase = db.Model\n"}
    model = """
        import sqlalchemy as sa
        from bases.db import db

        class {}(db.Model{}):
            __tablename__ = "{}"
            id = sa.Column(sa.Integer, primary_key=True)
    """
    modules = {"item": model.format("Item", "", "item"), "event": model.format("Event", ', bind_key="audit"', "event")}
    plan = write(modules, base=base, ignore=ignore, off=off)
    if last is None:
        assert "`db:db` is neither a declarative base nor a MetaData." in refusal(plan)
    else:
        assert tables(plan) == [["item"], last]


def test_looking_for_a_base_connects_no_engine(write: Write, tmp_path: Path) -> None:
    """Inspecting an engine, which a module may have beside its base, would create the file."""
    file = tmp_path / "other.db"
    engine = f"{BASE}\n    engine = sa.create_engine('sqlite:///{file}')\n"
    plan = write({"item": ITEM}, base="base:Bas", off={"base": engine})
    assert "The nearest base is `Base`." in refusal(plan)
    assert not file.exists()


@pytest.mark.parametrize(
    "module",
    [
        "from some_binds import view\nfrom bases.base import Base\nseen = view('seen', Base.metadata)\n",
        "from some_binds import copies\nfrom bases.base import Base\ncopied = copies(Base.metadata)\n",
        """
        import sqlalchemy as sa
        from bases.base import Base
        private = sa.MetaData()
        for table in Base.metadata.tables.values():
            table.to_metadata(private)
        """,
        """
        import sqlalchemy as sa
        engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE there (id INTEGER)")
        private = sa.MetaData()
        private.reflect(engine)
        assert "there" in private.tables
        """,
        "import sqlalchemy as sa\nseen = sa.table('seen', sa.column('id'))\n",
        """
        import sqlalchemy as sa
        private = sa.MetaData()
        private.remove(sa.Table("gone", private, sa.Column("id", sa.Integer)))
        """,
    ],
    ids=["a library's view", "a library's copies", "copies", "reflection", "no table", "removed"],
)
def test_what_is_no_table_of_the_models_is_no_error(write: Write, module: str) -> None:
    assert tables(write({"item": ITEM, "event": module})) == [["item"], ["item"]]


def test_sqlalchemy_utils_materialized_view_is_no_error(write: Write) -> None:
    module = """
        import sqlalchemy as sa
        from sqlalchemy_utils import create_materialized_view
        from bases.base import Base
        from bases.item import Item

        class Seen(Base):
            __table__ = create_materialized_view("seen", sa.select(Item.id), metadata=Base.metadata)
    """
    assert tables(write({"item": ITEM, "event": module})) == [["item"], ["item"]]


def test_a_module_that_is_in_no_stage_may_have_tables_elsewhere(write: Write) -> None:
    module = ITEM + "\n    from bases import helper\n"
    off = {"helper": "import sqlalchemy as sa\nsa.Table('x', sa.MetaData(), sa.Column('id', sa.Integer))\n"}
    assert tables(write({"item": module}, off=off)) == [["item"]]


@pytest.mark.parametrize(
    ("ignore", "message"),
    [
        (["base:legasy"], "p/config.yaml:7:5: The module `base` has no `legasy`. The nearest base is `legacy`."),
        (["bose:legacy"], "p/config.yaml:7:5: There is no module `bose` in the package `bases`. "),
        (["base"], "p/config.yaml:7:5: `base` is not module:attribute. "),
    ],
)
def test_a_wrong_name_to_ignore_has_its_place(write: Write, ignore: list[str], message: str) -> None:
    with pytest.raises(WrongUse) as caught:
        tables(write({"item": ITEM}, ignore=ignore))
    assert str(caught.value).startswith(message)


# --------------------------------------------------------------------- several bases


TWO = ["base:Base", "base:Audit", "base:legacy"]


def test_several_bases_make_one_schema(write: Write) -> None:
    third = """
        import sqlalchemy as sa
        from bases.base import legacy
        from bases.item import Item
        from bases.event import Event
        sa.Table("old", legacy, sa.Column("item_id", sa.ForeignKey(Item.__table__.c.id)))
        Event.item_id = sa.Column(sa.ForeignKey(Item.__table__.c.id))
        sa.event.listen(legacy, "after_create", sa.DDL("CREATE VIEW seen AS SELECT id FROM event"))
        sa.event.listen(legacy, "before_drop", sa.DDL("DROP VIEW seen"))
    """
    plan = write({"item": ITEM, "event": EVENT, "old": third}, base=TWO)
    assert tables(plan) == [["item"], ["event", "item"], ["event", "item", "old"]]
    rebuilt = commands.rebuild(plan)
    assert rebuilt.applied == ("item", "event", "old")
    assert commands.status(plan).schema_matches
    with database.engine(plan.database.url, reading=True).connect() as connection:
        assert sorted(sa.inspect(connection).get_table_names()) == ["alembic_version", "event", "item", "old"]
        assert sa.inspect(connection).get_view_names() == ["seen"]
    assert commands.down(plan, "item")


def test_a_table_may_not_be_on_two_bases(write: Write) -> None:
    event = EVENT.replace('"event"', '"item"')
    assert refusal(write({"item": ITEM, "event": event}, base=TWO)) == (
        "p/config.yaml:5:3: The table `item` is on two of the bases in stage `event`. Rename one of the two."
    )


def test_a_base_that_outlives_the_models_may_be_one_of_several(write: Write) -> None:
    """SQLModel's MetaData is the library's."""
    pytest.importorskip("sqlmodel")
    model = """
        from sqlmodel import Field, SQLModel

        class {}(SQLModel, table=True):
            __tablename__ = "{}"
            id: int = Field(primary_key=True)
    """
    off = {"own": "from sqlmodel import SQLModel\n"}
    modules = {"one": model.format("One", "one"), "item": ITEM, "two": model.format("Two", "two")}
    plan = write(modules, base=["base:Base", "own:SQLModel"], off=off)
    assert tables(plan) == [["one"], ["item", "one"], ["item", "one", "two"]]
    assert tables(plan) == tables(plan), "nothing is left in the library's MetaData"


def test_a_sqlmodel_class_beside_another_base_is_an_error(write: Write) -> None:
    pytest.importorskip("sqlmodel")
    model = """
        from sqlmodel import Field, SQLModel

        class Other(SQLModel, table=True):
            id: int = Field(primary_key=True)
    """
    assert refusal(write({"item": ITEM, "event": model})) == lost("other", "event", "event:SQLModel", 3)


# ------------------------------------------------------------------------- extensions

TRIGRAMS = """
    import sqlalchemy as sa
    from bases.base import Base
    item = sa.Table("item", Base.metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))
    sa.Index("ix", item.c.name, postgresql_using="gist", postgresql_ops={"name": "gist_trgm_ops"})
"""


def on_postgresql(name: str = "postgres") -> dict[str, object]:
    """The keys for PostgreSQL."""
    url = sa.make_url(answering("postgresql")).set(database=name)
    return {"database": {"url": url.render_as_string(hide_password=False)}, "servers": ["postgresql"]}


def test_extensions_are_created_before_anything_else(write: Write) -> None:
    extensions = [{"name": "pg_trgm", "schema": "tools"}, "uuid-ossp"]
    plan = write({"item": TRIGRAMS.replace("gist_trgm_ops", "tools.gist_trgm_ops"), "event": ITEM.replace("item", "b")},
                 extensions=extensions, **on_postgresql())  # fmt: skip
    rebuilt = commands.rebuild(plan, apply_it=False)
    assert rebuilt.proved_on
    text = (plan.migrations / "versions" / "0001_item.py").read_text("utf-8")
    places = [text.index(each) for each in (
        "CREATE SCHEMA IF NOT EXISTS tools", "CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA tools",
        'CREATE EXTENSION IF NOT EXISTS "uuid-ossp"', "op.create_table(")]  # fmt: skip
    assert places == sorted(places)
    assert "DROP EXTENSION" not in text, "others may use it"
    assert "EXTENSION" not in (plan.migrations / "versions" / "0002_event.py").read_text("utf-8")


def test_a_missing_extension_is_offered(write: Write) -> None:
    with pytest.raises(WrongUse) as caught:
        commands.rebuild(write({"item": TRIGRAMS}, **on_postgresql()), apply_it=False)
    assert str(caught.value) == (
        'PostgreSQL needs an extension for the models: operator class "gist_trgm_ops" does not exist for access method '
        '"gist". The statement was: CREATE INDEX ix ON item USING gist (name gist_trgm_ops). '
        "Write `extensions: [pg_trgm]` in config.yaml, or add it to those."
    )


def test_extensions_are_postgresql_s(write: Write) -> None:
    assert refusal_of(lambda: write({"item": ITEM}, extensions=["vector"])) == (
        "p/config.yaml:10:1: `extensions` are PostgreSQL's, which `servers` does not name. "
        "Remove them, or add postgresql to `servers`."
    )


def refusal_of(work: Callable[[], object]) -> str:
    with pytest.raises(WrongUse) as caught:
        work()
    return str(caught.value)
