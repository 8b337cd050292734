"""Segundo passo: a tabela de produtos."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import Numeric, String
from sqlalchemy.orm import Mapped, mapped_column

from project.models.base import Base


class Produto(Base):
    """Um produto à venda."""

    __tablename__ = "produtos"

    id: Mapped[int] = mapped_column(primary_key=True)
    nome: Mapped[str] = mapped_column(String(100))
    preco: Mapped[Decimal] = mapped_column(Numeric(10, 2))
