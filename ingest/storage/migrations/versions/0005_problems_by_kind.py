"""An index to count problems by their kind, which is done for every look at the metrics.

Revision 0005.
"""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add it."""
    op.create_index("ix_ingest_problem_kind", "ingest_problem", ["kind"])
