"""`import-alembic`: stages from an existing Alembic history, exactly as its own env.py makes it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml

from sqlstrata import commands
from sqlstrata.databases import database
from sqlstrata.errors import MigrationFailed, SchemaDiffers, WrongUse
from sqlstrata.replay.project import Project as Foreign
from tests.projects import Project, write

ENV = """
from alembic import context
from sqlalchemy import create_engine, pool

print("the project prints")
with create_engine("{url}", poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection, version_table="{table}")
    with context.begin_transaction():
        context.run_migrations()
"""
REVISION = '''\
"""{message}"""
import sqlalchemy as sa
from alembic import op

revision = "{id}"
down_revision = {parent!r}


def upgrade():
    {upgrade}


def downgrade():
    pass
'''
USERS = """
op.create_table(
    "users",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(50), nullable=False, server_default="?"),
    sa.Column("price", sa.Numeric(8, 2)),
    sa.CheckConstraint("price > 0", name="ck_price"),
    sa.UniqueConstraint("name", name="uq_name"),
)
op.execute("INSERT INTO users (name, price) VALUES ('Ann', 1.5), ('100% \\"Bob\\"', NULL)")
"""
EMAIL = """
with op.batch_alter_table("users") as batch:
    batch.add_column(sa.Column("email", sa.String(80)))
op.create_index("ix_email", "users", ["email"])
op.create_table(
    "posts",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id", name="fk_user", ondelete="CASCADE"), nullable=False),
)
op.execute("UPDATE users SET email = lower(name)")
"""
OBJECTS = {
    "sqlite": """
op.execute("CREATE VIEW names AS SELECT name FROM users")
op.execute("CREATE TRIGGER hush AFTER DELETE ON users BEGIN DELETE FROM posts; END")
""",
    "postgresql": """
op.execute("CREATE VIEW names AS SELECT name FROM users WHERE name LIKE 'A%'")
op.execute("CREATE TYPE mood AS ENUM ('sad', 'ok')")
op.execute("ALTER TABLE users ADD COLUMN mood mood")
op.execute("CREATE DOMAIN percent AS integer CONSTRAINT small CHECK (VALUE <= 100)")
op.execute("ALTER TABLE users ADD COLUMN share percent")
op.execute("CREATE FUNCTION hush() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$")
op.execute("CREATE TRIGGER hush BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION hush()")
op.execute("CREATE MATERIALIZED VIEW sums AS SELECT count(*) AS n FROM users")
op.execute("ALTER TABLE posts ENABLE ROW LEVEL SECURITY")
op.execute("CREATE POLICY own ON posts FOR SELECT USING (user_id > 0)")
op.execute("CREATE SEQUENCE apart START 7")
""",
    "mariadb": """
op.execute("CREATE VIEW names AS SELECT name FROM users")
op.execute("CREATE TRIGGER hush BEFORE UPDATE ON users FOR EACH ROW SET NEW.price = 2")
""",
}
MODELS = """
    class User(Base):
        __tablename__ = "users"
        id: Mapped[int] = mapped_column(primary_key=True)
