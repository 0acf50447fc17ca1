"""The item table, a line a column: its name, its type, and where in item.json it comes from.

Adding a column is adding a line here, a version of the schema, and running the migration job.
The table, the mapping and the API all read this list.
"""

from enum import StrEnum

from attrs import frozen


class ColumnType(StrEnum):
    """What a column holds, on every database."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"  #: aware and in UTC in Python


@frozen(kw_only=True)
class ItemColumn:
    """One column of the item table."""

    name: str
    type: ColumnType
    #: Paths into the document, newest name first: the first that is not blank counts. A column
    #: without paths is computed, from the document's structure or from the item's history.
    paths: tuple[str, ...] = ()
    #: Whether "unset" is NULL; otherwise it is the empty text, zero or false.
    nullable: bool = False


def _text(name: str, *paths: str) -> ItemColumn:
    return ItemColumn(name=name, type=ColumnType.TEXT, paths=paths)


def _metadata(name: str, *fields: str) -> ItemColumn:
    return _text(name, *(f"core.metadata.{field}" for field in fields))


def _integer(name: str, *paths: str, nullable: bool = False) -> ItemColumn:
    return ItemColumn(name=name, type=ColumnType.INTEGER, paths=paths, nullable=nullable)


def _boolean(name: str) -> ItemColumn:
    return ItemColumn(name=name, type=ColumnType.BOOLEAN)


def _timestamp(name: str, *paths: str) -> ItemColumn:
    return ItemColumn(name=name, type=ColumnType.TIMESTAMP, paths=paths, nullable=True)


ITEM_COLUMNS: tuple[ItemColumn, ...] = (
    _integer("id"),
    _text("item_type"),
    _text("classification"),
    _metadata("subject", "subject"),
    _metadata("grade", "intendedGrade", "grade"),
    _metadata("dok", "depthOfKnowledge"),
    _metadata("primary_claim", "primaryClaim"),
    _metadata("primary_target", "primaryTarget", "primaryAssessmentTarget"),
    _metadata("content_task_model", "contentTaskModel"),
    _metadata("item_author", "itemAuthor"),
    _text("workflow_status", "workflow.workflowStatusCode"),
    _timestamp("workflow_status_set_at"),
    _timestamp("operational_at"),
    _boolean("content_changed_after_operational"),
    _integer("associated_stimulus_id", "core.stimulusId", nullable=True),
    _boolean("is_being_created"),
    _timestamp("english_content_last_updated_at", "core.en.updatedDate"),
    _timestamp("spanish_content_last_updated_at", "translations.esp.updatedDate"),
    _integer("exposures_count", nullable=True),
    _integer("form_count", nullable=True),
    _integer("item_difficulty_quintile", nullable=True),
    _text("item_created_by"),
    _timestamp("item_created_at"),
    _text("updated_by"),
    _timestamp("updated_at"),
    _integer("derivation_version"),
    _text("item_json"),
)
