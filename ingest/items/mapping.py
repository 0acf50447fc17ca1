"""From a document and the facts of its history to the row of the item.

The columns and where they come from are listed in `ingest.model.columns`; here is how each type
of column is read, and the figures that more than one field goes into. Total: whatever shape a
field has, the row is made, with the field unset if it makes no sense.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from ingest.items.document import (
    JsonObject,
    as_boolean,
    as_integer,
    as_text,
    as_timestamp,
    id_of,
    lookup,
    objects,
    type_of,
)
from ingest.items.keywords import keywords_of
from ingest.model.columns import ITEM_COLUMNS, ColumnType, ItemColumn
from ingest.model.item import DERIVATION_VERSION, Attachment, HistoryFacts, ItemRow

#: What holds attachments, and their type in the database.
_ATTACHMENT_TYPES = ("asl", "braille", "cc")

(_WORKFLOW_STATUS,) = (column for column in ITEM_COLUMNS if column.name == "workflow_status")

_READ: dict[ColumnType, Callable[[object], Any]] = {
    ColumnType.TEXT: as_text,
    ColumnType.INTEGER: as_integer,
    ColumnType.BOOLEAN: as_boolean,
    ColumnType.TIMESTAMP: as_timestamp,
}
_UNSET: dict[ColumnType, Any] = {
    ColumnType.TEXT: "",
    ColumnType.INTEGER: 0,
    ColumnType.BOOLEAN: False,
    ColumnType.TIMESTAMP: None,
}


def map_row(
    document: JsonObject, facts: HistoryFacts, *, is_being_created: bool, content: bytes
) -> ItemRow:
    """Return the row of a document that was parsed from *content*.

    *facts* gives people and dates; the status itself is the document's.
    """
    item_type = type_of(document)
    values = {column.name: column_value(column, document) for column in ITEM_COLUMNS}
    values |= _administration_figures(document)
    values |= {
        "id": id_of(document),
        "item_type": item_type,
        "classification": "stim" if item_type == "stim" else "item",
        "workflow_status_set_at": facts.workflow_status_set_at,
        "operational_at": facts.operational_at,
        "content_changed_after_operational": _is_any_after(
            facts.operational_at,
            values["english_content_last_updated_at"],
            values["spanish_content_last_updated_at"],
        ),
        "is_being_created": is_being_created,
        "item_created_by": facts.item_created_by,
        "item_created_at": facts.item_created_at,
        "updated_by": facts.updated_by,
        "updated_at": facts.updated_at,
        "derivation_version": DERIVATION_VERSION,
        "item_json": content.decode(),
    }
    return ItemRow(
        id=values["id"],
        values=values,
        keywords=keywords_of(document, item_type),
        attachments=_attachments(document),
    )


def column_value(column: ItemColumn, document: JsonObject) -> Any:
    """Return what a column's paths say; unset where they say nothing, or nothing of its type."""
    for path in column.paths:
        found = lookup(document, path)
        if as_text(found):
            value = _READ[column.type](found)
            if value is not None:
                return value
            break
    return None if column.nullable else _UNSET[column.type]


def workflow_status(document: JsonObject) -> str:
    """Return the status code, exactly as the column of that name will have it."""
    return str(column_value(_WORKFLOW_STATUS, document))


def _administration_figures(document: JsonObject) -> dict[str, int | None]:
    """Return the exposures, forms and difficulty; all None for an item that was never given."""
    administrations = objects(lookup(document, "core.testAdministration.administrations"))
    if not administrations:
        return {"exposures_count": None, "form_count": None, "item_difficulty_quintile": None}
    forms = [form for each in administrations for form in objects(each.get("forms"))]
    field_test = as_text(lookup(document, "core.testAdministration.fieldTestAdministrationId"))
    quintiles = (
        as_integer(lookup(each, "fieldTestData.itemDifficultyQuintile"))
        for each in administrations
        if field_test and as_text(each.get("administrationId")) == field_test
    )
    return {
        "exposures_count": as_integer(
            sum(as_integer(form.get("exposures")) or 0 for form in forms)
        ),
        "form_count": len(forms),
        "item_difficulty_quintile": next(quintiles, None),
    }


def _is_any_after(moment: datetime | None, *others: datetime | None) -> bool:
    return moment is not None and any(other is not None and moment < other for other in others)


def _attachments(document: JsonObject) -> tuple[Attachment, ...]:
    found: dict[tuple[str, str], Attachment] = {}
    for file_type in _ATTACHMENT_TYPES:
        for entry in objects(lookup(document, f"{file_type}.attachments")):
            name = as_text(entry.get("fileName"))
            if name:
                uploaded_at = as_timestamp(entry.get("uploadedDate"))
                found.setdefault((file_type, name), Attachment(file_type, name, uploaded_at))
    return tuple(found.values())
