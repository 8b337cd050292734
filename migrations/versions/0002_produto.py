"""Adicionando tabela de produtos

Stage: produto
Revision ID: 54da8b6b0f97
Revises: 37b2a3cf8e4c
"""

import sqlalchemy as sa
from alembic import op

revision = "54da8b6b0f97"
down_revision = "37b2a3cf8e4c"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "produtos",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("nome", sa.String(length=100), nullable=False),
        sa.Column("preco", sa.Numeric(precision=10, scale=2), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_produtos"),
    )


def downgrade() -> None:
    op.drop_table("produtos")
