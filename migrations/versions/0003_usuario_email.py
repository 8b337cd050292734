"""Adicionando o campo de email para Usuário

Stage: usuario_email
Revision ID: 4653761c989b
Revises: 54da8b6b0f97
"""

import sqlalchemy as sa
from alembic import op

revision = "4653761c989b"
down_revision = "54da8b6b0f97"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("usuarios", sa.Column("email", sa.String(length=254), nullable=True))


def downgrade() -> None:
    op.drop_column("usuarios", "email")
