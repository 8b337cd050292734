"""A program that rebuilds again and again does not grow: caches belong to a run."""

from __future__ import annotations

import gc
import subprocess
import sys
import tracemalloc
from itertools import pairwise
from pathlib import Path

from sqlstrata import commands
from tests.projects import write

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
WARM, TIMES = 10, 10
ROOT = Path(__file__).parents[1]


def grown(folder: Path) -> tuple[int, int]:
    """By how many objects and octets this process grows when three small stages are rebuilt again and again.

    That is the least of three times as many rebuilds: tables of the interpreter double now and then, a leak always grows.
    """
    plan = write(folder, MODULES, STAGES, package="modelos", prove_on=["sqlite://"]).plan()
    tracemalloc.start()
    sizes = []
    for times in (WARM, TIMES, TIMES, TIMES):
        for _ in range(times):
            commands.rebuild(plan)
        gc.collect()
        sizes.append((len(gc.get_objects()), tracemalloc.get_traced_memory()[0]))
    grown_by = [(after[0] - before[0], after[1] - before[1]) for before, after in pairwise(sizes)]
    return min(objects for objects, _ in grown_by), min(octets for _, octets in grown_by)


def test_rebuilding_again_and_again_keeps_memory_flat(tmp_path: Path) -> None:
    """A rebuild of these stages makes some 600 objects that a cache of the process would keep.

    The process does nothing else: what other tests have left behind would count.
    """
    text = "import pathlib, sys; from tests.test_memory import grown; print(*grown(pathlib.Path(sys.argv[1])))"
    ran = subprocess.run(
        [sys.executable, "-c", text, str(tmp_path / "p")], cwd=ROOT, capture_output=True, text=True, check=True
    )
    objects, octets = map(int, ran.stdout.split())
    assert objects < TIMES * 5
    assert octets < TIMES * 5_000
