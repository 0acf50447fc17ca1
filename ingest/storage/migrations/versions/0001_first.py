"""The first schema: jobs, items, their search, the bank's listings.

Revision 0001.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

#: Spring Batch's key of a job without parameters: the MD5 of nothing.
NO_PARAMETERS = "d41d8cd98f00b204e9800998ecf8427e"

STEP_STATUSES = "'STARTING', 'STARTED', 'STOPPING', 'COMPLETED', 'FAILED', 'STOPPED'"
EVENTS = "'requested', 'started', 'checkpoint resumed', 'stop asked', 'ended', 'recovered'"

FULL_TEXT = (
    """
    CREATE VIRTUAL TABLE item_keyword_fts USING fts5 (
        content,
        content = 'item_keyword',
        content_rowid = 'item_keyword_id',
        tokenize = 'unicode61 remove_diacritics 2'
    )
    """,
    """
    CREATE TRIGGER item_keyword_fts_insert AFTER INSERT ON item_keyword BEGIN
        INSERT INTO item_keyword_fts (rowid, content) VALUES (new.item_keyword_id, new.content);
    END
    """,
    """
    CREATE TRIGGER item_keyword_fts_delete AFTER DELETE ON item_keyword BEGIN
        INSERT INTO item_keyword_fts (item_keyword_fts, rowid, content)
        VALUES ('delete', old.item_keyword_id, old.content);
    END
    """,
    """
    CREATE TRIGGER item_keyword_fts_update AFTER UPDATE ON item_keyword BEGIN
        INSERT INTO item_keyword_fts (item_keyword_fts, rowid, content)
        VALUES ('delete', old.item_keyword_id, old.content);
        INSERT INTO item_keyword_fts (rowid, content) VALUES (new.item_keyword_id, new.content);
    END
    """,
)

STIM_LINK = """
    CREATE VIEW stim_link AS
    SELECT item.key AS item_key, item.id AS item_id,
           stimulus.key AS stimulus_key, stimulus.id AS stimulus_id
    FROM item
    JOIN item AS stimulus
      ON stimulus.id = item.associated_stimulus_id AND stimulus.classification = 'stim'
