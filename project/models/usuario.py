"""Primeiro passo: a tabela de usuários."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from project.models.base import Base


class Usuario(Base):
    """Uma pessoa que usa o sistema."""

    __tablename__ = "usuarios"

    id: Mapped[int] = mapped_column(primary_key=True)
    nome: Mapped[str] = mapped_column(String(100))
    idade: Mapped[int | None]

    if TYPE_CHECKING:
        email: Mapped[str | None]  # vem com o módulo usuario_email
