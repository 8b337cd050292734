"""A program that rebuilds again and again does not grow: caches belong to a run."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from sqlstrata import commands
from tests.projects import Project, write

MODULES = {
    "pessoas": """
        class Pessoa(Base):
            __tablename__ = "pessoas"
            id: Mapped[int] = mapped_column(primary_key=True)
            nome: Mapped[str]
        """,
    "cidades": """
        import enum

        class Porte(enum.Enum):
            GRANDE = 1

        class Codigo(sa.types.TypeDecorator):
            impl = sa.String
            cache_ok = True

        class Cidade(Base):
            __tablename__ = "cidades"
            id: Mapped[int] = mapped_column(primary_key=True)
            porte: Mapped[Porte]
            codigo = mapped_column(Codigo(20))
            prefeito: Mapped[int] = mapped_column(sa.ForeignKey("pessoas.id"))
        """,
    "email": """
        from modelos.pessoas import Pessoa

        Pessoa.email = mapped_column(sa.String(40))
        """,
}
STAGES = [
    {"name": "pessoas", "enable": ["pessoas"], "rows": {"pessoas": [{"id": 1, "nome": "Alice"}]}},
    {"name": "cidades", "enable": ["cidades"]},
    {"name": "email", "enable": ["email"]},
]
WARM, TIMES = 15, 25


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Three small stages, with types of the models' own."""
    tracemalloc.start()
    try:
        yield write(tmp_path / "p", MODULES, STAGES, package="modelos", prove_on=["sqlite://"])
    finally:
        tracemalloc.stop()


def test_rebuilding_again_and_again_keeps_memory_flat(project: Project) -> None:
    """A rebuild of these stages makes some 600 objects that a cache of the process would keep."""
    plan = project.plan()
    sizes = []
    for times in (WARM, TIMES):
        for _ in range(times):
            commands.rebuild(plan)
        gc.collect()
        sizes.append((len(gc.get_objects()), tracemalloc.get_traced_memory()[0]))
    (objects, octets), (objects_after, octets_after) = sizes
    assert objects_after - objects < TIMES * 5
    assert octets_after - octets < TIMES * 5_000
