"""Every table, as the newest schema version has it.

``migrations/`` makes them; a test holds the two against each other. The full-text index, its
triggers and the view ``stim_link`` have no form here: they stand in the migration.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeEngine

from ingest.model.columns import ITEM_COLUMNS, ColumnType, ItemColumn
from ingest.model.job import RUNNING, EventName, ExitCode, JobStatus

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in Python, SQLAlchemy's own DateTime text in the database (so text order holds)."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Drop the zone, after converting to UTC."""
        del dialect
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any] | None:
        """Write SQLite's text at once: the general way costs a batch half of its time."""
        if dialect.name != "sqlite":
            return super().bind_processor(dialect)
        return _sqlite_text

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Put the zone back."""
        del dialect
        return None if value is None else value.replace(tzinfo=UTC)


def _sqlite_text(value: datetime | None) -> str | None:
    # Just what SQLAlchemy's DateTime would write: 26 characters, without the zone.
    return None if value is None else value.astimezone(UTC).isoformat(" ", "microseconds")[:26]


def _identity(name: str) -> Column[int]:
    # SQLite counts up by itself only for a column declared exactly INTEGER PRIMARY KEY.
    return Column(name, BigInteger().with_variant(Integer, "sqlite"), primary_key=True)


def _reference(name: str, target: str, *, cascade: bool = False, **options: Any) -> Column[int]:
    rule = "CASCADE" if cascade else None
    return Column(name, BigInteger, ForeignKey(target, ondelete=rule), **options)


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


_STATUSES = ", ".join(f"'{status}'" for status in JobStatus)
_RUNNING = ", ".join(f"'{status}'" for status in JobStatus if status in RUNNING)
_STEP_STATUSES = ", ".join(
    f"'{status}'" for status in JobStatus if status is not JobStatus.ABANDONED
)
_EXIT_CODES = ", ".join(f"'{code}'" for code in ExitCode)
_EVENTS = ", ".join(f"'{event}'" for event in EventName)

job_instance = Table(
    "batch_job_instance",
    metadata,
    _identity("job_instance_id"),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("job_name", Text, nullable=False),
    Column("job_key", Text, nullable=False),
    UniqueConstraint("job_name", "job_key"),
    sqlite_autoincrement=True,
)

job_execution = Table(
    "batch_job_execution",
    metadata,
    _identity("job_execution_id"),
    Column("version", Integer, nullable=False, server_default="0"),
    _reference("job_instance_id", "batch_job_instance.job_instance_id", nullable=False),
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

_EXECUTION = "batch_job_execution.job_execution_id"

step_execution = Table(
    "batch_step_execution",
    metadata,
    _identity("step_execution_id"),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("step_name", Text, nullable=False),
    _reference("job_execution_id", _EXECUTION, nullable=False, index=True),
    Column("create_time", UtcDateTime, nullable=False),
    Column("start_time", UtcDateTime),
    Column("end_time", UtcDateTime),
    Column("status", Text, nullable=False),
    _count("commit_count"),
    _count("read_count"),
    _count("filter_count"),
    _count("write_count"),
    _count("read_skip_count"),
    _count("write_skip_count"),
    _count("process_skip_count"),
    _count("rollback_count"),
    Column("exit_code", Text, nullable=False),
    Column("exit_message", Text, nullable=False, server_default=""),
    Column("last_updated", UtcDateTime, nullable=False),
    CheckConstraint(f"status IN ({_STEP_STATUSES})", name="status"),
    sqlite_autoincrement=True,
)

job_execution_context = Table(
    "batch_job_execution_context",
    metadata,
    _reference("job_execution_id", _EXECUTION, primary_key=True, autoincrement=False),
    Column("checkpoint", Text, nullable=False),
)

#: Not Spring Batch's: what its step counters cannot tell apart.
job_execution_progress = Table(
    "batch_job_execution_progress",
    metadata,
    _reference("job_execution_id", _EXECUTION, primary_key=True, autoincrement=False),
    Column("total", BigInteger),
    _count("processed"),
    _count("read"),
    _count("created"),
    _count("updated"),
    _count("unchanged"),
    _count("deleted"),
    _count("failed"),
)

job_execution_event = Table(
    "batch_job_execution_event",
    metadata,
    _identity("event_id"),
    _reference("job_execution_id", _EXECUTION, nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("event", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("detail", Text),
    CheckConstraint(f"event IN ({_EVENTS})", name="event"),
    sqlite_autoincrement=True,
)

_TYPES: dict[ColumnType, TypeEngine[Any]] = {
    ColumnType.TEXT: Text(),
    ColumnType.INTEGER: BigInteger(),
    ColumnType.BOOLEAN: Boolean(),
    ColumnType.TIMESTAMP: UtcDateTime(),
}


def _item_column(column: ItemColumn) -> Column[Any]:
    return Column(
        column.name, _TYPES[column.type], nullable=column.nullable, unique=column.name == "id"
    )


item = Table(
    "item",
    metadata,
    _identity("key"),
    *(_item_column(column) for column in ITEM_COLUMNS),
    Index("ix_item_associated_stimulus_id", "associated_stimulus_id"),
)

item_git = Table(
    "item_git",
    metadata,
    _reference("item_key", "item.key", cascade=True, primary_key=True, autoincrement=False),
    Column("bank_key", Text, nullable=False, unique=True),
    Column("path", Text, nullable=False),
    Column("branch", Text, nullable=False),
    Column("current_commit_hash", Text, nullable=False),
    Column("current_commit_at", UtcDateTime, nullable=False),
    Column("revision", Text, nullable=False),
)

item_log = Table(
    "item_log",
    metadata,
    _identity("item_log_id"),
    _reference("item_key", "item.key", cascade=True, nullable=False, index=True),
    Column("commit_hash", Text, nullable=False),
    Column("committed_at", UtcDateTime, nullable=False),
    Column("author", Text, nullable=False),
    # NULL where a single item was asked for, outside any execution.
    _reference("job_execution_id", _EXECUTION, index=True),
)

item_attachment = Table(
    "item_attachment",
    metadata,
    _identity("item_attachment_id"),
    _reference("item_key", "item.key", cascade=True, nullable=False),
    Column("file_type", Text, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("uploaded_at", UtcDateTime),
    UniqueConstraint("item_key", "file_type", "file_name"),
)

item_keyword = Table(
    "item_keyword",
    metadata,
    _identity("item_keyword_id"),
    _reference("item_key", "item.key", cascade=True, nullable=False, index=True),
    Column("section", Text, nullable=False),
    Column("content", Text, nullable=False),
)

ingest_problem = Table(
    "ingest_problem",
    metadata,
    Column("bank_key", Text, primary_key=True),
    Column("path", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("message", Text, nullable=False),
    # The revision that was found bad: while the bank still has it, it is not read again.
    Column("commit_hash", Text),
    Column("derivation_version", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
)

bank_scan = Table(
    "bank_scan",
    metadata,
    _identity("bank_scan_id"),
    _reference("job_execution_id", _EXECUTION, nullable=False, index=True),
    Column("started", UtcDateTime, nullable=False),
    Column("finished", UtcDateTime),
    Column("complete", Boolean, nullable=False, server_default=text("0")),
    _count("seen"),
    Column("cursor", Text),
)
