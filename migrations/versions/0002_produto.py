"""Adicionando tabela de produtos

Stage: produto
Revision ID: b6d3268d69ab
Revises: 1e89a38512a7
"""

import sqlalchemy as sa
from alembic import op

revision = "b6d3268d69ab"
down_revision = "1e89a38512a7"
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
