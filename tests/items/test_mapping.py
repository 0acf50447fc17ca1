"""The row that a document becomes, column by column, whatever its fields hold."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from attrs import evolve

from ingest.items.document import parse
from ingest.items.mapping import map_row, reader, workflow_status
from ingest.model.columns import ITEM_COLUMNS, ColumnType, ItemColumn
from ingest.model.item import DERIVATION_VERSION, ITEM_TYPES, Attachment, HistoryFacts, ItemRow
from tests.support.documents import ABSENT, item_document

JANUARY, FEBRUARY, MARCH = (datetime(2021, month, 1, tzinfo=UTC) for month in (1, 2, 3))

FACTS = HistoryFacts(
    workflow_status="Draft",
    workflow_status_set_at=FEBRUARY,
    operational_at=None,
    item_created_by="Ada",
    item_created_at=JANUARY,
    updated_by="Grace",
    updated_at=MARCH,
)


def row_of(item_type: str = "mc", facts: HistoryFacts = FACTS, **changes: Any) -> ItemRow:
    """Return the row of a document with these changes."""
    content = orjson.dumps(item_document(7, item_type, **changes))
    return map_row(parse("7", content), facts, is_being_created=False, content=content)


def unset_of(column: ItemColumn) -> Any:
    """Return what a column holds where the document says nothing."""
    return None if column.nullable else {"text": "", "integer": 0, "boolean": False}[column.type]


def test_a_row_has_every_column() -> None:
    """Each column of the table has its value, and there is none besides."""
    content = orjson.dumps(
        item_document(7, **{"core.stimulusId": "12"}), option=orjson.OPT_INDENT_2
    )
    row = map_row(parse("7", content), FACTS, is_being_created=True, content=content)
    assert row.id == 7
    told = {
        "id": 7,
        "item_type": "mc",
        "classification": "item",
        "subject": "ELA",
        "grade": "7",
        "dok": "2",
        "workflow_status": "Draft",
        "workflow_status_set_at": FEBRUARY,
        "associated_stimulus_id": 12,
        "is_being_created": True,
        "translation_required": "undetermined",
        "item_created_by": "Ada",
        "item_created_at": JANUARY,
        "updated_by": "Grace",
        "updated_at": MARCH,
        "derivation_version": DERIVATION_VERSION,
        "item_json": content.decode(),
    }
    unset = {column.name: unset_of(column) for column in ITEM_COLUMNS}
    nulls = dict.fromkeys(("exposures_count", "form_count", "item_difficulty_quintile"))
    assert row.values == unset | nulls | told
    assert list(row.values) == [column.name for column in ITEM_COLUMNS]


@pytest.mark.parametrize(
    ("metadata", "grade"),
    [
        ({"intendedGrade": "3", "grade": "4"}, "3"),
        ({"intendedGrade": " ", "grade": "4"}, "4"),
        ({"intendedGrade": None, "grade": 4}, "4"),
        ({"intendedGrade": ["3"], "grade": "4"}, "4"),
        ({"grade": "4"}, "4"),
        ({}, ""),
        (None, ""),
        (ABSENT, ""),
    ],
)
def test_an_old_name_counts_where_the_new_one_is_blank(metadata: Any, grade: str) -> None:
    """Of the names a field has had, the newest with something in it is read."""
    assert row_of(**{"core.metadata": metadata}).values["grade"] == grade


@pytest.mark.parametrize("item_type", sorted(ITEM_TYPES))
def test_only_stimuli_are_classified_as_such(item_type: str) -> None:
    """Everything that is no stimulus is an item, tutorials too."""
    row = row_of(item_type, type=f" {item_type}")
    assert row.values["item_type"] == item_type
    assert row.values["classification"] == ("stim" if item_type == "stim" else "item")


def test_what_the_server_says_of_an_item_is_not_what_it_is() -> None:
    """The copies of type, id and version that servers keep in a document may be out of date."""
    copies = {"id": "99", "type": "stim", "version": "", "primaryEnhancedId": "M.G3.C2.TC"}
    row = row_of(serverManaged=copies)
    assert (row.id, row.values["item_type"], row.values["classification"]) == (7, "mc", "item")
    assert row.values["primary_enhanced_id"] == "M.G3.C2.TC"


@pytest.mark.parametrize(
    ("value", "stimulus"),
    [
        (5, 5),
        ("5", 5),
        (" 5 ", 5),
        ("", None),
        (None, None),
        ("x", None),
        (2**63, None),
        ([5], None),
    ],
)
def test_a_stimulus_is_named_by_a_number(value: Any, stimulus: int | None) -> None:
    """The link to the stimulus is its id, or null."""
    assert row_of(**{"core.stimulusId": value}).values["associated_stimulus_id"] == stimulus


def figures(test_administration: Any) -> tuple[Any, Any, Any]:
    """Return exposures, forms and difficulty."""
    values = row_of(**{"core.testAdministration": test_administration}).values
    return values["exposures_count"], values["form_count"], values["item_difficulty_quintile"]


def administration(name: object, quintile: object, *exposures: object) -> dict[str, Any]:
    """Return an administration with a form for each number of exposures."""
    return {
        "administrationId": name,
        "fieldTestData": {"itemDifficultyQuintile": quintile},
        "forms": [{"exposures": number} for number in exposures],
    }


@pytest.mark.parametrize("value", [ABSENT, None, {}, "x", {"administrations": []}])
def test_an_item_that_was_never_given_has_no_figures(value: object) -> None:
    """Without administrations the three figures are null, not zero."""
    assert figures(value) == (None, None, None)


def test_exposures_and_forms_are_those_of_all_administrations() -> None:
    """The sum goes over every form, and one that is no number adds nothing."""
    administrations = [administration("a", "2", 100, "200"), administration("b", "5", 1, None, "x")]
    given = {"fieldTestAdministrationId": "b", "administrations": administrations}
    assert figures(given) == (301, 5, 5)


@pytest.mark.parametrize(
    ("field_test", "quintile"),
    [("a", 2), ("b", None), ("c", None), ("", None), (None, None), (9, 3), ("9", 3)],
)
def test_the_difficulty_is_that_of_the_field_test(field_test: object, quintile: int | None) -> None:
    """Only the administration that was the field test tells it, and only as a number."""
    administrations = [
        *(administration("a", "2"), administration("b", "hard"), administration(9, 3)),
        *(administration("", 4), administration("a", 5)),
    ]
    given = {"fieldTestAdministrationId": field_test, "administrations": administrations}
    assert figures(given) == (0, 0, quintile)


def test_a_sum_beyond_64_bits_is_null() -> None:
    """What no column can hold is not written."""
    given = {"administrations": [administration("a", "1", 2**63 - 1, 1)]}
    assert figures(given) == (None, 2, None)


@pytest.mark.parametrize(
    ("operational_at", "english", "spanish", "changed"),
    [
        (FEBRUARY, "2021-03-01", "", True),
        (FEBRUARY, "", "2021-03-01", True),
        (FEBRUARY, "2021-01-01", "2021-03-01", True),
        (FEBRUARY, "2021-01-01", "2021-01-01", False),
        (FEBRUARY, "2021-02-01T00:00:00Z", None, False),
        (FEBRUARY, None, None, False),
        (None, "2021-03-01", "2021-03-01", False),
    ],
)
def test_content_changes_count_from_operational_on(
    operational_at: datetime | None, english: Any, spanish: Any, changed: object
) -> None:
    """Either language's content, if it is newer than the item's being operational, tells."""
    values = row_of(
        facts=HistoryFacts(operational_at=operational_at),
        **{"core.en.updatedDate": english, "translations.esp.updatedDate": spanish},
    ).values
    assert values["content_changed_after_operational"] is changed


def test_the_status_is_read_as_the_column_has_it() -> None:
    """Folding a history compares exactly what is stored."""
    for code in ("Draft", " Operational", "", None, 5, ["x"], ABSENT):
        change: dict[str, Any] = {"workflow.workflowStatusCode": code}
        expected = row_of(**change).values["workflow_status"]
        assert workflow_status(item_document(7, **change)) == expected


def test_the_first_of_duplicate_attachments_wins() -> None:
    """A file is one row a kind, dated as where it is first named."""
    entries = [
        *({"fileName": "a", "uploadedDate": "2021-01-01"}, {"fileName": "a", "uploadedDate": "x"}),
        *({"fileName": "b", "uploadedDate": ""}, {"fileName": " "}, {}, None, "c"),
    ]
    changes: dict[str, Any] = {
        "asl.attachments": entries,
        "braille": None,
        "cc.attachments": entries[1:2],
    }
    assert row_of(**changes).attachments == (
        Attachment("asl", "a", JANUARY),
        Attachment("asl", "b", None),
        Attachment("cc", "a", None),
    )


@pytest.mark.parametrize(
    ("kind", "value", "read", "unset"),
    [
        (ColumnType.TEXT, 5, "5", ""),
        (ColumnType.INTEGER, "5", 5, 0),
        (ColumnType.BOOLEAN, "Yes", True, False),
        (ColumnType.TIMESTAMP, "2021-01-01", JANUARY, None),
    ],
)
def test_a_line_in_the_list_makes_a_column_of_any_type(
    kind: ColumnType, value: object, read: object, unset: object
) -> None:
    """Adding a column takes no code, and unset is null only where the line says so."""
    paths = ("new.place", "old")
    column = ItemColumn(name="new", type=kind, description="A column", paths=paths)
    nullable = evolve(column, nullable=True)
    assert reader(column)({"new": {"place": value}, "old": "x"}) == read
    assert reader(column)({"new": {"place": ""}, "old": value}) == read
    assert reader(column)({"new": [], "old": None}) == unset
    assert reader(nullable)({}) is None