"""


def revised(folder: Path, number: int, text: str, parent: str | None) -> str:
    identity = f"{number}{number}aa0000bbbb"[:12]
    body = textwrap.indent(text.strip(), "    ").strip()
    made = REVISION.format(message=f"Step {number}", id=identity, parent=parent, upgrade=body)
    (folder / "alembic" / "versions" / f"{number}.py").write_text(made)
    return identity


@pytest.fixture
def kind(url: str) -> str:
    return sa.make_url(url).get_backend_name()


@pytest.fixture
def project(tmp_path: Path, url: str, kind: str) -> Project:
    """A project with a history of its own, whose env.py connects to a database that is not there."""
    stages = [{"name": "agora", "live": True}]
    made = write(tmp_path / "projeto", {"users": MODELS}, stages, url=url, prove_on=[url])
    (made.folder / "alembic" / "versions").mkdir(parents=True)
    real = sa.make_url(url).set(database="nowhere").render_as_string(hide_password=False)
    (made.folder / "alembic" / "env.py").write_text(ENV.format(url=real, table="versions_here"))
    (made.folder / "alembic.ini").write_text("[alembic]\nscript_location = alembic\n")
    parent: str | None = None
    for number, text in enumerate((USERS, EMAIL, OBJECTS[kind])):
        parent = revised(made.folder, number, text, parent)
    return made


def foreign(project: Project) -> Foreign:
    return Foreign(project.folder, project.folder / "alembic.ini")


def stages(project: Project) -> list[dict[str, object]]:
    found: list[dict[str, object]] = yaml.safe_load(project.config.read_text())["stages"]
    return found


def test_the_stages_are_exactly_what_the_revisions_make(project: Project, url: str, kind: str) -> None:
    done = commands.import_alembic(project.plan(), foreign(project), ["00aa", "head"])
    assert done.stages == (("step_0", "00aa0000bbbb"), ("step_2", "22aa0000bbbb"))
    assert [stage["name"] for stage in stages(project)] == ["step_0", "step_2", "agora"]
    assert project.plan().version_table.name == "versions_here"
    kinds = [(step.revision[0], step.line, step.kind) for step in done.steps]
    assert kinds == [("0", 18, "seeds rows"), ("1", 18, "rewrites rows")]
    project.configure(stages=stages(project)[:-1])
    made = commands.rebuild(project.plan())
    assert [revision.id for revision in made.revisions] == ["00aa0000bbbb", "22aa0000bbbb"]
    with database.connect(database.engine(url)) as connection:
        rows = connection.execute(sa.text("SELECT id, name, price FROM users ORDER BY id")).all()
    assert [tuple(row) for row in rows][1] == (2, '100% "Bob"', None)
    if kind == "postgresql":
        with database.connect(database.engine(url)) as connection:
            new = connection.execute(sa.text("INSERT INTO users (name) VALUES ('Cem') RETURNING id")).scalar()
        assert new == 3, "the counter goes on behind the rows"
    commands.check(project.plan())
    assert not commands.import_alembic(project.plan(), foreign(project), ["00aa", "head"]).stages, "what is there stays"


def test_a_released_database_needs_no_stamp(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'dev.db'}"
    made = project.__wrapped__(tmp_path, url, "sqlite")  # type: ignore[attr-defined]
    (made.folder / "alembic" / "env.py").write_text(ENV.format(url=url, table="alembic_version"))
    subprocess.run([sys.executable, "-m", "alembic", "upgrade", "11aa"], cwd=made.folder, check=True)
    commands.import_alembic(made.plan(), foreign(made), ["11aa", "22aa"])
    made.configure(stages=stages(made)[:-1])
    assert commands.rebuild(made.plan()).applied == ("step_2",)


def test_what_cannot_be_held_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    made = project.__wrapped__(tmp_path, f"sqlite:///{tmp_path / 'dev.db'}", "sqlite")  # type: ignore[attr-defined]
    revised(
        made.folder, 3, 'op.execute("CREATE TABLE odd (id INTEGER PRIMARY KEY ON CONFLICT REPLACE)")', "22aa0000bbbb"
    )
    before = made.config.read_bytes()
    with pytest.raises(SchemaDiffers, match="cannot hold all of revision 33aa0000bbbb: odd") as error:
        commands.import_alembic(made.plan(), foreign(made))
    assert error.value.hint is not None
    assert "--accept-missing" in error.value.hint
    assert (made.config.read_bytes(), (made.folder / "stages").exists()) == (before, False)


def test_two_heads_and_failures_are_told(tmp_path: Path) -> None:
    made = project.__wrapped__(tmp_path, f"sqlite:///{tmp_path / 'dev.db'}", "sqlite")  # type: ignore[attr-defined]
    with pytest.raises(WrongUse, match="There is no revision `zz`"):
        commands.import_alembic(made.plan(), foreign(made), ["zz"])
    revised(made.folder, 4, "raise RuntimeError('no settings')", "22aa0000bbbb")
    with pytest.raises(MigrationFailed, match=r"fails in `upgrade 44aa0000bbbb`: RuntimeError: no settings\."):
        commands.import_alembic(made.plan(), foreign(made))
    revised(made.folder, 5, "pass", "11aa0000bbbb")
    with pytest.raises(WrongUse, match="has 2 heads: "):
        commands.import_alembic(made.plan(), foreign(made))
