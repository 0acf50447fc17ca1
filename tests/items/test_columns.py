"""Each column by itself: where it is read from, and what it holds where nothing is to be read."""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import orjson
import pytest

from ingest.items.document import parse
from ingest.items.mapping import map_row
from ingest.model.columns import ITEM_COLUMNS, RANKS, ColumnType, ItemColumn
from ingest.model.item import DERIVATION_VERSION, HistoryFacts
from tests.support.documents import ABSENT, item_document

READ = [column for column in ITEM_COLUMNS if column.paths]
#: Of each type a value as a document may have it, what the column makes of it, and another such
#: pair; then values that are not of the type.
EXAMPLES: dict[ColumnType, tuple[list[tuple[Any, Any]], list[Any]]] = {
    ColumnType.TEXT: (
        [("Two words", "Two words"), (7, "7"), (True, "true"), (" kept ", " kept ")],
        [],
    ),
    ColumnType.INTEGER: ([("42", 42), (7, 7), (" -5 ", -5)], ["x", "1.5", True, 2**63]),
    ColumnType.BOOLEAN: (
        [(True, True), ("true", True), ("Yes", True), (False, False), ("No", False)],
        ["undetermined", 1],
    ),
    ColumnType.TIMESTAMP: (
        [
            ("2018-08-18T17:24:28.558Z", datetime(2018, 8, 18, 17, 24, 28, 558000, UTC)),
            ("2018-08-18T17:24:28+02:00", datetime(2018, 8, 18, 15, 24, 28, tzinfo=UTC)),
        ],
        ["18/08/2018", 1534613068, True, "2018-02-30"],
    ),
}
BLANK = ["", "  ", None, [], {}, ["x"], {"x": "y"}]


def value_of(column: ItemColumn, changes: Mapping[str, Any]) -> Any:
    """Return what the column holds in the row of a document with these changes."""
    content = orjson.dumps(item_document(7, **changes))
    row = map_row(parse("7", content), HistoryFacts(), is_being_created=False, content=content)
    return row.values[column.name]


def unset(column: ItemColumn) -> Any:
    """Return what the column holds where the document says nothing."""
    return None if column.nullable else {"text": "", "integer": 0, "boolean": False}[column.type]


def nowhere(column: ItemColumn) -> dict[str, Any]:
    """Return the changes that take a column's fields out of a document."""
    return dict.fromkeys(column.paths, ABSENT)


EACH_PATH = [
    pytest.param(column, path, id=f"{column.name}-{path}")
    for column in READ
    for path in column.paths
]


@pytest.mark.parametrize(("column", "path"), EACH_PATH)
def test_a_column_is_read_under_every_name_of_its_field(column: ItemColumn, path: str) -> None:
    """Under the new name and each old one, in each form that a document may have it in."""
    for written, read in EXAMPLES[column.type][0]:
        found = value_of(column, nowhere(column) | {path: written})
        assert (type(found), found) == (type(read), read)


@pytest.mark.parametrize("column", READ, ids=lambda column: column.name)
def test_a_column_is_unset_where_its_field_is(column: ItemColumn) -> None:
    """Absent, blank, null, a list or an object: null where the column allows it, else empty."""
    assert value_of(column, nowhere(column)) == unset(column)
    for blank in BLANK:
        assert value_of(column, dict.fromkeys(column.paths, blank)) == unset(column), blank


@pytest.mark.parametrize("column", READ, ids=lambda column: column.name)
def test_a_column_is_unset_where_its_field_is_of_another_type(column: ItemColumn) -> None:
    """What cannot be read as the column's type is not guessed at."""
    for wrong in EXAMPLES[column.type][1]:
        assert value_of(column, dict.fromkeys(column.paths, wrong)) == unset(column), wrong


@pytest.mark.parametrize(
    "column", [one for one in READ if len(one.paths) > 1], ids=lambda column: column.name
)
def test_the_new_name_counts_where_both_are_set(column: ItemColumn) -> None:
    """The old name is a fall-back: for where the new one is blank, and for nothing else."""
    (first, read), (second, other), *_ = EXAMPLES[column.type][0]
    new, old = column.paths
    assert value_of(column, {new: first, old: second}) == read
    for blank in BLANK:
        assert value_of(column, {new: blank, old: second}) == other


@pytest.mark.parametrize("column", READ, ids=lambda column: column.name)
def test_a_column_may_have_no_place_at_all(column: ItemColumn) -> None:
    """Where what holds the field is absent, or something else, the column is unset."""
    (top, *_) = column.paths[0].split(".")
    for odd in (ABSENT, None, "", [], "text", [{}], 5):
        assert value_of(column, {top: odd}) == unset(column)


