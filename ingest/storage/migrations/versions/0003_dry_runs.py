"""Job parameters, what dry runs have planned, deletions that were withheld, why a stop was asked.

Revision 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

EXECUTION = "batch_job_execution.job_execution_id"


def upgrade() -> None:
    """Add them. Executions of before have no parameters on record, and no reason for a stop."""
    op.add_column("batch_job_execution_event", sa.Column("why", sa.Text(), nullable=True))
    op.create_table(
        "batch_job_execution_params",
        sa.Column("job_execution_id", sa.BigInteger(), nullable=False),
        sa.Column("parameter_name", sa.Text(), nullable=False),
        sa.Column("parameter_type", sa.Text(), nullable=False),
        sa.Column("parameter_value", sa.Text(), nullable=False),
        sa.Column("identifying", sa.Text(), server_default="N", nullable=False),
        sa.ForeignKeyConstraint(
            ["job_execution_id"],
            [EXECUTION],
            name="fk_batch_job_execution_params_job_execution_id_batch_job_execution",
        ),
        sa.PrimaryKeyConstraint(
            "job_execution_id", "parameter_name", name="pk_batch_job_execution_params"
        ),
    )
    op.create_table(
        "planned_change",
        sa.Column("job_execution_id", sa.BigInteger(), nullable=False),
        sa.Column("item_id", sa.BigInteger(), nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "change IN ('CREATED', 'UPDATED', 'DELETED')", name="ck_planned_change_change"
        ),
        sa.ForeignKeyConstraint(
            ["job_execution_id"],
            [EXECUTION],
            name="fk_planned_change_job_execution_id_batch_job_execution",
        ),
        sa.PrimaryKeyConstraint("job_execution_id", "item_id", name="pk_planned_change"),
    )
    op.create_table(
        "withheld_deletion",
        sa.Column("job_execution_id", sa.BigInteger(), nullable=False),
        sa.Column("missing", sa.BigInteger(), nullable=False),
        sa.Column("stored", sa.BigInteger(), nullable=False),
        sa.Column("allowed", sa.BigInteger(), nullable=False),
        sa.Column("settled_by", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["job_execution_id"],
            [EXECUTION],
            name="fk_withheld_deletion_job_execution_id_batch_job_execution",
        ),
        sa.ForeignKeyConstraint(
            ["settled_by"],
            [EXECUTION],
            name="fk_withheld_deletion_settled_by_batch_job_execution",
        ),
        sa.PrimaryKeyConstraint("job_execution_id", name="pk_withheld_deletion"),
    )