"""


def upgrade() -> None:
    """Make everything, and the two job instances."""
    _tables()
    for statement in (*FULL_TEXT, STIM_LINK):
        op.execute(statement)
    instances = sa.table(
        "batch_job_instance",
        sa.column("job_instance_id", sa.Integer),
        sa.column("job_name", sa.Text),
        sa.column("job_key", sa.Text),
    )
    op.bulk_insert(
        instances,
        [
            {"job_instance_id": 1, "job_name": "itemSynchronizationJob", "job_key": NO_PARAMETERS},
            {"job_instance_id": 2, "job_name": "itemMigrationJob", "job_key": NO_PARAMETERS},
        ],
    )


def _tables() -> None:
    op.create_table(
        "batch_job_instance",
        sa.Column(
            "job_instance_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("job_name", sa.Text(), nullable=False),
        sa.Column("job_key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("job_instance_id", name="pk_batch_job_instance"),
        sa.UniqueConstraint("job_name", "job_key", name="uq_batch_job_instance_job_name_job_key"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "ingest_problem",
        sa.Column("bank_key", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("commit_hash", sa.Text(), nullable=True),
        sa.Column("derivation_version", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.DateTime(), nullable=False),
        sa.Column("last_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("bank_key", name="pk_ingest_problem"),
    )
    op.create_table(
        "item",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("item_type", sa.Text(), nullable=False),
        sa.Column("classification", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("grade", sa.Text(), nullable=False),
        sa.Column("dok", sa.Text(), nullable=False),
        sa.Column("primary_claim", sa.Text(), nullable=False),
        sa.Column("primary_target", sa.Text(), nullable=False),
        sa.Column("content_task_model", sa.Text(), nullable=False),
        sa.Column("item_author", sa.Text(), nullable=False),
        sa.Column("workflow_status", sa.Text(), nullable=False),
        sa.Column("workflow_status_set_at", sa.DateTime(), nullable=True),
        sa.Column("operational_at", sa.DateTime(), nullable=True),
        sa.Column("content_changed_after_operational", sa.Boolean(), nullable=False),
        sa.Column("associated_stimulus_id", sa.BigInteger(), nullable=True),
        sa.Column("is_being_created", sa.Boolean(), nullable=False),
        sa.Column("english_content_last_updated_at", sa.DateTime(), nullable=True),
        sa.Column("spanish_content_last_updated_at", sa.DateTime(), nullable=True),
        sa.Column("exposures_count", sa.BigInteger(), nullable=True),
        sa.Column("form_count", sa.BigInteger(), nullable=True),
        sa.Column("item_difficulty_quintile", sa.BigInteger(), nullable=True),
        sa.Column("item_created_by", sa.Text(), nullable=False),
        sa.Column("item_created_at", sa.DateTime(), nullable=True),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=True),
        sa.Column("derivation_version", sa.BigInteger(), nullable=False),
        sa.Column("item_json", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_item"),
        sa.UniqueConstraint("id", name="uq_item_id"),
    )
    op.create_index(
        "ix_item_associated_stimulus_id", "item", ["associated_stimulus_id"], unique=False
    )
    op.create_table(
        "batch_job_execution",
        sa.Column(
            "job_execution_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("job_instance_id", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(), nullable=False),
        sa.Column("start_time", sa.DateTime(), nullable=True),
        sa.Column("end_time", sa.DateTime(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("exit_code", sa.Text(), nullable=False),
        sa.Column("exit_message", sa.Text(), server_default="", nullable=False),
        sa.Column("last_updated", sa.DateTime(), nullable=False),
        sa.Column("owner", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "exit_code IN ('EXECUTING', 'COMPLETED', 'FAILED', 'STOPPED')",
            name="ck_batch_job_execution_exit_code",
        ),
        sa.CheckConstraint(
            f"status IN ({STEP_STATUSES}, 'ABANDONED')",
            name="ck_batch_job_execution_status",
        ),
        sa.ForeignKeyConstraint(
            ["job_instance_id"],
            ["batch_job_instance.job_instance_id"],
            name="fk_batch_job_execution_job_instance_id_batch_job_instance",
        ),
        sa.PrimaryKeyConstraint("job_execution_id", name="pk_batch_job_execution"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_batch_job_execution_instance", "batch_job_execution", ["job_instance_id"], unique=False
    )
    op.create_index(
        "ux_batch_job_execution_running",
        "batch_job_execution",
        ["job_instance_id"],
        unique=True,
        sqlite_where=sa.text("status IN ('STARTING', 'STARTED', 'STOPPING')"),
        postgresql_where=sa.text("status IN ('STARTING', 'STARTED', 'STOPPING')"),
    )
    op.create_table(
        "item_attachment",
        sa.Column(
            "item_attachment_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("item_key", sa.BigInteger(), nullable=False),
        sa.Column("file_type", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("uploaded_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["item_key"], ["item.key"], name="fk_item_attachment_item_key_item", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("item_attachment_id", name="pk_item_attachment"),
        sa.UniqueConstraint(
            "item_key",
            "file_type",
            "file_name",
            name="uq_item_attachment_item_key_file_type_file_name",
        ),
    )
    op.create_table(
        "item_git",
        sa.Column("item_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bank_key", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("branch", sa.Text(), nullable=False),
        sa.Column("current_commit_hash", sa.Text(), nullable=False),
        sa.Column("current_commit_at", sa.DateTime(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["item_key"], ["item.key"], name="fk_item_git_item_key_item", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("item_key", name="pk_item_git"),
        sa.UniqueConstraint("bank_key", name="uq_item_git_bank_key"),
    )
    op.create_table(
        "item_keyword",
        sa.Column(
            "item_keyword_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("item_key", sa.BigInteger(), nullable=False),
        sa.Column("section", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["item_key"], ["item.key"], name="fk_item_keyword_item_key_item", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("item_keyword_id", name="pk_item_keyword"),
    )
    op.create_index("ix_item_keyword_item_key", "item_keyword", ["item_key"], unique=False)
    op.create_table(
        "bank_scan",
        sa.Column(
            "bank_scan_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("job_execution_id", sa.BigInteger(), nullable=False),
        sa.Column("started", sa.DateTime(), nullable=False),
        sa.Column("finished", sa.DateTime(), nullable=True),
        sa.Column("complete", sa.Boolean(), server_default=sa.text("0"), nullable=False),
        sa.Column("seen", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["job_execution_id"],
            ["batch_job_execution.job_execution_id"],
            name="fk_bank_scan_job_execution_id_batch_job_execution",
        ),
        sa.PrimaryKeyConstraint("bank_scan_id", name="pk_bank_scan"),
    )
    op.create_index(
        "ix_bank_scan_job_execution_id", "bank_scan", ["job_execution_id"], unique=False
    )
    op.create_table(
        "batch_job_execution_context",
        sa.Column("job_execution_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("checkpoint", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_execution_id"],
            ["batch_job_execution.job_execution_id"],
            name="fk_batch_job_execution_context_job_execution_id_batch_job_execution",
        ),
        sa.PrimaryKeyConstraint("job_execution_id", name="pk_batch_job_execution_context"),
    )
    op.create_table(
        "batch_job_execution_event",
        sa.Column("event_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("job_execution_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.CheckConstraint(
            f"event IN ({EVENTS})",
            name="ck_batch_job_execution_event_event",
        ),
        sa.ForeignKeyConstraint(
            ["job_execution_id"],
            ["batch_job_execution.job_execution_id"],
            name="fk_batch_job_execution_event_job_execution_id_batch_job_execution",
        ),
        sa.PrimaryKeyConstraint("event_id", name="pk_batch_job_execution_event"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_batch_job_execution_event_job_execution_id",
        "batch_job_execution_event",
        ["job_execution_id"],
        unique=False,
    )
    op.create_table(
        "batch_job_execution_progress",
        sa.Column("job_execution_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.Column("processed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("read", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("updated", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("unchanged", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("deleted", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("failed", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["job_execution_id"],
            ["batch_job_execution.job_execution_id"],
            name="fk_batch_job_execution_progress_job_execution_id_batch_job_execution",
        ),
        sa.PrimaryKeyConstraint("job_execution_id", name="pk_batch_job_execution_progress"),
    )
    op.create_table(
        "batch_step_execution",
        sa.Column(
            "step_execution_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("step_name", sa.Text(), nullable=False),
        sa.Column("job_execution_id", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(), nullable=False),
        sa.Column("start_time", sa.DateTime(), nullable=True),
        sa.Column("end_time", sa.DateTime(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("commit_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("read_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("filter_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("write_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("read_skip_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("write_skip_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("process_skip_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rollback_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("exit_code", sa.Text(), nullable=False),
        sa.Column("exit_message", sa.Text(), server_default="", nullable=False),
        sa.Column("last_updated", sa.DateTime(), nullable=False),
        sa.CheckConstraint(
            f"status IN ({STEP_STATUSES})",
            name="ck_batch_step_execution_status",
        ),
        sa.ForeignKeyConstraint(
            ["job_execution_id"],
            ["batch_job_execution.job_execution_id"],
            name="fk_batch_step_execution_job_execution_id_batch_job_execution",
        ),
        sa.PrimaryKeyConstraint("step_execution_id", name="pk_batch_step_execution"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_batch_step_execution_job_execution_id",
        "batch_step_execution",
        ["job_execution_id"],
        unique=False,
    )
    op.create_table(
        "item_log",
        sa.Column(
            "item_log_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("item_key", sa.BigInteger(), nullable=False),
        sa.Column("commit_hash", sa.Text(), nullable=False),
        sa.Column("committed_at", sa.DateTime(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("job_execution_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["item_key"], ["item.key"], name="fk_item_log_item_key_item", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["job_execution_id"],
            ["batch_job_execution.job_execution_id"],
            name="fk_item_log_job_execution_id_batch_job_execution",
        ),
        sa.PrimaryKeyConstraint("item_log_id", name="pk_item_log"),
    )
    op.create_index("ix_item_log_item_key", "item_log", ["item_key"], unique=False)
    op.create_index("ix_item_log_job_execution_id", "item_log", ["job_execution_id"], unique=False)