#: Field by field what a document of the newest model says, under core.metadata.
METADATA = {
    "subject": "Math",
    "grade": "11",
    "dok": "3",
    "organization_type_id": "vendor",
    "organization_name": "Prairie Assessments",
    "content_task_model": "TM5",
    "performance_task": "Yes",
    "writing_purpose": "Explanatory",
    "item_author": "Ada Okafor",
    "test_category": "Summative",
    "scoring_engine": "handScored",
    "maximum_points": "4",
    "allow_calculator": "No",
    "pencil_paper": "Yes",
    "state_specific_use": "No",
    "state_specific_use_description": "No description",
} | {
    f"{rank}_{name}": f"{rank} {name}"
    for rank in RANKS
    for name in ("claim", "target", "content_domain", "common_core_standard")
}
NAMES = {
    "grade": "intendedGrade",
    "dok": "depthOfKnowledge",
}
OLD_NAMES = {
    "allow_calculator": "calculator",
    "maximum_points": "itemPoint",
    "grade": "grade",
} | {f"{rank}_target": f"{rank}AssessmentTarget" for rank in RANKS}


def field_name(column: str) -> str:
    """Return a column's field by the rule that holds for nearly all of them."""
    first, *rest = column.split("_")
    return NAMES.get(column, first + "".join(word.capitalize() for word in rest))


@pytest.mark.parametrize(
    ("names", "beside"),
    [({}, {}), (OLD_NAMES, {}), ({}, dict.fromkeys(OLD_NAMES.values(), "out of date"))],
    ids=["new", "old", "both"],
)
def test_a_whole_document_fills_every_metadata_column(
    names: dict[str, str], beside: dict[str, str]
) -> None:
    """No two columns are mixed up, in documents of the newest age and of older ones."""
    fields = {names.get(name, field_name(name)): value for name, value in METADATA.items()}
    metadata = beside | fields
    found = {
        column.name: value_of(column, {"core.metadata": metadata})
        for column in ITEM_COLUMNS
        if column.name in METADATA
    }
    assert found == METADATA
    read = {column.name for column in READ if column.paths[0].startswith("core.metadata.")}
    assert read == set(METADATA)


def test_a_whole_document_fills_every_other_column() -> None:
    """What stands outside the metadata, each flag by itself and each text its own."""
    texts = {
        "asl_required": "asl.isAslRequired",
        "braille_required": "braille.isBrailleRequired",
        "cc_required": "cc.isCcRequired",
        "translation_required": "translations.esp.isRequired",
        "visual_tts_required": "textToSpeech.isVisualTTSRequired",
        "illustrated_glossary_required": "glossary.isIllustratedGlossaryRequired",
        "translated_glossary_required": "glossary.isTranslatedGlossaryRequired",
        "workflow_status": "workflow.workflowStatusCode",
        "primary_enhanced_id": "serverManaged.primaryEnhancedId",
        "secondary_enhanced_id": "serverManaged.secondaryEnhancedId",
        "tertiary_enhanced_id": "serverManaged.tertiaryEnhancedId",
        "quaternary_enhanced_id": "serverManaged.quaternaryEnhancedId",
    }
    flags = {
        "asl_provided": "asl.isAslProvided",
        "braille_provided": "braille.isBrailleProvided",
        "cc_provided": "cc.isCcProvided",
        "translation_provided": "translations.esp.isProvided",
        "visual_tts_provided": "textToSpeech.isVisualTTSProvided",
        "sight_tts_provided": "textToSpeech.isSightTTSProvided",
        "english_glossary_provided": "glossary.isEnglishGlossaryProvided",
        "illustrated_glossary_provided": "glossary.isIllustratedGlossaryProvided",
        "translated_glossary_provided": "glossary.isTranslatedGlossaryProvided",
    }
    dates = {
        "english_content_last_updated_at": "core.en.updatedDate",
        "spanish_content_last_updated_at": "translations.esp.updatedDate",
    }
    everything = texts | flags | dates | {"associated_stimulus_id": "core.stimulusId"}
    columns = {column.name: column for column in ITEM_COLUMNS}
    document: dict[str, Any] = {path: name for name, path in texts.items()}
    for name in texts:
        assert value_of(columns[name], document) == name
    for name, path in flags.items():
        found = {other for other in flags if value_of(columns[other], {path: True})}
        assert found == {name}
    assert {one.name for one in READ} == set(everything) | set(METADATA)


def test_every_column_has_a_description_of_one_line() -> None:
    """What each column says can be shown to people, and is said of no other."""
    said = [column.description for column in ITEM_COLUMNS]
    assert all(line and line == line.strip() and "\n" not in line for line in said)
    assert len(set(said)) == len(said)


#: The lists of columns that there were, by the version of the rules that each came with.
LISTS_OF_COLUMNS = {2: "f55f3c7c6e533223"}


def test_another_list_of_columns_is_another_version_of_the_rules() -> None:
    """Rows of two lists can be told apart: raise DERIVATION_VERSION, and add the digest here."""
    lines = [(one.name, one.type.value, one.paths, one.nullable) for one in ITEM_COLUMNS]
    digest = sha256(orjson.dumps(sorted(lines))).hexdigest()[:16]
    assert LISTS_OF_COLUMNS.get(DERIVATION_VERSION) == digest
