"""The tables that hold the items; see `ingest.storage.tables`."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Index, Table, Text, UniqueConstraint, text
from sqlalchemy.types import TypeEngine

from ingest.model.columns import ITEM_COLUMNS, ColumnType, ItemColumn
from ingest.storage.table_parts import EXECUTION, UtcDateTime, identity, metadata, reference

_TYPES: dict[ColumnType, TypeEngine[Any]] = {
    ColumnType.TEXT: Text(),
    ColumnType.INTEGER: BigInteger(),
    ColumnType.BOOLEAN: Boolean(),
    ColumnType.TIMESTAMP: UtcDateTime(),
}


#: Columns of the first version. Every later one has a default for the rows that were there before
#: it: SQLite adds no other to a table without copying it, documents and all.
_WITHOUT_DEFAULT = frozenset(
    [
        *("id", "item_type", "classification", "subject", "grade", "dok", "primary_claim"),
        *("primary_target", "content_task_model", "item_author", "workflow_status"),
        *("content_changed_after_operational", "is_being_created", "item_created_by"),
        *("updated_by", "derivation_version", "item_json"),
    ]
)
_DEFAULTS: dict[ColumnType, Any] = {
    ColumnType.TEXT: "",
    ColumnType.INTEGER: "0",
    ColumnType.BOOLEAN: text("0"),
}


def _item_column(column: ItemColumn) -> Column[Any]:
    has_default = not column.nullable and column.name not in _WITHOUT_DEFAULT
    return Column(
        column.name,
        _TYPES[column.type],
        nullable=column.nullable,
        unique=column.name == "id",
        server_default=_DEFAULTS[column.type] if has_default else None,
    )


item = Table(
    "item",
    metadata,
    identity("key"),
    *(_item_column(column) for column in ITEM_COLUMNS),
    Index("ix_item_associated_stimulus_id", "associated_stimulus_id"),
)

item_git = Table(
    "item_git",
    metadata,
    reference("item_key", "item.key", cascade=True, primary_key=True, autoincrement=False),
    Column("bank_key", Text, nullable=False, unique=True),
    Column("path", Text, nullable=False),
    Column("branch", Text, nullable=False),
    Column("current_commit_hash", Text, nullable=False),
    Column("current_commit_at", UtcDateTime, nullable=False),
    Column("revision", Text, nullable=False),
    # The bank's own number of it, which no rename changes; NULL where it has only the name.
    Column("bank_id", BigInteger),
    # When the bank was last known to tell of its pushes; NULL where nobody has seen to that.
    Column("monitored_at", UtcDateTime),
)

item_log = Table(
    "item_log",
    metadata,
    identity("item_log_id"),
    reference("item_key", "item.key", cascade=True, nullable=False, index=True),
    Column("commit_hash", Text, nullable=False),
    Column("committed_at", UtcDateTime, nullable=False),
    Column("author", Text, nullable=False),
    # NULL where a single item was asked for, outside any execution, or where that is forgotten.
    reference("job_execution_id", EXECUTION, index=True),
)

item_attachment = Table(
    "item_attachment",
    metadata,
    identity("item_attachment_id"),
    reference("item_key", "item.key", cascade=True, nullable=False),
    Column("file_type", Text, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("uploaded_at", UtcDateTime),
    UniqueConstraint("item_key", "file_type", "file_name"),
)

item_form = Table(
    "item_form",
    metadata,
    identity("item_form_id"),
    reference("item_key", "item.key", cascade=True, nullable=False, index=True),
    Column("administration_id", Text, nullable=False),
    Column("form_id", Text, nullable=False),
    Column("form_type", Text, nullable=False),
    Column("assessment_type", Text, nullable=False),
    Column("exposures", BigInteger),
)

item_content_update_need = Table(
    "item_content_update_need",
    metadata,
    identity("item_content_update_need_id"),
    reference("item_key", "item.key", cascade=True, nullable=False, index=True),
    Column("content_update_need_create_date", UtcDateTime),
    Column("notes", Text, nullable=False),
    Column("resolution", Text, nullable=False),
    Column("resolution_date", UtcDateTime),
    Column("resolution_notes", Text, nullable=False),
    Column("internal_resolution", Text, nullable=False),
    Column("internal_resolution_date", UtcDateTime),
)

item_assignment = Table(
    "item_assignment",
    metadata,
    identity("item_assignment_id"),
    reference("item_key", "item.key", cascade=True, nullable=False, index=True),
    Column("assigned_to", Text, nullable=False),
    Column("assigned_by", Text, nullable=False),
    Column("assigned_date", UtcDateTime),
)

item_keyword = Table(
    "item_keyword",
    metadata,
    identity("item_keyword_id"),
    reference("item_key", "item.key", cascade=True, nullable=False, index=True),
    Column("section", Text, nullable=False),
    Column("content", Text, nullable=False),
)
