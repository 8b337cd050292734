"""Terceiro passo: o usuário ganha um email."""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import mapped_column

from project.models.usuario import Usuario

Usuario.email = mapped_column(String(254), nullable=True)
