"""What a bank behind a network needs: its numbers, its requests, and the pushes it tells of.

Revision 0004.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add them. Items of before have no number until their next change, and no hook on record."""
    op.add_column("item_git", sa.Column("bank_id", sa.BigInteger(), nullable=True))
    op.add_column("item_git", sa.Column("monitored_at", sa.DateTime(), nullable=True))
    for name in ("requests", "requests_retried", "requests_waited_ms"):
        op.add_column(
            "batch_job_execution_progress",
            sa.Column(name, sa.BigInteger(), server_default="0", nullable=False),
        )
    op.create_table(
        "pending_push",
        sa.Column("bank_key", sa.Text(), nullable=False),
        sa.Column("bank_id", sa.BigInteger(), nullable=True),
        sa.Column("first_at", sa.DateTime(), nullable=False),
        sa.Column("last_at", sa.DateTime(), nullable=False),
        sa.Column("pushes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("bank_key", name="pk_pending_push"),
    )
    op.create_index("ix_pending_push_first_at", "pending_push", ["first_at"])
