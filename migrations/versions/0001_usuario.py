"""Criação do modelo de Usuário

Stage: usuario
Revision ID: 1e89a38512a7
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "1e89a38512a7"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "usuarios",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("nome", sa.String(length=100), nullable=False),
        sa.Column("idade", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_usuarios"),
    )


def downgrade() -> None:
    op.drop_table("usuarios")
