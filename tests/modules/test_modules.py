"""A stage's schema is the metadata after importing exactly the modules that are on, on a base nothing else touched."""

from __future__ import annotations

import dataclasses
import gc
import importlib
import json
import os
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import configure_mappers

from sqlstrata.errors import WrongUse
from sqlstrata.modules.turning import metadata_of, turns, unlisted
from sqlstrata.plan import read
from tests.versions import needs_2_1

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import ModuleType

    from sqlstrata.plan import Plan

BASE = """\
from sqlalchemy.orm import DeclarativeBase

class Base(DeclarativeBase):
    pass
"""

USUARIO = """\
from sqlalchemy.orm import Mapped, mapped_column
from estagios.base import Base

class Usuario(Base):
    __tablename__ = "usuarios"
    id: Mapped[int] = mapped_column(primary_key=True)
    nome: Mapped[str]
"""

PRODUTO = """\
from sqlalchemy.orm import Mapped, mapped_column
from estagios.base import Base

class Produto(Base):
    __tablename__ = "produtos"
    id: Mapped[int] = mapped_column(primary_key=True)
"""

EMAIL = """\
from sqlalchemy import String
from sqlalchemy.orm import mapped_column
from estagios.usuario import Usuario

Usuario.email = mapped_column(String(50))
"""

SHOP = {"__init__": "", "base": BASE, "usuario": USUARIO, "produto": PRODUTO, "usuario_email": EMAIL}
THREE = (["usuario"], ["produto"], ["usuario_email"])

ROOT = str(Path(__file__).resolve().parents[2])
Schema = dict[str, list[str]]
Step = list[str] | dict[str, list[str]]


class Write(Protocol):
    """Writes a project and reads its plan."""

    def __call__(
        self,
        files: Mapping[str, str],
        steps: Sequence[Step] = THREE,
        *,
        package: str = "estagios",
        base: str = "base:Base",
        inside: str = "",
    ) -> Plan: ...


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write the modules of a package and its config.yaml, under the working directory, and give the plan."""

    def written(
        files: Mapping[str, str],
        steps: Sequence[Step] = THREE,
        *,
        package: str = "estagios",
        base: str = "base:Base",
        inside: str = "",
    ) -> Plan:
        folder = tmp_path / inside
        for name, text in files.items():
            put(folder.joinpath(*package.split(".")), name, text)
        lines = ["database: {url: sqlite:///x.db}", "models:", f"  package: {package}", f"  base: {base}", "stages:"]
        for number, step in enumerate(steps, 1):
            keys = step if isinstance(step, dict) else {"enable": step}
            lines += [f"  - name: s{number}", *(f"    {key}: {json.dumps(names)}" for key, names in keys.items())]
        (folder / "config.yaml").write_text("\n".join(lines), "utf-8")
        return read((folder / "config.yaml").relative_to(tmp_path))

    monkeypatch.chdir(tmp_path)
    before = dict(sys.modules)
    yield written
    for name in [name for name in sys.modules if name.partition(".")[0] in ("estagios", "app", "comum")]:
        if name not in before:
            del sys.modules[name]


def put(package: Path, module: str, text: str) -> None:
    """Write one module of a package."""
    path = package.joinpath(*module.split(".")).with_suffix(".py")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def schema(metadata: sa.MetaData) -> Schema:
    """Say a schema in names, in their order."""
    return {table.key: [column.name for column in table.columns] for table in metadata.tables.values()}


def schemas(plan: Plan) -> list[Schema]:
    """Say the schema of every stage."""
    return [schema(metadata) for _, metadata in turns(plan)]


def refusal(plan: Plan) -> WrongUse:
    """Load all stages, and give the error that this ends in."""
    with pytest.raises(WrongUse) as caught:
        schemas(plan)
    return caught.value


def text(error: WrongUse) -> str:
    """Say an error as it is printed."""
    return str(error)


@pytest.fixture
def application() -> Iterator[type[Application]]:
    """Import modules as an application does that was there before."""
    yield Application
    for folder in Application.folders:
        sys.path.remove(folder)
    Application.folders.clear()


class Application:
    """The calling program."""

    folders: list[str] = []  # noqa: RUF012 - emptied by the fixture

    @classmethod
    def load(cls, plan: Plan, module: str) -> ModuleType:
        """Import a module from a plan's folder, and leave it loaded."""
        sys.path.insert(0, str(plan.folder))
        cls.folders.append(str(plan.folder))
        importlib.invalidate_caches()
        return importlib.import_module(module)


US = {"usuarios": ["id", "nome"]}
PR = {"produtos": ["id"]}
US_EMAIL = {"usuarios": ["id", "nome", "email"]}


# ------------------------------------------------ what a stage's schema is


def test_each_stage_has_what_its_modules_make(write: Write) -> None:
    """Modules define tables, or extend the models of earlier ones."""
    assert schemas(write(SHOP)) == [US, US | PR, US_EMAIL | PR]


def test_stages_come_with_their_schemas_in_order(write: Write) -> None:
    """The stage that is given beside a schema is the plan's."""
    plan = write(SHOP)
    assert tuple(stage for stage, _ in turns(plan)) == plan.stages


def test_modules_are_imported_in_the_order_in_which_they_are_turned_on(write: Write) -> None:
    """The order of the tables is the order of the plan."""
    assert [list(each) for each in schemas(write(SHOP, [["produto", "usuario"]]))] == [["produtos", "usuarios"]]
    assert [list(each) for each in schemas(write(SHOP, [["usuario", "produto"]]))] == [["usuarios", "produtos"]]


def test_a_module_that_is_turned_off_leaves_nothing_behind(write: Write) -> None:
    """Another module may define the same classes and tables."""
    files = SHOP | {"outro": USUARIO.replace("nome", "nome_completo")}
    plan = write(files, [["usuario"], {"disable": ["usuario"], "enable": ["outro"]}, {"disable": ["outro"]}])
    assert schemas(plan) == [US, {"usuarios": ["id", "nome_completo"]}, {}]


def test_one_stages_metadata_is_its_own_and_stays_as_it_was(write: Write) -> None:
    """Whatever is imported later."""
    plan = write(SHOP)
    loaded = [metadata_of(plan, index) for index in range(3)]
    assert len({id(metadata) for metadata in loaded}) == 3
    assert [schema(metadata) for metadata in loaded] == [US, US | PR, US_EMAIL | PR]


def test_a_helper_may_change_the_convention_of_the_base(write: Write) -> None:
    """As a module does that takes over the naming convention of another Base, with metadata of its own."""
    convention = BASE.replace("pass", 'metadata = MetaData(naming_convention={"pk": "pk_%(table_name)s"})')
    files = {
        "__init__": "",
        "models_base": BASE,
        "models_base_after": f"from sqlalchemy import MetaData\n{convention}",
        "convention_after": "from estagios.models_base import Base\n"
        "from estagios.models_base_after import Base as New\n\n"
        "Base.metadata.naming_convention = New.metadata.naming_convention\n",
        "before": USUARIO.replace("estagios.base", "estagios.models_base"),
        "after": USUARIO.replace("estagios.base", "estagios.models_base"),
    }
    steps: list[Step] = [["before"], {"disable": ["before"], "enable": ["convention_after", "after"]}]
    keys = [m.tables["usuarios"].primary_key.name for _, m in turns(write(files, steps, base="models_base:Base"))]
    assert keys == [None, "pk_usuarios"]


