"""Adicionando o campo de email para Usuário

Stage: usuario_email
Revision ID: 68511e13ed80
Revises: b6d3268d69ab
"""

import sqlalchemy as sa
from alembic import op

revision = "68511e13ed80"
down_revision = "b6d3268d69ab"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("usuarios", sa.Column("email", sa.String(length=254), nullable=True))


def downgrade() -> None:
    op.drop_column("usuarios", "email")
