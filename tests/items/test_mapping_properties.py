"""What holds of the row of any document whatever, of all types and with fields of any shape."""

from datetime import UTC, datetime
from typing import Any

import orjson
from attrs import AttrsInstance, asdict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.items.document import DocumentError, parse
from ingest.items.mapping import map_row
from ingest.model.columns import ITEM_COLUMNS, ColumnType
from ingest.model.item import ITEM_TYPES, HistoryFacts, ItemRow
from tests.support.documents import ANY_JSON, CONTENT, item_document

#: Facts with a date, so that the dates of the content are compared with it.
FACTS = HistoryFacts(operational_at=datetime(2021, 2, 1, tzinfo=UTC))

#: Every path that anything reads, containers and contents.
PATHS = sorted(
    {path for column in ITEM_COLUMNS for path in column.paths}
    | {"core", "core.en", "core.metadata", "translations", "translations.esp", "workflow"}
    | {"core.testAdministration", "core.testAdministration.administrations"}
    | {"core.testAdministration.fieldTestAdministrationId"}
    | {f"{kind}{rest}" for kind in ("asl", "braille", "cc") for rest in ("", ".attachments")}
    | {"assignments", "core.contentUpdateNeeds", "core.passages", "translations.esp.passages"}
    | {f"core.en.{field}" for content in CONTENT.values() for field in content}
    | {"core.en.table.columns", "core.en.table.rows", "core.en.htqOrderable.orderableStrings"}
)
FIELDS = st.sampled_from(
    [
        *("administrationId", "exposures", "fieldTestData", "forms", "itemDifficultyQuintile"),
        *("cells", "fileName", "label", "leftLabel", "rightLabel", "rows", "text", "type"),
        *("uploadedDate", "value", "assignedTo", "assignedDate", "createDate", "resolution"),
    ]
)
#: Any value, at times in the shape of what belongs there.
SHAPES = ANY_JSON | st.recursive(
    st.sampled_from(["label", "a", "7", "2021-01-01T00:00:00Z", "<p>x</p>", "x\0"]) | ANY_JSON,
    lambda children: st.lists(st.dictionaries(FIELDS, children, max_size=3), max_size=3),
    max_leaves=6,
)
DOCUMENTS = st.builds(
    lambda item_type, changes: item_document(
        7,
        item_type,
        # The deepest first, so that a container's change replaces what is in it.
        **dict(sorted(changes.items(), key=lambda change: -change[0].count("."))),
    ),
    st.sampled_from(sorted(ITEM_TYPES)),
    st.dictionaries(st.sampled_from(PATHS), SHAPES, max_size=6),
)
TYPES = {
    ColumnType.TEXT: str,
    ColumnType.INTEGER: int,
    ColumnType.BOOLEAN: bool,
    ColumnType.TIMESTAMP: datetime,
}


def assert_storable(row: ItemRow) -> None:
    """Check that every value fits its column on any database."""
    for column in ITEM_COLUMNS:
        value = row.values[column.name]
        assert (value is None and column.nullable) or type(value) is TYPES[column.type], column.name
        if isinstance(value, int):
            assert -(2**63) <= value < 2**63
        if isinstance(value, datetime):
            assert value.tzinfo is UTC
    texts = [value for value in row.values.values() if isinstance(value, str)]
    texts += [text for keyword in row.keywords for text in (keyword.section, keyword.content)]
    entries: list[AttrsInstance] = [*row.attachments, *row.forms]
    entries += [*row.content_update_needs, *row.assignments]
    for entry in entries:
        for name, value in asdict(entry).items():
            assert type(value) in {str, int, datetime, type(None)}, name
            texts += [value] if isinstance(value, str) else []
            assert not isinstance(value, int) or -(2**63) <= value < 2**63
            assert not isinstance(value, datetime) or value.tzinfo is UTC
    for text in texts:
        text.encode()
        assert "\0" not in text
    assert len(set(row.keywords)) == len(row.keywords)
    names = {(attachment.file_type, attachment.file_name) for attachment in row.attachments}
    assert len(names) == len(row.attachments)


# A machine that is busy with something else is no fault of the documents.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@PATIENT
@given(DOCUMENTS)
def test_any_shape_of_any_field_maps_to_a_storable_row(document: dict[str, Any]) -> None:
    """The mapping is total, and the same document gives the same row."""
    content = orjson.dumps(document)
    rows = [
        map_row(parse("7", content), FACTS, is_being_created=True, content=content)
        for _ in range(2)
    ]
    assert rows[0] == rows[1]
    assert_storable(rows[0])
    assert rows[0].values["item_json"].encode() == content


#: The parts of a document that anything reads.
PARTS = ["id", "type", "core", "workflow", "asl", "glossary", "translations", "assignments"]


@PATIENT
@given(
    ANY_JSON
    | st.dictionaries(st.sampled_from(PARTS), SHAPES)
    | st.builds(
        lambda item_type, parts: parts | {"id": "7", "type": item_type},
        st.sampled_from(sorted(ITEM_TYPES)),
        st.dictionaries(st.sampled_from(PARTS), SHAPES),
    )
)
def test_any_json_maps_or_is_a_problem(document: Any) -> None:
    """Whatever parsing lets through can be mapped."""
    content = orjson.dumps(document)
    try:
        parsed = parse("7", content)
    except DocumentError:
        return
    assert_storable(map_row(parsed, FACTS, is_being_created=False, content=content))