TABLE = 'Table("{0}", metadata, Column("id", Integer, primary_key=True))'
CORE = f"""\
from sqlalchemy import Column, Integer, Table
from estagios.base import metadata

usuarios = {TABLE.format("usuarios")}
"""
BASES = {
    "a MetaData": ("base:metadata", "from sqlalchemy import MetaData\nmetadata = MetaData()\n", CORE),
    "a dataclass base": (
        "base:Base",
        (
            "from sqlalchemy.orm import DeclarativeBase, MappedAsDataclass\n"
            "class Base(MappedAsDataclass, DeclarativeBase):\n    pass\n"
        ),
        PRODUTO.replace("Produto", "Usuario").replace("produtos", "usuarios"),
    ),
    "a registry": (
        "base:reg",
        "from sqlalchemy.orm import registry\nreg = registry()\n",
        (
            "import dataclasses\nfrom sqlalchemy import Column, Integer\nfrom estagios.base import reg\n"
            '@reg.mapped\n@dataclasses.dataclass\nclass Usuario:\n    __tablename__ = "usuarios"\n'
            '    __sa_dataclass_metadata_key__ = "sa"\n'
            '    id: int = dataclasses.field(metadata={"sa": Column(Integer, primary_key=True)})\n'
        ),
    ),
    "an old declarative base": (
        "base:Base",
        "from sqlalchemy.orm import declarative_base\nBase = declarative_base()\n",
        (
            "from sqlalchemy import Column, Integer\nfrom estagios.base import Base\n"
            'class Usuario(Base):\n    __tablename__ = "usuarios"\n    id = Column(Integer, primary_key=True)\n'
        ),
    ),
    "an object that has a MetaData": (
        "base:db",
        "from sqlalchemy import MetaData\nclass Db:\n    metadata = MetaData()\ndb = Db()\n",
        CORE.replace("import metadata", "import db\nmetadata = db.metadata"),
    ),
    "SQLModel": (
        "base:SQLModel",
        "from sqlmodel import SQLModel\n",
        (
            "from sqlmodel import Field\nfrom estagios.base import SQLModel\n"
            'class Usuario(SQLModel, table=True):\n    __tablename__ = "usuarios"\n'
            "    id: int | None = Field(default=None, primary_key=True)\n"
        ),
    ),
    "a class of its own over SQLModel": (
        "base:Base",
        "from sqlmodel import SQLModel\nclass Base(SQLModel):\n    pass\n",
        (
            "from sqlmodel import Field\nfrom estagios.base import Base\n"
            'class Usuario(Base, table=True):\n    __tablename__ = "usuarios"\n'
            "    id: int | None = Field(default=None, primary_key=True)\n"
        ),
    ),
    "SQLModel's MetaData": (
        "base:metadata",
        "from sqlmodel import SQLModel\nmetadata = SQLModel.metadata\n",
        (
            "from sqlmodel import Field, SQLModel\n"
            'class Usuario(SQLModel, table=True):\n    __tablename__ = "usuarios"\n'
            "    id: int | None = Field(default=None, primary_key=True)\n"
        ),
    ),
    "SQLModel with a MetaData of its own": (
        "base:Base",
        (
            "from sqlalchemy import MetaData\nfrom sqlmodel import SQLModel\n"
            "class Base(SQLModel):\n    metadata = MetaData()\n"
        ),
        (
            "from sqlmodel import Field\nfrom estagios.base import Base\n"
            'class Usuario(Base, table=True):\n    __tablename__ = "usuarios"\n'
            "    id: int | None = Field(default=None, primary_key=True)\n"
        ),
    ),
}


@pytest.mark.parametrize("kind", BASES)
def test_every_kind_of_base_is_fresh_in_every_stage(write: Write, kind: str) -> None:
    """Without a warning, stage after stage, and also when the application has the same models loaded."""
    base, source, module = BASES[kind]
    more = module.replace("usuarios", "produtos").replace("Usuario", "Produto")
    files = {"__init__": "", "base": source, "usuario": module, "produto": more}
    plan = write(files, [["usuario"], ["produto"], {"disable": ["usuario"]}], base=base)
    want = [{"usuarios": ["id"]}, {"usuarios": ["id"], "produtos": ["id"]}, {"produtos": ["id"]}]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert schemas(plan) == want
        assert schemas(plan) == want


# ------------------------------------------------ SQLModel and other bases that outlive the package


SQLMODEL = {
    "__init__": "",
    "base": BASES["SQLModel"][1],
    "usuario": BASES["SQLModel"][2],
    "convencao": "from estagios.base import SQLModel\n"
    'SQLModel.metadata.naming_convention = {"pk": "pk_%(table_name)s"}\n',
}


def test_the_applications_own_sqlmodel_classes_stay_mapped(write: Write, application: type[Application]) -> None:
    """Their tables, mappers and naming convention are what they were."""
    from sqlmodel import SQLModel  # noqa: PLC0415 - heavy

    plan = write(SQLMODEL, [["usuario"]], base="base:SQLModel")
    usuario = application.load(plan, "estagios.usuario").Usuario
    table, convention = usuario.__table__, SQLModel.metadata.naming_convention
    try:
        (_, metadata), *_ = turns(plan)
        assert metadata is not SQLModel.metadata
        assert metadata.tables["usuarios"] is not table
        assert SQLModel.metadata.tables["usuarios"] is table is usuario.__table__
        assert sa.inspect(usuario).local_table is table
        assert SQLModel.metadata.naming_convention is convention
        assert usuario(id=1).id == 1
        configure_mappers()
    finally:
        SQLModel.metadata.remove(table)


def test_what_a_stage_does_to_sqlmodels_metadata_is_gone_with_it(write: Write) -> None:
    """A naming convention that one stage sets is neither the next plan's nor the program's."""
    plan = write(SQLMODEL, [["convencao", "usuario"], {"disable": ["convencao"]}], base="base:SQLModel")
    for _ in range(2):
        keys = [metadata.tables["usuarios"].primary_key.name for _, metadata in turns(plan)]
        assert keys == ["pk_usuarios", None]


def test_sqlmodel_that_the_base_itself_changes_is_untouched_afterwards(tmp_path: Path, write: Write) -> None:
    """Also where SQLModel was not loaded before: in a process of its own."""
    base = f'{SQLMODEL["base"]}SQLModel.metadata.naming_convention = {{"pk": "pk_%(table_name)s"}}\n'
    write(SQLMODEL | {"base": base}, [["usuario"]], base="base:SQLModel")
    code = """
        from pathlib import Path
        from sqlstrata.modules.turning import turns
        from sqlstrata.plan import read
        (_, metadata), = turns(read(Path("config.yaml")))
        from sqlmodel import SQLModel
        print(metadata.tables["usuarios"].primary_key.name, len(SQLModel.metadata.tables), end=" ")
        print("pk" in SQLModel.metadata.naming_convention)
    """
    assert printed(code, tmp_path) == "pk_usuarios 0 False\n"


def printed(code: str, folder: Path) -> str:
    """Run Python in a process of its own."""
    environment = os.environ | {"PYTHONPATH": ROOT}
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code)]
    return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout


def test_a_metadata_from_elsewhere_is_blank_for_each_stage(write: Write, application: type[Application]) -> None:
    """The package's base may be a MetaData that another package of the environment made, with tables in it."""
    plan = write(
        {"__init__": f"from sqlalchemy import *\nmetadata = MetaData(schema='x')\n{TABLE.format('outros')}"},
        package="comum",
    )
    application.load(plan, "comum")
    files = {"__init__": "", "base": "from comum import metadata\n", "usuario": CORE}
    inside = write(files, [["usuario"], {"disable": ["usuario"]}], base="base:metadata", inside="elsewhere")
    assert schemas(inside) == [{"x.usuarios": ["id"]}, {}]
    assert schema(sys.modules["comum"].metadata) == {"x.outros": ["id"]}


