"""Databases at a revision of the older history that is no stage: its own files go on from there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from sqlstrata import commands
from sqlstrata.errors import SchemaDiffers
from sqlstrata.plan import Plan
from tests.projects import Project
from tests.replay.test_import_alembic import ENV, USERS, foreign, revised, stages
from tests.replay.test_import_alembic import project as made_project

IDS = [f"{number}{number}aa0000bbbb" for number in range(4)]
COMMANDS: dict[str, Callable[[Plan], object]] = {
    "up": commands.up,
    "down": commands.down,
    "status": commands.status,
    "adopt": commands.adopt,
    "onboard": commands.onboard,
    "rebuild": lambda plan: commands.rebuild(plan, proof=False),
}


def imported(folder: Path) -> Project:
    """A history of four revisions, of which the first and the third are stages."""
    url = f"sqlite:///{folder / 'dev.db'}"
    made: Project = made_project.__wrapped__(folder, url, "sqlite")  # type: ignore[attr-defined]
    (made.folder / "alembic" / "env.py").write_text(ENV.format(url=url, table="alembic_version"))
    revised(made.folder, 0, USERS, None)
    for number in (1, 2, 3):
        create = f'op.execute("CREATE TABLE t{number} (id INTEGER PRIMARY KEY)")'
        revised(made.folder, number, "pass" if number == 1 else create, IDS[number - 1])
    commands.import_alembic(made.plan(), foreign(made), [IDS[0], IDS[2]])
    made.configure(stages=stages(made)[:-1])
    commands.rebuild(made.plan(), proof=False, apply_it=False)
    return made


def upgraded(project: Project, revision: str) -> None:
    foreign(project).run("upgrade", revision, sa.make_url(project.url))


def refusal(project: Project, command: Callable[[Plan], object]) -> SchemaDiffers:
    with pytest.raises(SchemaDiffers) as error:
        command(project.plan())
    return error.value


def test_a_database_between_two_stages_goes_on_with_the_older_history_first(tmp_path: Path) -> None:
    project = imported(tmp_path)
    versions = project.folder / "alembic" / "versions"
    upgraded(project, IDS[1])
    message = (
        f"The database is at revision {IDS[1]}, between the stages step_0 and step_2; legacy: {versions / '1.py'}."
    )
    for name, command in COMMANDS.items():
        error = refusal(project, command)
        assert error.message == message, name
        assert f"`alembic upgrade {IDS[2]}`" in str(error.hint)
    assert commands.identify(project.plan()).stage == "step_0", "its schema is that of a stage, its rows may not be"
    assert project.plan().legacy == (versions,)
    project.configure(legacy=[])
    assert refusal(project, commands.adopt).message == message, "alembic.ini names the folder, too"
    (project.folder / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    project.configure(legacy=["alembic/versions"])
    assert refusal(project, commands.adopt).message == message, "config.yaml does alone"
    (project.folder / "alembic.ini").write_text("[alembic]\nscript_location = alembic\n")
    upgraded(project, IDS[2])
    assert commands.up(project.plan()) == ()
    upgraded(project, IDS[3])
    assert f"at revision {IDS[3]} of another Alembic history" in refusal(project, commands.up).message
