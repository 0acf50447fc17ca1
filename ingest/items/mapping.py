"""From a document and the facts of its history to the row of the item.

The columns and where they come from are listed in `ingest.model.columns`; here is how each type
of column is read, and the figures that more than one field goes into. Total: whatever shape a
field has, the row is made, with the field unset if it makes no sense.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from ingest.items.document import (
    JsonObject,
    as_boolean,
    as_integer,
    as_text,
    as_timestamp,
    english_of,
    id_of,
    lookup,
    objects,
    type_of,
    walk,
)
from ingest.items.keywords import keywords_of
from ingest.items.lists import (
    assignments_of,
    attachments_of,
    content_update_needs_of,
    forms_of,
)
from ingest.model.columns import ITEM_COLUMNS, ColumnType, ItemColumn
from ingest.model.item import (
    DERIVATION_VERSION,
    Assignment,
    ContentUpdateNeed,
    Form,
    HistoryFacts,
    ItemRow,
)

#: Earlier than any date that a document can have, or equal to it.
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)

_READ: dict[ColumnType, Callable[[object], Any]] = {
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


def reader(column: ItemColumn) -> Callable[[JsonObject], Any]:
    """Return what reads a column from a document.

    It is unset where its paths say nothing, or nothing of its type.
    """
    unset = None if column.nullable else _UNSET[column.type]
    paths = [tuple(path.split(".")) for path in column.paths]
    convert = None if column.type is ColumnType.TEXT else _READ[column.type]

    def read(document: JsonObject) -> Any:
        for steps in paths:
            found = walk(document, steps)
            text = as_text(found)
            if text:
                value = text if convert is None else convert(found)
                return unset if value is None else value
        return unset

    return read


_READERS = {column.name: reader(column) for column in ITEM_COLUMNS}


def map_row(
    document: JsonObject, facts: HistoryFacts, *, is_being_created: bool, content: bytes
) -> ItemRow:
    """Return the row of a document that was parsed from *content*.

    *facts* gives people and dates; the status itself is the document's.
    """
    item_type = type_of(document)
    values = {name: read(document) for name, read in _READERS.items()}
    forms = forms_of(document)
    needs = content_update_needs_of(document)
    assignments = assignments_of(document)
    values |= _figures(document, item_type, forms) | _current_need(needs)
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
        "assigned_to": _assigned_to(assignments),
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
        attachments=attachments_of(document),
        forms=forms,
        content_update_needs=needs,
        assignments=assignments,
    )


def workflow_status(document: JsonObject) -> str:
    """Return the status code, exactly as the column of that name will have it."""
    return str(_READERS["workflow_status"](document))


def _figures(document: JsonObject, item_type: str, forms: Sequence[Form]) -> dict[str, int | None]:
    """Return what is counted; exposures, forms and difficulty are None if it was never given."""
    english, spanish = english_of(document), lookup(document, "translations.esp")
    is_stimulus = item_type == "stim"
    figures: dict[str, int | None] = {
        f"{name}_passages_count": len(objects(lookup(content, "passages"))) if is_stimulus else 0
        for name, content in (("english", english), ("spanish", spanish))
    }
    administrations = objects(lookup(document, "core.testAdministration.administrations"))
    if not administrations:
        return figures | dict.fromkeys(
            ("exposures_count", "form_count", "item_difficulty_quintile"), None
        )
    field_test = as_text(lookup(document, "core.testAdministration.fieldTestAdministrationId"))
    quintiles = (
        as_integer(lookup(each, "fieldTestData.itemDifficultyQuintile"))
        for each in administrations
        if field_test and as_text(each.get("administrationId")) == field_test
    )
    return figures | {
        "exposures_count": as_integer(sum(form.exposures or 0 for form in forms)),
        "form_count": len(forms),
        "item_difficulty_quintile": next(quintiles, None),
    }


def _current_need(needs: Sequence[ContentUpdateNeed]) -> dict[str, Any]:
    """Return what the newest need says, and whether any is unresolved.

    Of needs of the same date the last in the list is the newest; one without a date is the oldest.
    """
    if not needs:
        return {"unresolved_update_need": False}
    dated = (
        (need.content_update_need_create_date or _BEFORE_ALL, index)
        for index, need in enumerate(needs)
    )
    newest = needs[max(dated)[1]]
    return {
        "unresolved_update_need": not all(need.resolution for need in needs),
        "current_update_need_create_date": newest.content_update_need_create_date,
        "current_update_need_internal_resolution": newest.internal_resolution,
        "current_update_need_internal_resolution_date": newest.internal_resolution_date,
        "current_update_need_resolution": newest.resolution,
        "current_update_need_resolution_date": newest.resolution_date,
    }


def _assigned_to(assignments: Sequence[Assignment]) -> str:
    names = (one.assigned_to for one in assignments if one.assigned_to)
    return ", ".join(sorted(names, key=lambda name: (name.casefold(), name)))


def _is_any_after(moment: datetime | None, *others: datetime | None) -> bool:
    return moment is not None and any(other is not None and moment < other for other in others)