@pytest.mark.parametrize("loaded", [False, True])
def test_a_declarative_base_from_elsewhere_is_blank_for_each_stage(
    write: Write,
    application: type[Application],
    loaded: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """A company's own Base, loaded by the application before or not, with a mapped class of its own or without."""
    for own in ("", USUARIO.replace("from estagios.base import Base", "").replace("usuarios", "outros")):
        company = write({"__init__": f"{BASE}{own}"}, package="comum", inside=f"lib{len(own)}")
        files = SHOP | {"base": "from comum import Base\n"}
        plan = write(files, [["usuario"], ["usuario_email"]], inside=f"elsewhere{len(own)}")
        sys.modules.pop("comum", None)
        application.folders.append(str(company.folder))
        sys.path.insert(0, str(company.folder))
        if loaded:
            application.load(company, "comum")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert schemas(plan) == [US, US_EMAIL]
            assert schemas(plan) == [US, US_EMAIL]
        base = importlib.import_module("comum").Base
        assert list(base.metadata.tables) == (["outros"] if own else [])
        assert len(base.registry.mappers) == len(base.metadata.tables)
        configure_mappers()


@needs_2_1
def test_enums_sequences_and_views_go_with_the_stage(write: Write) -> None:
    """What belongs to a metadata that outlives the package belongs to the stage's own afterwards."""
    more = """
        from sqlalchemy import Column, CreateView, Enum, Sequence, Table, select
        from estagios.base import SQLModel
        cores = Enum("azul", "verde", name="cores", metadata=SQLModel.metadata)
        passo = Sequence("passo", metadata=SQLModel.metadata)
        tintas = Table("tintas", SQLModel.metadata, Column("cor", cores))
        visao = CreateView(select(tintas.c.cor), "visao", metadata=SQLModel.metadata)
    """
    plan = write(SQLMODEL | {"tinta": textwrap.dedent(more)}, [["tinta"]], base="base:SQLModel")
    (_, metadata), *_ = turns(plan)
    assert {table.metadata for table in metadata.tables.values()} == {metadata}
    assert [each.metadata for each in metadata.get_schema_objects(sa.Enum)] == [metadata]
    assert [each.metadata for each in metadata.get_schema_objects(sa.Sequence)] == [metadata]
    statements = ddl(metadata, "postgresql+psycopg://")
    assert sorted(each.split()[1] for each in statements) == ["SEQUENCE", "TABLE", "TYPE", "VIEW"]


@needs_2_1
def test_a_view_of_mapped_classes_outlasts_them(write: Write) -> None:
    more = """
        from sqlalchemy import CreateView, String, func, select
        from estagios.base import Base
        from estagios.usuario import Usuario
        query = select(Usuario.nome, func.count().label("quantos")).where(Usuario.nome != "100%").group_by(Usuario.nome)
        visao = CreateView(query, "visao", metadata=Base.metadata)
        CreateView(select(visao.table.c.nome), "nomes", metadata=Base.metadata)
    """
    plan = write({"base": BASE, "usuario": USUARIO, "visao": textwrap.dedent(more)}, [["usuario", "visao"]])
    query = "SELECT usuarios.nome, count(*) AS quantos \nFROM usuarios \nWHERE usuarios.nome != '100%{}' GROUP BY usuarios.nome"
    for metadata in (*(each for _, each in turns(plan)), metadata_of(plan, 0)):
        assert [each.split()[1:3] for each in ddl(metadata, "sqlite://")] == [
            ["TABLE", "usuarios"],
            ["VIEW", "visao"],
            ["VIEW", "nomes"],
        ]
        assert ddl(metadata, "sqlite://")[1].endswith(query.format(""))
        assert ddl(metadata, "postgresql+psycopg://")[1].endswith(query.format("%"))  # for the driver


def ddl(metadata: sa.MetaData, url: str) -> list[str]:
    """Say what create_all would emit on a server."""
    statements: list[str] = []
    dialect = sa.make_url(url).get_dialect()()

    def say(sql: sa.ExecutableDDLElement, *_: object, **__: object) -> None:
        statements.append(str(sql.compile(dialect=dialect)).strip())

    engine = sa.create_mock_engine(url, say)
    metadata.create_all(engine, checkfirst=False)
    return statements


# ------------------------------------------------ the calling program stays as it was


def test_the_applications_modules_and_classes_stay_the_same_objects(
    write: Write, application: type[Application]
) -> None:
    """Modules, attributes of packages and `sys.path`, after each stage."""
    plan = write(SHOP)
    usuario = application.load(plan, "estagios.usuario").Usuario
    before, path, finders = dict(sys.modules), list(sys.path), list(sys.meta_path)
    attributes = dict(vars(sys.modules["estagios"]))
    for _ in turns(plan):
        assert {name: module for name, module in sys.modules.items() if before.get(name) is not module} == {}
        assert before.keys() == sys.modules.keys()
        assert (sys.path, sys.meta_path) == (path, finders)
        assert vars(sys.modules["estagios"]) == attributes
    assert importlib.import_module("estagios.usuario").Usuario is usuario
    assert not hasattr(usuario, "email")


def test_nothing_is_left_where_nothing_was(write: Write) -> None:
    """The package is not loaded afterwards, nor are modules that lie beside it."""
    plan = write(SHOP | {"usuario": f"import comum\n{USUARIO}"})
    (plan.folder / "comum.py").write_text("")
    before, path = set(sys.modules), list(sys.path)
    schemas(plan)
    assert (set(sys.modules), sys.path) == (before, path)


def test_all_is_as_it_was_after_an_error(write: Write, application: type[Application]) -> None:
    """Whatever a module raises, and at whatever stage."""
    plan = write(SHOP | {"usuario_email": "import sys\nsys.path.append('x')\n1 / 0\n"})
    application.load(plan, "estagios.usuario")
    before, path, finders = dict(sys.modules), list(sys.path), list(sys.meta_path)
    refusal(plan)
    assert (sys.modules, sys.path, sys.meta_path) == (before, path, finders)


def test_a_parent_that_is_loaded_is_not_imported_again(write: Write, application: type[Application]) -> None:
    """Only the package of models is; its parent keeps the attribute that it had, or none."""
    files = {name: source.replace("estagios", "app.models") for name, source in SHOP.items()}
    plan = write(files, package="app.models")
    (plan.folder / "app" / "__init__.py").write_text("times = []\ntimes.append(1)\n")
    app = application.load(plan, "app")
    want = [US, US | PR, US_EMAIL | PR]
    assert schemas(plan) == want
    assert not hasattr(app, "models")
    models = application.load(plan, "app.models.usuario")
    assert schemas(plan) == want
    assert (sys.modules["app"], app.times, app.models.usuario) == (app, [1], models)


def test_the_programs_mappers_can_still_be_configured(write: Write) -> None:
    """Even if a stage's own could not be: its relationship leads nowhere."""
    broken = f'{USUARIO}    amigos = relationship("Ninguem")\n'.replace("import Mapped", "import relationship, Mapped")
    plan = write(SHOP | {"usuario": broken}, [["usuario"], ["usuario_email"]])
    found = []
    for _, metadata in turns(plan):
        configure_mappers()
        found.append(schema(metadata))
    configure_mappers()
    assert found == [US, US_EMAIL]


def test_mappers_of_a_module_that_fails_are_gone_too(write: Write) -> None:
    """A stage that ends in an error leaves no mapper behind, nor one half made."""
    broken = f'{USUARIO}    amigos = relationship("Ninguem")\n'.replace("import Mapped", "import relationship, Mapped")
    half = f'{broken}\nclass Outro(Base):\n    __tablename__ = "outros"\n'
    error = refusal(write(SHOP | {"usuario": half}, [["usuario"]]))
    configure_mappers()
    assert "could not assemble any primary key" in error.message


def test_mappers_of_the_environment_stay_mapped(write: Write, application: type[Application]) -> None:
    """A library that a stage's module is the first to import keeps its mapped classes."""
    library = write(
        {"__init__": USUARIO.replace("from estagios.base import Base", BASE)}, package="comum", inside="lib"
    )
    sys.path.insert(0, str(library.folder))
    application.folders.append(str(library.folder))
    schemas(write(SHOP | {"usuario": f"import comum\n{USUARIO}"}))
    assert sa.inspect(sys.modules["comum"].Usuario).local_table.name == "usuarios"


def test_a_schema_stays_valid_after_its_modules_have_gone(write: Write) -> None:
    """DDL events, types of the module's own, Python defaults and enums work on, on a real database."""
    module = """
        import enum
        import sqlalchemy as sa
        from estagios.base import Base

        class Cor(enum.Enum):
            AZUL = 1

        class Caixa(sa.types.TypeDecorator):
            impl = sa.String
            cache_ok = True

            def process_bind_param(self, value, dialect):
                return value and value.upper()

        PADRAO = "padrao"

        def padrao():
            return PADRAO

        class Tinta(Base):
            __tablename__ = "tintas"
            id = sa.Column(sa.Integer, primary_key=True)
            cor = sa.Column(sa.Enum(Cor), default=Cor.AZUL)
            nome = sa.Column(Caixa, default=padrao)

        sa.event.listen(Tinta.__table__, "after_create", sa.DDL("CREATE TABLE do_evento (id INTEGER)"))

        @sa.event.listens_for(Base.metadata, "after_create")
        def depois(target, connection, **kw):
            connection.execute(sa.text("CREATE TABLE da_metadata (id INTEGER)"))
    """
    plan = write(SHOP | {"tinta": textwrap.dedent(module)}, [["tinta"]])
    (_, metadata), *_ = turns(plan)
    gc.collect()
    with sa.create_engine("sqlite://").connect() as connection:
        metadata.create_all(connection)
        connection.execute(metadata.tables["tintas"].insert(), {"id": 1})
        rows = connection.exec_driver_sql("SELECT cor, nome FROM tintas").all()
        names = set(sa.inspect(connection).get_table_names())
    assert (rows, names) == ([("AZUL", "PADRAO")], {"tintas", "do_evento", "da_metadata"})
    assert "CREATE TYPE cor AS ENUM ('AZUL')" in ddl(metadata, "postgresql+psycopg://")


# ------------------------------------------------ what is read


def test_two_folders_with_packages_of_one_name_do_not_mix(write: Write, application: type[Application]) -> None:
    """Twice in one process, one stage after the other, while the application has the first one loaded."""
    one = write(SHOP, inside="a")
    two = write(SHOP | {"usuario": USUARIO.replace("nome", "apelido")}, inside="b")
    application.load(one, "estagios.usuario")
    pairs = [(schema(a), schema(b)) for (_, a), (_, b) in zip(turns(one), turns(two), strict=True)]
    assert pairs[0] == (US, {"usuarios": ["id", "apelido"]})
    assert sys.modules["estagios.usuario"].Usuario.__table__.c.keys() == ["id", "nome"]


def test_what_lies_beside_the_package_is_that_of_its_folder(write: Write, application: type[Application]) -> None:
    """A module beside the package, of a name that the application has loaded from elsewhere."""
    files = SHOP | {"usuario": USUARIO.replace('"usuarios"', "comum.NOME").replace("from sq", "import comum\nfrom sq")}
    one, two = write(files, [["usuario"]], inside="a"), write(files, [["usuario"]], inside="b")
    (one.folder / "comum.py").write_text("NOME = 'um'\n")
    (two.folder / "comum.py").write_text("NOME = 'dois'\n")
    loaded = application.load(one, "comum")
    assert (schemas(one), schemas(two)) == ([{"um": ["id", "nome"]}], [{"dois": ["id", "nome"]}])
    assert sys.modules["comum"] is loaded


def test_the_folders_parent_package_wins_over_a_loaded_one(write: Write, application: type[Application]) -> None:
    """`app.models` of this folder, though the application's `app` comes from another; with or without an __init__."""
    other = write({"__init__": ""}, package="app", inside="other")
    files = {name: source.replace("estagios", "app.models") for name, source in SHOP.items()}
    loaded = application.load(other, "app")
    plan = write(files, package="app.models", inside="mine")
    assert schemas(plan)[0] == US
    (plan.folder / "app" / "__init__.py").write_text("")
    assert schemas(plan)[0] == US
    assert sys.modules["app"] is loaded


def test_a_file_that_was_edited_within_the_second_is_read_again(write: Write, application: type[Application]) -> None:
    """Same size, same time stamp, and bytecode of the old text in the cache."""
    plan = write(SHOP)
    path = plan.folder / "estagios" / "usuario.py"
    os.utime(path, (1_000_000_000, 1_000_000_000))
    application.load(plan, "estagios.usuario")
    assert list((plan.folder / "estagios" / "__pycache__").glob("usuario.*.pyc")) or sys.dont_write_bytecode
    assert schemas(plan)[0] == US
    path.write_text(USUARIO.replace("nome", "none"))
    os.utime(path, (1_000_000_000, 1_000_000_000))
    assert schemas(plan)[0] == {"usuarios": ["id", "none"]}


def test_a_file_that_has_come_since_is_found(write: Write) -> None:
    """Also within the second in which the folder was last looked at."""
    plan = write(SHOP | {"usuario": "import estagios.novo\n" + USUARIO}, [["usuario"]])
    assert "No module named 'estagios.novo'" in refusal(plan).message
    put(plan.folder / "estagios", "novo", "")
    assert schemas(plan) == [US]


def test_no_bytecode_is_written(write: Write) -> None:
    """Reading a plan's modules leaves no file behind."""
    plan = write(SHOP)
    schemas(plan)
    assert sorted(path.suffix for path in plan.folder.rglob("*") if path.is_file()) == [".py"] * 5 + [".yaml"]


def test_a_package_of_the_environment_is_found(write: Write, application: type[Application]) -> None:
    """The package need not be in the folder of config.yaml."""
    library = write(SHOP, inside="lib")
    plan = read_beside(library)
    sys.path.insert(0, str(library.folder))
    application.folders.append(str(library.folder))
    assert schemas(plan) == [US, US | PR, US_EMAIL | PR]


def read_beside(library: Plan) -> Plan:
    """Put the configuration of a plan into a folder without its package."""
    folder = library.folder.parent / "empty"
    folder.mkdir()
    (folder / "config.yaml").write_text(library.path.read_text())
    return read(folder / "config.yaml")


def test_modules_may_be_nested(write: Write) -> None:
    """`vendas.pedido`, in a folder with an __init__ or without one."""
    for init in ({"vendas.__init__": ""}, {}):
        plan = write(SHOP | init | {"vendas.pedido": PRODUTO}, [["vendas.pedido"]], inside=f"com{len(init)}")
        assert schemas(plan) == [PR]


def test_imports_may_be_relative(write: Write) -> None:
    """Of modules and of names, also out of a nested module."""
    files = {name: source.replace("from estagios.", "from .") for name, source in SHOP.items()}
    nested = {
        "vendas.__init__": "",
        "vendas.pedido": "from .. import usuario\nfrom ..base import Base\nassert "
        "usuario.Usuario.__table__.metadata is "
        f"Base.metadata\n{PRODUTO}",
    }
    plan = write(files | nested, [["usuario"], ["usuario_email"], ["vendas.pedido"]])
    assert schemas(plan) == [US, US_EMAIL, US_EMAIL | PR]


def test_the_base_may_be_in_a_nested_module(write: Write) -> None:
    """As in `base: nucleo.base:Base`."""
    files = {name: source.replace("estagios.base", "estagios.nucleo.base") for name, source in SHOP.items()}
    files["nucleo.base"] = files.pop("base")
    assert schemas(write(files, base="nucleo.base:Base")) == [US, US | PR, US_EMAIL | PR]


@pytest.mark.parametrize("package", ["estagios", "app.models", "app.db.models"])
def test_no_folder_needs_an_init(write: Write, package: str) -> None:
    """Neither the package's nor those above and inside."""
    files = {name: source.replace("estagios", package) for name, source in SHOP.items() if name != "__init__"}
    files["vendas.loja.item"] = files.pop("produto")
    plan = write(files, [["usuario"], ["vendas.loja.item"], ["usuario_email"]], package=package)
    assert schemas(plan) == [US, US | PR, US_EMAIL | PR]
    assert unlisted(plan) == ()


def test_a_package_called_like_one_that_is_loaded_is_the_folders(write: Write) -> None:
    """Another project, made from the example of this repository, has its models in `project.models`, too."""
    files = {name: source.replace("estagios", "project.models") for name, source in SHOP.items()}
    example = importlib.import_module("project")
    for init in (False, True):
        plan = write(files, package="project.models", inside="outro")
        if init:
            (plan.folder / "project" / "__init__.py").write_text("")
        assert schemas(plan) == [US, US | PR, US_EMAIL | PR]
        assert sys.modules["project"] is example


def test_a_warning_of_a_module_is_given_once(write: Write) -> None:
    """And not once for each stage that has the module on."""
    plan = write(SHOP | {"usuario": f"import warnings\nwarnings.warn('cuidado')\n{USUARIO}"})
    with pytest.warns(UserWarning, match="cuidado") as caught:
        schemas(plan)
    assert len(caught) == 1


# ------------------------------------------------ an __init__ that imports its modules

INITS = {
    "nothing": "",
    "modules": "from . import base, produto, usuario, usuario_email, quebrado\n",
    "modules by name": "import estagios.produto\nimport estagios.usuario_email as ue\nimport estagios.quebrado\n",
    "classes": "from .base import Base\nfrom .produto import Produto\nfrom .usuario import Usuario\n"
    '__all__ = ["Base", "Produto", "Usuario"]\n',
    "classes under other names": "from .produto import Produto as P\nfrom .usuario import Usuario as U\n",
    "stars": "from .produto import *\nfrom .usuario import *\nfrom .usuario_email import *\nfrom .quebrado import *\n",
    "a walk": "import importlib, pkgutil\nfor m in pkgutil.iter_modules(__path__):\n"
    '    importlib.import_module(f"{__name__}.{m.name}")\n',
    "a list of models": "from .produto import Produto\nfrom .usuario import Usuario\nMODELS = [Produto, Usuario]\n"
    "NAMES = {m.__name__: m for m in MODELS}\n",
    "an event": "from sqlalchemy import event\nfrom .produto import Produto\n"
    '@event.listens_for(Produto, "before_insert")\ndef antes(mapper, connection, target):\n    pass\n',
    "a function": "from .produto import Produto\nfrom .usuario import Usuario\n"
    "def achar(nome: str) -> Usuario | Produto | None:\n    return Usuario.nome == nome\n",
    "use of a class": "from .produto import Produto\nID = Produto.id.desc()\n",
}


@pytest.mark.parametrize("init", INITS)
def test_an_init_that_imports_modules_does_not_turn_them_on(write: Write, init: str) -> None:
    """The schemas are those of a package with an empty one, though a module that is on in no stage has a table."""
    broken = PRODUTO.replace("produtos", "quebrados")
    plan = write(SHOP | {"__init__": INITS[init], "quebrado": broken}, THREE)
    assert schemas(plan) == [US, US | PR, US_EMAIL | PR]


@pytest.mark.parametrize("init", [name for name in INITS if "list" not in name and "function" not in name])
def test_an_init_that_imports_modules_does_not_change_their_order(write: Write, init: str) -> None:
    """Tables come in the plan's order, as long as the __init__ does not itself work with the models."""
    plan = write(SHOP | {"__init__": INITS[init], "quebrado": ""}, [["usuario", "produto"]])
    want = ["usuarios", "produtos"] if init not in ("an event", "use of a class") else ["produtos", "usuarios"]
    assert [list(each) for each in schemas(plan)] == [want]


@pytest.mark.parametrize("init", ["modules", "classes", "stars", "a list of models"])
@pytest.mark.parametrize(
    "line", ["from estagios import Usuario", "import estagios\nUsuario = estagios.Usuario", "from estagios import *"]
)
def test_a_module_may_take_a_model_from_the_package(write: Write, init: str, line: str) -> None:
    """What the __init__ passes on is the real class for who asks."""
    source = (
        INITS[init].replace("from .produto import Produto\n", "").replace("Produto, ", "").replace('"Produto", ', "")
    )
    source = source.replace("from .produto import *\n", "").replace("from .quebrado import *\n", "")
    if init == "modules":
        line = "from estagios import usuario\nUsuario = usuario.Usuario"
    files = SHOP | {"__init__": source, "usuario_email": EMAIL.replace("from estagios.usuario import Usuario", line)}
    assert schemas(write(files | {"quebrado": ""}, [["usuario"], ["usuario_email"]])) == [US, US_EMAIL]


def test_a_module_may_take_the_base_from_the_package(write: Write) -> None:
    """Whether the __init__ makes it or passes it on."""
    usuario = USUARIO.replace("from estagios.base", "from estagios")
    for init, base in (
        ("from .base import Base\nfrom .usuario import Usuario\n", "base:Base"),
        (BASE, "__init__:Base"),
    ):
        assert schemas(write(SHOP | {"__init__": init, "usuario": usuario}, [["usuario"]], base=base)) == [US]


def test_a_nested_init_does_not_turn_its_modules_on_either(write: Write) -> None:
    """`vendas/__init__.py` imports both of its modules, and one of them is on."""
    init = "from .pedido import Pedido\nfrom .item import Item\n"
    files = SHOP | {
        "__init__": "from .vendas import Pedido\nfrom .vendas.item import Item\n",
        "vendas.__init__": init,
        "vendas.pedido": PRODUTO.replace("Produto", "Pedido").replace("produtos", "pedidos"),
        "vendas.item": PRODUTO.replace("Produto", "Item").replace("produtos", "itens"),
        "outro": "from estagios.vendas import Pedido\nfrom estagios import Pedido as Mesmo\nassert Pedido is Mesmo\n"
        "from sqlalchemy import Column, Text\nPedido.nota = Column(Text)\n",
    }
    plan = write(files, [["vendas.pedido"], ["outro"], ["vendas.item"]])
    assert schemas(plan) == [
        {"pedidos": ["id"]},
        {"pedidos": ["id", "nota"]},
        {"pedidos": ["id", "nota"], "itens": ["id"]},
    ]


def test_stars_go_through_nested_packages(write: Write) -> None:
    """The package passes on what a package in it passes on."""
    files = SHOP | {
        "__init__": "from .vendas import *\n",
        "vendas.__init__": "from .pedido import *\nfrom .item import *\n",
        "vendas.pedido": PRODUTO,
        "vendas.item": USUARIO,
        "outro": "from estagios import Produto\nfrom sqlalchemy import Column, Text\nProduto.nota = Column(Text)\n",
    }
    plan = write(files, [["vendas.pedido"], ["outro"], ["vendas.item"]])
    assert schemas(plan) == [PR, {"produtos": ["id", "nota"]}, {"produtos": ["id", "nota"], **US}]


def test_a_helper_package_passes_its_names_on(write: Write) -> None:
    """Types or mixins in a package of their own, which no stage turns on."""
    files = SHOP | {
        "tipos.__init__": "from .textos import Curto\n",
        "tipos.textos": "from sqlalchemy import String\nCurto = String(10)\n",
        "usuario_email": "from estagios.tipos import Curto\n" + EMAIL.replace("String(50)", "Curto"),
    }
    (*_, (_, metadata)) = turns(write(files))
    assert str(metadata.tables["usuarios"].c.email.type) == "VARCHAR(10)"


def test_packages_above_that_import_the_models_do_not_turn_them_on(write: Write) -> None:
    """`app/__init__.py` imports the models, and views that use them: none of it is asked for by a stage."""
    files = {name: source.replace("estagios", "app.models") for name, source in SHOP.items()}
    files["__init__"] = "from .produto import Produto\nfrom .usuario import Usuario\n"
    plan = write(files, package="app.models")
    put(plan.folder / "app", "__init__", "from app.models import Produto, Usuario\nfrom app import views\n")
    put(
        plan.folder / "app",
        "views",
        "from app.models.produto import Produto\nfrom app.models import Usuario\n"
        "def lista():\n    return Produto.id, Usuario.id\n",
    )
    assert schemas(plan) == [US, US | PR, US_EMAIL | PR]
    assert "app" not in sys.modules


# ------------------------------------------------ an __init__ that does more

WALK = "import importlib, pkgutil\nfor m in pkgutil.iter_modules(__path__):\n    "
PASSES = "from .produto import Produto\nfrom .usuario import Usuario\n"
WORKING: dict[str, tuple[str, str]] = {
    "names that it found in its folder": (
        "import pkgutil\nNOMES = [m.name for m in pkgutil.iter_modules(__path__)]\n",
        "from estagios import NOMES\nassert 'produto' in NOMES",
    ),
    "modules that it imported in a loop": (
        f'{WALK}globals()["mod_" + m.name] = importlib.import_module(f"{{__name__}}.{{m.name}}")\n',
        "from estagios import mod_usuario\nassert mod_usuario.Usuario is Usuario",
    ),
    "what it calls a function for": (
        f"{PASSES}def nome():\n    return Usuario.__tablename__\nNOME = nome()\n",
        "from estagios import NOME, nome\nassert NOME == nome() == 'usuarios'",
    ),
    "a function that imports": (
        "def classe():\n    from .base import Base\n    return Base\nUMA = classe()\n",
        "from estagios import UMA\nassert UMA is Usuario.__base__",
    ),
    "a module by its name": (
        "import estagios.usuario\nCLASSE = estagios.usuario.Usuario\n",
        "from estagios import CLASSE\nassert CLASSE is Usuario",
    ),
    "a module that it imported": (
        f"import estagios.usuario\n{PASSES}",
        "import estagios\nassert estagios.usuario.Usuario is Usuario",
    ),
    "the one of two of a name that is on": (
        "from .usuario import Usuario\nfrom .outro import Usuario\n",
        "import estagios\nassert estagios.Usuario is Usuario",
    ),
    "what a try imports": (
        "try:\n    from .usuario import Usuario as U\nexcept ImportError:\n    U = None\n",
        "from estagios import U\nassert U is Usuario",
    ),
    "names for type checkers": (
        f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .produto import Produto\n{PASSES}N = 1\n",
        "from estagios import N, Usuario as U\nassert (N, U) == (1, Usuario)",
    ),
}


@pytest.mark.parametrize("case", WORKING)
def test_what_an_init_makes_of_modules_that_are_on_is_there(write: Write, case: str) -> None:
    """Whatever it does with them, while others are off."""
    init, asked = WORKING[case]
    broken = PRODUTO.replace("produtos", "quebrados")
    files = SHOP | {"__init__": init, "usuario_email": f"{EMAIL}\n{asked}\n", "quebrado": broken, "outro": USUARIO}
    plan = write(files, [["usuario", "usuario_email"], ["produto"], {"disable": ["usuario", "usuario_email"],
                                                                    "enable": ["outro"]}])  # fmt: skip
    assert schemas(plan) == [US_EMAIL, US_EMAIL | PR, PR | US]


@pytest.mark.parametrize(
    "line", ["Produto.__table__.comment = 'x'", "def f():\n    Produto.__table__.comment = 'x'\nf()"]
)
def test_a_statement_of_an_init_waits_for_the_modules_that_it_works_with(write: Write, line: str) -> None:
    plan = write(SHOP | {"__init__": f"from .produto import Produto\n{line}\n"}, [["usuario"], ["produto"]])
    comments = [{key: table.comment for key, table in each.tables.items()} for _, each in turns(plan)]
    assert comments == [{"usuarios": None}, {"usuarios": None, "produtos": "x"}]


BOTH: dict[str, tuple[str, str, int, str]] = {
    "an event of the base": (
        "from sqlalchemy import event\nfrom .base import Base\nfrom .produto import Produto\n"
        '@event.listens_for(Base.metadata, "after_create")\ndef depois(*_, **__):\n    print(Produto)\n',
        "", 5, "and also `Base`, which is on.",
    ),
    "a loop": (
        f"{PASSES}for each in (Produto, Usuario):\n    each.__table__.comment = 'x'\n",
        "", 3, "and also `Usuario`, which is on.",
    ),
    "a loop over a list": (
        f"{PASSES}MODELS = [Produto, Usuario]\nfor each in MODELS:\n    each.__table__.comment = 'x'\n",
        "", 4, "and also `Usuario`, which is on.",
    ),
    "a try": (
        "from .base import Base\ntry:\n    from .produto import Produto\n    Base.feito = True\n"
        "except ImportError:\n    pass\n",
        "", 2, "and also `Base`, which is on.",
    ),
    "a call": (
        f"def feito(*_):\n    pass\n{PASSES}FEITO = feito(Usuario, Produto)\n",
        "", 5, "and also `Usuario`, which is on.",
    ),
    "the base by way of a model": (
        "from .produto import Produto\nProduto.metadata.naming_convention = {}\n",
        "", 2, "and also `metadata`, which is on.",
    ),
    "a list that is asked for": (f"{PASSES}MODELS = [Produto, Usuario]\n", "from estagios import MODELS", 3, "`MODELS`"),
    "a list that is asked for in a try": (
        f"{PASSES}MODELS = [Produto, Usuario]\n",
        "try:\n    from estagios import MODELS\nexcept Exception:\n    pass", 3, "`MODELS`",
    ),
    "a list of a package in it": (
        "from .vendas import MODELS\n", "from estagios import MODELS", 2, "`MODELS`",
    ),
    "a function that is called": (
        f"{PASSES}def todos():\n    return [Produto, Usuario]\n", "from estagios import todos\ntodos()", 3, "`todos`",
    ),
    "a loop that looks into modules": (
        f'{WALK}vars(importlib.import_module(f"{{__name__}}.{{m.name}}"))\n', "", 3, "This statement",
    ),
    "a function that imports": (
        "def classe():\n    from .produto import Produto\n    return Produto\nUMA = classe()\n", "", 2, "This statement",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BOTH)
def test_an_init_that_cannot_do_without_a_module_that_is_off_is_refused(write: Write, case: str) -> None:
    """At the statement's place; it would be another schema than that of the stage, or none."""
    init, asked, line, words = BOTH[case]
    vendas = "from ..produto import Produto\nMODELS = [Produto]\n"
    files = SHOP | {"__init__": init, "usuario": f"{USUARIO}\n{asked}\n", "vendas.__init__": vendas}
    error = refusal(write(files, [["usuario"], ["produto"]]))
    place = "vendas/__init__.py" if "package in it" in case else "__init__.py"
    assert error.where == f"estagios/{place}:{line}"
    assert "uses the module `produto`, which is not on in stage `s1`" in error.message
    assert words in error.message
    assert error.hint == "Turn `produto` on with `enable`, or move this into a module of its own."


# ------------------------------------------------ what comes from modules that are not on


def test_helpers_may_be_imported(write: Write) -> None:
    """Mixins give columns to the classes of modules that are on; constants, types and factories of tables are used."""
    mixin = """
        from sqlalchemy import Column, Integer, Table
        from sqlalchemy.orm import Mapped, mapped_column, declared_attr

        class Datas:
            criado: Mapped[int] = mapped_column(default=0)

            @declared_attr
            def mudado(cls) -> Mapped[int]:
                return mapped_column(Integer)

        def tabela(nome, metadata):
            return Table(nome, metadata, Column("id", Integer, primary_key=True))
    """
    usuario = USUARIO.replace("(Base)", "(Datas, Base)") + '\ntabela("registros", Base.metadata)\n'
    files = SHOP | {
        "mixins": textwrap.dedent(mixin),
        "usuario": "from estagios.mixins import Datas, tabela\n" + usuario,
    }
    (only,) = schemas(write(files, [["usuario"]]))
    assert {name: sorted(columns) for name, columns in only.items()} == {
        "registros": ["id"],
        "usuarios": ["criado", "id", "mudado", "nome"],
    }


def test_a_helpers_table_in_metadata_of_its_own_is_nobodys_business(write: Write) -> None:
    """It is not in the schema."""
    other = f"{BASE}\nfrom sqlalchemy import *\nmetadata = MetaData()\n{TABLE.format('outra')}\n"
    assert schemas(write(SHOP | {"outra": other, "usuario": f"import estagios.outra\n{USUARIO}"}, [["usuario"]])) == [
        US
    ]


IMPORTS_PRODUTO = f"from estagios.produto import Produto\n{USUARIO}"
STRAYS: dict[str, tuple[dict[str, str], list[Step], str]] = {
    "a table of a module that comes later": (
        {"usuario": IMPORTS_PRODUTO},
        [["usuario"], ["produto"]],
        (
            "estagios/usuario.py:1: The table `produtos` comes from the module `produto`, which is not on "
            "in stage `s1`, but "
            "imported by `usuario`. Turn `produto` on with `enable`, or do not import it in `usuario`."
        ),
    ),
    "a table of a module that no stage turns on": (
        {"usuario": IMPORTS_PRODUTO},
        [["usuario"]],
        (
            "estagios/usuario.py:1: The table `produtos` comes from the module `produto`, which is not on "
            "in stage `s1`, but "
            "imported by `usuario`. Turn `produto` on with `enable`, or do not import it in `usuario`."
        ),
    ),
    "a table of a module that has been turned off": (
        {"produto": f"import estagios.usuario\n{PRODUTO}"},
        [["usuario"], {"disable": ["usuario"], "enable": ["produto"]}],
        (
            "estagios/produto.py:1: The table `usuarios` comes from the module `usuario`, which is not on "
            "in stage `s2`, but "
            "imported by `produto`. In `produto`, import what has replaced it, or refer to its models by name and "
            "import it under `if TYPE_CHECKING:` alone; or turn `produto` off, too."
        ),
    ),
    "a column": (
        {"produto": f"\n\nfrom estagios import usuario_email\n{PRODUTO}"},
        [["usuario"], ["produto"]],
        (
            "estagios/produto.py:3: The column `usuarios.email` comes from the module `usuario_email`, "
            "which is not on in "
            "stage `s2`, but imported by `produto`. Turn `usuario_email` on with `enable`, or do not "
            "import it in `produto`."
        ),
    ),
    "a table at the end of a chain": (
        {"meio": "import estagios.produto\n", "usuario": f"\nimport estagios.meio\n{USUARIO}"},
        [["usuario"]],
        (
            "estagios/meio.py:1: The table `produtos` comes from the module `produto`, which is not on in "
            "stage `s1`, but imported by `meio`, which is imported by `usuario` (estagios/usuario.py:2). Turn `produto` on with "
            "`enable`, or do "
            "not import it in `meio`."
        ),
    ),
    "a table in the base's module": (
        {"base": f"{BASE}\nfrom sqlalchemy import *\nmetadata = Base.metadata\n{TABLE.format('t')}\n"},
        [["usuario"]],
        (
            "config.yaml:4:3: The table `t` comes from the module `base`, which is not on in stage `s1`. "
            "Turn `base` on with "
            "`enable`, or define it in another module."
        ),
    ),
    "a table in the package's __init__": (
        {
            "__init__": "from sqlalchemy import *\nfrom .base import Base\nmetadata = "
            f"Base.metadata\n{TABLE.format('t')}\n"
        },
        [["usuario"]],
        (
            "config.yaml:4:3: The table `t` comes from the module `__init__`, which is not on in stage "
            "`s1`. Turn `__init__` "
            "on with `enable`, or define it in another module."
        ),
    ),
    "a table beside a base that the package passes on": (
        {
            "__init__": "from .base import Base\n",
            "base": f"{BASE}\nfrom sqlalchemy import *\nmetadata = Base.metadata\n{TABLE.format('t')}\n",
        },
        [["usuario"]],
        (
            "config.yaml:4:3: The table `t` comes from the module `base`, which is not on in stage `s1`. "
            "Turn `base` on with "
            "`enable`, or define it in another module."
        ),
    ),
    "a model that is taken from the package": (
        {
            "__init__": "from .produto import Produto\n",
            "usuario": f"from estagios import Produto\n{USUARIO}",
        },
        [["usuario"], ["produto"]],
        (
            "estagios/usuario.py:1: The table `produtos` comes from the module `produto`, which is not on "
            "in stage `s1`, but "
            "imported by `usuario`. Turn `produto` on with `enable`, or do not import it in `usuario`."
        ),
    ),
    "a table that then is in the way": (
        {"outro": f"from estagios import usuario\n{USUARIO}"},
        [["usuario"], {"disable": ["usuario"], "enable": ["outro"]}],
        (
            "estagios/outro.py:1: The table `usuarios` comes from the module `usuario`, which is not on in "
            "stage `s2`, but "
            "imported by `outro`. In `outro`, import what has replaced it, or refer to its models by name and "
            "import it under `if TYPE_CHECKING:` alone; or turn `outro` off, too."
        ),
    ),
    "a table whose import is hidden in a try": (
        {"usuario": f"try:\n    import estagios.produto\nexcept Exception:\n    pass\n{USUARIO}"},
        [["usuario"]],
        (
            "estagios/usuario.py:2: The table `produtos` comes from the module `produto`, which is not on "
            "in stage `s1`, but "
            "imported by `usuario`. Turn `produto` on with `enable`, or do not import it in `usuario`."
        ),
    ),
}


@pytest.mark.parametrize("case", STRAYS)
def test_what_comes_from_a_module_that_is_not_on_is_an_error(write: Write, case: str) -> None:
    """It names the table or column, its module, and who imported that."""
    files, steps, want = STRAYS[case]
    base = "__init__:Base" if "passes on" in case else "base:Base"
    error = refusal(write(SHOP | files, steps, base=base))
    assert text(error) == want
    assert error.details["strays"]


def test_a_module_that_is_off_may_be_imported_for_what_is_no_table(write: Write) -> None:
    """Constants of a module that another stage has on."""
    files = SHOP | {"limites": "TAMANHO = 50\n", "usuario_email": EMAIL.replace("50", "TAMANHO")}
    files["usuario_email"] = f"from estagios.limites import TAMANHO\n{files['usuario_email']}"
    assert schemas(write(files, [["usuario", "usuario_email"], ["limites"]])) == [US_EMAIL, US_EMAIL]


# ------------------------------------------------ wrong plans and modules

HINT = "It is turned on at config.yaml:7:14."
WRONG: dict[str, tuple[dict[str, str], dict[str, Any], str]] = {
    "a module that is not there": (
        {},
        {"steps": [["usuarrio"]]},
        (
            "config.yaml:7:14: There is no module `usuarrio` in the package `estagios`. "
            "The nearest module is `usuario`, in estagios/usuario.py."
        ),
    ),
    "a nested module that is not there": (
        {},
        {"steps": [["vendas.pedido"]]},
        (
            "config.yaml:7:14: There is no module `vendas.pedido` in the package `estagios`. "
            "The modules are base, produto, usuario, usuario_email."
        ),
    ),
    "a base module that is not there": (
        {},
        {"base": "bases:Base"},
        (
            "config.yaml:4:3: There is no module `bases` in the package `estagios`. "
            "The nearest module is `base`, in estagios/base.py."
        ),
    ),
    "a base that is not there": (
        {},
        {"base": "base:Bse"},
        "config.yaml:4:3: The module `base` has no `Bse`. The nearest base is `Base`.",
    ),
    "a base that is none": (
        {"base": f"x = 1\n{BASE}"},
        {"base": "base:x"},
        "config.yaml:4:3: `base:x` is neither a declarative base nor a MetaData. The bases are Base.",
    ),
    "a base that is a mapped class": (
        {},
        {"base": "usuario:Usuario"},
        "config.yaml:4:3: `usuario:Usuario` is neither a declarative base nor a MetaData. The bases are Base.",
    ),
    "a base in a module without one": (
        {"vazio": ""},
        {"base": "vazio:Base"},
        "config.yaml:4:3: The module `vazio` has no `Base`. There is no base.",
    ),
    "an error on import": (
        {"usuario": "import os\nos.nada\n"},
        {},
        (
            "estagios/usuario.py:2: The module `usuario` fails on import: "
            f"AttributeError: module 'os' has no attribute 'nada'. {HINT}"
        ),
    ),
    "an error after the models": (
        {"usuario": f"{USUARIO}\n\nint('x')\n"},
        {},
        (
            "estagios/usuario.py:10: The module `usuario` fails on import: "
            f"ValueError: invalid literal for int() with base 10: 'x'. {HINT}"
        ),
    ),
    "an error of SQLAlchemy's": (
        {"usuario": USUARIO.replace("primary_key=True", "")},
        {},
        (
            "estagios/usuario.py:4: The module `usuario` fails on import: ArgumentError: Mapper "
            "Mapper[Usuario(usuarios)] "
            f"could not assemble any primary key columns for mapped table 'usuarios'. {HINT}"
        ),
    ),
    "an error in a helper": (
        {"usuario": f"import estagios.ajuda\n{USUARIO}", "ajuda": "\n1 / 0\n"},
        {},
        f"estagios/ajuda.py:2: The module `usuario` fails on import: ZeroDivisionError: division by zero. {HINT}",
    ),
    "an import of what is not there": (
        {"usuario": "import nada_disso\n"},
        {},
        (
            "estagios/usuario.py:1: The module `usuario` fails on import: "
            f"ModuleNotFoundError: No module named 'nada_disso'. {HINT}"
        ),
    ),
    "a syntax error": (
        {"usuario": "x = 1\nclass\n"},
        {},
        f"estagios/usuario.py:2: The module `usuario` fails on import: SyntaxError: invalid syntax. {HINT}",
    ),
    "a module that exits": (
        {"usuario": "import sys\nsys.exit('fim')\n"},
        {},
        f"estagios/usuario.py:2: The module `usuario` fails on import: SystemExit: fim. {HINT}",
    ),
    "a module that raises what is no Exception": (
        {"usuario": "raise GeneratorExit('fim')\n"},
        {},
        f"estagios/usuario.py:1: The module `usuario` fails on import: GeneratorExit: fim. {HINT}",
    ),
    "an error without a text": (
        {"usuario": "raise KeyError\n"},
        {},
        f"estagios/usuario.py:1: The module `usuario` fails on import: KeyError. {HINT}",
    ),
    "a base that fails": (
        {"base": "1 / 0\n"},
        {},
        (
            "estagios/base.py:1: The module `base` fails on import: ZeroDivisionError: division by zero. "
            "It has the base, at config.yaml:4:3."
        ),
    ),
    "an __init__ that fails": (
        {"__init__": "1 / 0\n"},
        {},
        (
            "estagios/__init__.py:1: The module `base` fails on import: ZeroDivisionError: division by zero. "
            "It has the base, at config.yaml:4:3."
        ),
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_plan_or_module_is_reported_with_its_place(write: Write, case: str) -> None:
    """Where, what, and the nearest right name; no stack trace."""
    files, options, want = WRONG[case]
    chosen: dict[str, Any] = {"steps": [["usuario"]], **options}
    plan = write(SHOP | files, **chosen)
    assert text(refusal(plan)) == want


def test_a_package_that_is_not_there_is_reported_with_the_nearest(write: Write) -> None:
    """Packages of the folder, at the same depth."""
    path = write(SHOP, package="app.models").path
    path.write_text(path.read_text().replace("app.models", "app.modelos"))
    assert str(refusal(read(path.relative_to(path.parent)))) == (
        "config.yaml:3:3: There is no package `app.modelos`. The nearest package is `app.models`."
    )


def test_a_name_that_the_package_passes_on_in_vain_is_an_import_error(write: Write) -> None:
    """Where it is imported, as in Python."""
    files = SHOP | {"__init__": "from .usuario import Nada\n", "outro": "from estagios import Nada\n"}
    error = refusal(write(files, [["usuario"], ["outro"]]))
    assert error.where == "estagios/outro.py:1"
    assert error.message.startswith("The module `outro` fails on import: ImportError: cannot import name 'Nada'")


def test_a_module_in_place_of_the_package_is_refused(write: Write) -> None:
    """A package is a folder."""
    plan = write({}, package="estagios")
    (plan.folder / "estagios.py").write_text(BASE)
    assert text(refusal(plan)) == (
        "config.yaml:3:3: `estagios` is a module, not a package. Make it a folder with one file for each step."
    )


def test_one_module_may_be_the_package_and_is_turned_on_as_such(write: Write) -> None:
    """An application with one models.py: the module is its own `__init__`, and has the base and the tables."""
    plan = write({}, [["__init__"]], base="__init__:Base")
    (plan.folder / "estagios.py").write_text(BASE + USUARIO.replace("from estagios.base import Base\n", ""))
    assert [[*turn.metadata.tables] for turn in turns(plan)] == [["usuarios"]]


def test_a_base_may_be_beside_the_package(write: Write) -> None:
    """Also then it is one that nothing else has touched; a module of that name in the package comes first."""
    files = {name: text.replace("estagios.base", "banco") for name, text in SHOP.items()}
    plan = write(files, [["usuario"], ["produto"]], base="banco:Base")
    (plan.folder / "estagios" / "base.py").rename(plan.folder / "banco.py")
    assert [[*turn.metadata.tables] for turn in turns(plan)] == [["usuarios"], ["usuarios", "produtos"]]
    assert "banco" not in sys.modules
    (plan.folder / "estagios" / "banco.py").write_text(BASE)
    assert "neither the base nor in `ignore`" in str(refusal(plan))


def test_places_are_reported_as_the_user_named_the_configuration(write: Write) -> None:
    """With `--config outro/config.yaml` a module's path begins with `outro`, too."""
    error = refusal(write(SHOP | {"usuario": "1 / 0\n"}, inside="outro"))
    assert (error.where, error.hint) == ("outro/estagios/usuario.py:1", "It is turned on at outro/config.yaml:7:14.")


def test_a_module_that_an_earlier_stage_turned_on_is_named_there(write: Write) -> None:
    """It works alone, and fails beside the other."""
    files = SHOP | {"usuario": "import sys\nif 'estagios.produto' in sys.modules:\n    1 / 0\n"}
    plan = write(files, [["produto"], {"enable": ["usuario"]}])
    assert refusal(plan).hint == f"It is turned on at {plan.where('stages', 1, 'enable', 0)}."


# ------------------------------------------------ modules that are on in no stage


def test_modules_that_no_stage_turns_on_are_listed(write: Write) -> None:
    """All but the base's, nested ones too, without executing any."""
    files = SHOP | {
        "__init__": "1 / 0\n",
        "vendas.__init__": "",
        "vendas.item": "1 / 0",
        "tipos": "",
        "produto": "1 / 0",
    }
    assert unlisted(write(files, [["usuario"], ["usuario_email"]])) == ("produto", "tipos", "vendas.item")


def test_a_module_that_one_stage_turns_on_is_not_listed(write: Write) -> None:
    """Even if a later one turns it off."""
    plan = write(SHOP, [["usuario", "usuario_email"], {"disable": ["usuario_email"], "enable": ["produto"]}])
    assert unlisted(plan) == ()


# ------------------------------------------------ the example


EXAMPLE = """
database: {url: sqlite:///exemplo.db}
models: {package: project.models, base: base:Base}
stages:
  - {name: usuario, enable: [usuario]}
  - {name: produto, enable: [produto]}
  - {name: usuario_email, enable: [usuario_email]}
"""


def example(folder: Path) -> Plan:
    """Read the example's plan, as if its file stood beside the package."""
    path = folder / "config.yaml"
    path.write_text(EXAMPLE)
    return dataclasses.replace(read(path), folder=Path(ROOT))


def test_the_application_sees_all_modules_on(tmp_path: Path) -> None:
    """`from project.db import Usuario, Produto`, email included, also after the stages have been looked at."""
    from project.db import Produto, Usuario  # noqa: PLC0415

    stages = schemas(example(tmp_path))
    assert stages == [
        {"usuarios": ["id", "nome", "idade"]},
        {"usuarios": ["id", "nome", "idade"], "produtos": ["id", "nome", "preco"]},
        {"usuarios": ["id", "nome", "idade", "email"], "produtos": ["id", "nome", "preco"]},
    ]
    configure_mappers()
    assert schema(Usuario.metadata) == stages[-1]
    assert Usuario(nome="Alice", idade=30, email="alice@exemplo.com").email == "alice@exemplo.com"
    assert Produto.metadata is Usuario.metadata


def test_the_engine_does_not_import_the_models(tmp_path: Path) -> None:
    """Importing the package costs nothing, and an application that has it loaded has no model but its own."""
    code = f"""
        import sys
        import sqlstrata
        print("sqlalchemy" in sys.modules, "invoke" in sys.modules)
        assert len(list(sqlstrata.history(sqlstrata.read({ROOT + "/config.yaml"!r})))) == 3
        print([name for name in sys.modules if name.startswith("project")], "sqlmodel" in sys.modules)
        from project.db import Usuario
        print("project.models.usuario_email" in sys.modules)
    """
    assert printed(code, tmp_path) == "False False\n[] False\nTrue\n"


def test_setup_database_creates_it_where_it_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And gives a session on it; the tables are for migrations to make. Without a URL it is that of config.yaml."""
    from project import db  # noqa: PLC0415

    url = f"sqlite:///{tmp_path / 'novo.db'}"
    for _ in range(2):
        with db.setup_database(url) as session:
            assert session.execute(sa.text("SELECT 1")).scalar() == 1
            assert sa.inspect(session.connection()).get_table_names() == []
        assert (tmp_path / "novo.db").exists()
    (tmp_path / "config.yaml").write_text(EXAMPLE)
    monkeypatch.chdir(tmp_path)
    with db.setup_database() as session:
        assert session.connection().engine.url.database == str(tmp_path / "exemplo.db")


def test_two_modules_with_one_text_are_each_in_their_own_file(write: Write) -> None:
    """A text is compiled once; what it raises where it stands for the second time names that place all the same."""
    source = "import pathlib\n\nx = 1 // pathlib.Path(__file__).with_name('parte.txt').read_text().count('x')\n"
    plan = write(
        {"base": BASE, "um/__init__": "", "um/a": source, "dois/__init__": "", "dois/a": source}, [["um.a"], ["dois.a"]]
    )
    for folder, content in (("um", "x"), ("dois", "")):
        (plan.folder / "estagios" / folder / "parte.txt").write_text(content)
    assert text(refusal(plan)).startswith("estagios/dois/a.py:3: The module `dois.a` fails on import: ZeroDivision")
