"""Every table, as the newest schema version has it; those of the items stand in `item_tables`.

``migrations/`` makes them; a test holds the two against each other. The full-text index, its
triggers and the view ``stim_link`` have no form here: they stand in the migration.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from ingest.model.job import RUNNING, EventName, ExitCode, JobStatus
from ingest.model.plan import PlannedChange
from ingest.storage.item_tables import (
    item,
    item_assignment,
    item_attachment,
    item_content_update_need,
    item_form,
    item_git,
    item_keyword,
    item_log,
)
from ingest.storage.table_parts import EXECUTION, UtcDateTime, count, identity, metadata, reference

__all__ = [
    "UtcDateTime",
    "access_token",
    "bank_scan",
    "ingest_problem",
    "item",
    "item_assignment",
    "item_attachment",
    "item_content_update_need",
    "item_form",
    "item_git",
    "item_keyword",
    "item_log",
    "job_execution",
    "job_execution_context",
    "job_execution_event",
    "job_execution_params",
    "job_execution_progress",
    "job_instance",
    "metadata",
    "pending_push",
    "planned_change",
    "step_execution",
    "withheld_deletion",
]

_STATUSES = ", ".join(f"'{status}'" for status in JobStatus)
_RUNNING = ", ".join(f"'{status}'" for status in JobStatus if status in RUNNING)
_STEP_STATUSES = ", ".join(
    f"'{status}'" for status in JobStatus if status is not JobStatus.ABANDONED
)
_EXIT_CODES = ", ".join(f"'{code}'" for code in ExitCode)
_CHANGES = ", ".join(f"'{change}'" for change in PlannedChange)
_EVENTS = ", ".join(f"'{event}'" for event in EventName)

job_instance = Table(
    "batch_job_instance",
    metadata,
    identity("job_instance_id"),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("job_name", Text, nullable=False),
    Column("job_key", Text, nullable=False),
    UniqueConstraint("job_name", "job_key"),
    sqlite_autoincrement=True,
)

job_execution = Table(
    "batch_job_execution",
    metadata,
    identity("job_execution_id"),
    Column("version", Integer, nullable=False, server_default="0"),
    reference("job_instance_id", "batch_job_instance.job_instance_id", nullable=False),
    Column("create_time", UtcDateTime, nullable=False),
    Column("start_time", UtcDateTime),
    Column("end_time", UtcDateTime),
    Column("status", Text, nullable=False),
    Column("exit_code", Text, nullable=False),
    Column("exit_message", Text, nullable=False, server_default=""),
    Column("last_updated", UtcDateTime, nullable=False),
    # Who may write for this execution; empty when nobody may any more.
    Column("owner", Text, nullable=False, server_default=""),
    CheckConstraint(f"status IN ({_STATUSES})", name="status"),
    CheckConstraint(f"exit_code IN ({_EXIT_CODES})", name="exit_code"),
    sqlite_autoincrement=True,
)
#: The database itself refuses a second running execution of an instance.
Index(
    "ux_batch_job_execution_running",
    job_execution.c.job_instance_id,
    unique=True,
    sqlite_where=text(f"status IN ({_RUNNING})"),
    postgresql_where=text(f"status IN ({_RUNNING})"),
)
Index("ix_batch_job_execution_instance", job_execution.c.job_instance_id)

step_execution = Table(
    "batch_step_execution",
    metadata,
    identity("step_execution_id"),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("step_name", Text, nullable=False),
    reference("job_execution_id", EXECUTION, nullable=False, index=True),
    Column("create_time", UtcDateTime, nullable=False),
    Column("start_time", UtcDateTime),
    Column("end_time", UtcDateTime),
    Column("status", Text, nullable=False),
    count("commit_count"),
    count("read_count"),
    count("filter_count"),
    count("write_count"),
    count("read_skip_count"),
    count("write_skip_count"),
    count("process_skip_count"),
    count("rollback_count"),
    Column("exit_code", Text, nullable=False),
    Column("exit_message", Text, nullable=False, server_default=""),
    Column("last_updated", UtcDateTime, nullable=False),
    CheckConstraint(f"status IN ({_STEP_STATUSES})", name="status"),
    sqlite_autoincrement=True,
)

job_execution_context = Table(
    "batch_job_execution_context",
    metadata,
    reference("job_execution_id", EXECUTION, primary_key=True, autoincrement=False),
    Column("checkpoint", Text, nullable=False),
)

#: Not Spring Batch's: what its step counters cannot tell apart.
job_execution_progress = Table(
    "batch_job_execution_progress",
    metadata,
    reference("job_execution_id", EXECUTION, primary_key=True, autoincrement=False),
    Column("total", BigInteger),
    count("processed"),
    count("read"),
    count("created"),
    count("updated"),
    count("unchanged"),
    count("deleted"),
    count("failed"),
    # What the execution has asked of a bank behind a network.
    count("requests"),
    count("requests_retried"),
    count("requests_waited_ms"),
)

job_execution_event = Table(
    "batch_job_execution_event",
    metadata,
    identity("event_id"),
    reference("job_execution_id", EXECUTION, nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("event", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("detail", Text),
    # Of an ask to stop: a `StopReason`, by its name.
    Column("why", Text),
    CheckConstraint(f"event IN ({_EVENTS})", name="event"),
    sqlite_autoincrement=True,
)

job_execution_params = Table(
    "batch_job_execution_params",
    metadata,
    reference("job_execution_id", EXECUTION, primary_key=True, autoincrement=False),
    Column("parameter_name", Text, primary_key=True),
    Column("parameter_type", Text, nullable=False),
    Column("parameter_value", Text, nullable=False),
    # As Spring Batch has it: N, for none of them makes another job instance.
    Column("identifying", Text, nullable=False, server_default="N"),
)

planned_change = Table(
    "planned_change",
    metadata,
    reference("job_execution_id", EXECUTION, primary_key=True, autoincrement=False),
    Column("item_id", BigInteger, primary_key=True, autoincrement=False),
    Column("change", Text, nullable=False),
    CheckConstraint(f"change IN ({_CHANGES})", name="change"),
)

withheld_deletion = Table(
    "withheld_deletion",
    metadata,
    reference("job_execution_id", EXECUTION, primary_key=True, autoincrement=False),
    Column("missing", BigInteger, nullable=False),
    Column("stored", BigInteger, nullable=False),
    Column("allowed", BigInteger, nullable=False),
    # The execution that passed the guard later, or hit it again; NULL until then.
    reference("settled_by", EXECUTION, nullable=True),
)

ingest_problem = Table(
    "ingest_problem",
    metadata,
    Column("bank_key", Text, primary_key=True),
    Column("path", Text, nullable=False),
    Column("kind", Text, nullable=False, index=True),
    Column("message", Text, nullable=False),
    # The revision that was found bad: while the bank still has it, it is not read again.
    Column("commit_hash", Text),
    Column("derivation_version", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
)

#: Items that the bank says were pushed to, and that are still to be brought in step.
pending_push = Table(
    "pending_push",
    metadata,
    Column("bank_key", Text, primary_key=True),
    Column("bank_id", BigInteger),
    Column("first_at", UtcDateTime, nullable=False, index=True),
    Column("last_at", UtcDateTime, nullable=False),
    # How many pushes are folded into this one, and what became of trying so far.
    count("pushes"),
    count("attempts"),
    Column("last_error", Text, nullable=False, server_default=""),
)

bank_scan = Table(
    "bank_scan",
    metadata,
    identity("bank_scan_id"),
    reference("job_execution_id", EXECUTION, nullable=False, index=True),
    Column("started", UtcDateTime, nullable=False),
    Column("finished", UtcDateTime),
    Column("complete", Boolean, nullable=False, server_default=text("0")),
    count("seen"),
    Column("cursor", Text),
)

#: The tokens that callers show. What they show is not here: only its hash.
access_token = Table(
    "access_token",
    metadata,
    Column("name", Text, primary_key=True),
    Column("hash", Text, nullable=False, unique=True),
    # By their names, with spaces between them.
    Column("scopes", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
)
