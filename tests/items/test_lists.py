"""The lists of an item, and the columns that sum them up."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from ingest.items.document import parse
from ingest.items.mapping import map_row
from ingest.model.item import ITEM_TYPES, Assignment, ContentUpdateNeed, Form, HistoryFacts, ItemRow
from tests.support.documents import ABSENT, item_document

#: What is no list of objects.
NO_LIST = [ABSENT, None, "", "text", 5, {}, {"a": 1}, [], [None, "text", 5, []]]


def row_of(changes: Mapping[str, Any], item_type: str = "mc") -> ItemRow:
    """Return the row of a document with these changes."""
    content = orjson.dumps(item_document(7, item_type, **changes))
    return map_row(parse("7", content), HistoryFacts(), is_being_created=False, content=content)


def need(created: object, **changes: Any) -> dict[str, Any]:
    """Return a content update need that was created then."""
    return {"createDate": created, "notes": f"of {created}"} | changes


def test_every_form_of_every_administration_is_an_entry() -> None:
    """With its administration, in order, twice the same twice, and whatever its fields hold."""
    form = {"formId": "f1", "formType": "Operational", "assessmentType": "Interim", "exposures": 5}
    administrations = [
        {"administrationId": "2019", "forms": [form, "no form", form]},
        {"administrationId": 2020, "forms": [{"formId": 9, "exposures": "12"}, {}]},
        {"administrationId": "2021", "forms": None},
    ]
    row = row_of({"core.testAdministration.administrations": administrations})
    first = Form(
        administration_id="2019",
        form_id="f1",
        form_type="Operational",
        assessment_type="Interim",
        exposures=5,
    )
    bare = {"form_type": "", "assessment_type": ""}
    assert row.forms == (
        first,
        first,
        Form(administration_id="2020", form_id="9", exposures=12, **bare),
        Form(administration_id="2020", form_id="", exposures=None, **bare),
    )
    assert (row.values["form_count"], row.values["exposures_count"]) == (4, 22)


def test_every_content_update_need_is_an_entry() -> None:
    """With all that it says, in the order of the document."""
    whole = need(
        "2018-08-18T17:24:28.558Z",
        resolution="Mended",
        resolutionDate="2018-08-19",
        resolutionNotes="hard to find",
        internalResolution="Taken",
        internalResolutionDate="2018-08-20",
    )
    row = row_of({"core.contentUpdateNeeds": [whole, "no need", {}]})
    said, bare = row.content_update_needs
    assert said == ContentUpdateNeed(
        content_update_need_create_date=datetime(2018, 8, 18, 17, 24, 28, 558000, UTC),
        notes="of 2018-08-18T17:24:28.558Z",
        resolution="Mended",
        resolution_date=datetime(2018, 8, 19, tzinfo=UTC),
        resolution_notes="hard to find",
        internal_resolution="Taken",
        internal_resolution_date=datetime(2018, 8, 20, tzinfo=UTC),
    )
    assert bare.notes == bare.resolution == ""
    assert bare.content_update_need_create_date is None


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_current_need_is_the_newest(order: tuple[int, ...]) -> None:
    """By its date, wherever it stands in the list; the columns say what it says."""
    needs = [
        need("2018-08-18T00:00:00Z", resolution="old", resolutionDate="2018-08-18"),
        need(
            "2019-01-01T00:00:00Z",
            resolution="new",
            resolutionDate="2019-01-02",
            internalResolution="ours",
            internalResolutionDate="2019-01-03",
        ),
        need(None, resolution="undated"),
    ]
    values = row_of({"core.contentUpdateNeeds": [needs[index] for index in order]}).values
    january = [datetime(2019, 1, day, tzinfo=UTC) for day in (1, 2, 3)]
    assert values["current_update_need_create_date"] == january[0]
    assert values["current_update_need_resolution"] == "new"
    assert values["current_update_need_resolution_date"] == january[1]
    assert values["current_update_need_internal_resolution"] == "ours"
    assert values["current_update_need_internal_resolution_date"] == january[2]
    assert values["unresolved_update_need"] is False


def test_of_needs_of_one_date_the_last_is_current() -> None:
    """Lists grow at their end; where no need has a date as well."""
    for date in ("2019-01-01", None, "", "soon", "0001-01-01"):
        needs = [need(date, resolution="first"), need(date, resolution="last")]
        values = row_of({"core.contentUpdateNeeds": needs}).values
        assert values["current_update_need_resolution"] == "last"


@pytest.mark.parametrize(
    ("resolutions", "unresolved"),
    [
        (["done"], False),
        (["done", "done"], False),
        (["", "done"], True),
        (["done", None], True),
        ([" "], True),
        ([ABSENT], True),
        ([["done"]], True),
        ([], False),
    ],
)
def test_a_need_without_a_resolution_is_unresolved(
    resolutions: list[Any], unresolved: object
) -> None:
    """Any one of them, not just the newest; dates and internal resolutions do not count."""
    needs = [
        need("2019-01-01", internalResolution="seen", resolutionDate="2019-01-01")
        | ({} if word is ABSENT else {"resolution": word})
        for word in resolutions
    ]
    values = row_of({"core.contentUpdateNeeds": needs}).values
    assert values["unresolved_update_need"] is unresolved


def test_every_assignment_is_an_entry_and_the_names_are_joined() -> None:
    """Entries keep their order; the column has the names sorted, whatever their case."""
    people = ("Zoë", "bo li", "Ada", "", "Carmen Núñez")
    listed: list[object] = [
        {"assignedTo": name, "assignedBy": "Eve", "assignedDate": "2020-02-02"} for name in people
    ]
    row = row_of({"assignments": [*listed, "nobody"]})
    february = datetime(2020, 2, 2, tzinfo=UTC)
    assert row.assignments == tuple(
        Assignment(assigned_to=name, assigned_by="Eve", assigned_date=february) for name in people
    )
    assert row.values["assigned_to"] == "Ada, bo li, Carmen Núñez, Zoë"


@pytest.mark.parametrize("odd", NO_LIST)
def test_what_is_no_list_of_objects_has_no_entries(odd: Any) -> None:
    """Absent, blank or of another shape: no entry, and the columns are unset."""
    row = row_of(
        {
            "assignments": odd,
            "core.contentUpdateNeeds": odd,
            "core.testAdministration.administrations": odd,
        }
    )
    assert (row.assignments, row.content_update_needs, row.forms) == ((), (), ())
    assert row.values["assigned_to"] == ""
    assert row.values["unresolved_update_need"] is False
    assert row.values["current_update_need_create_date"] is None
    assert row.values["form_count"] is None


@pytest.mark.parametrize("item_type", sorted(ITEM_TYPES))
def test_passages_are_counted_of_stimuli_alone(item_type: str) -> None:
    """In both languages, provided or not; any other type has none."""
    passage = {"title": "a", "body": "b"}
    changes: dict[str, Any] = {
        "core.en.passages": [passage],
        "translations.esp.passages": [passage, passage, None],
        "translations.esp.isProvided": False,
    }
    values = row_of(changes, item_type).values
    counts = (values["english_passages_count"], values["spanish_passages_count"])
    assert counts == ((1, 2) if item_type == "stim" else (0, 0))


def test_the_oldest_stimuli_have_their_passages_under_core() -> None:
    """As their other content, which has no language there."""
    changes: dict[str, Any] = {"core.en": ABSENT, "core.passages": [{}, {}], "translations": ABSENT}
    values = row_of(changes, "stim").values
    assert (values["english_passages_count"], values["spanish_passages_count"]) == (2, 0)


@pytest.mark.parametrize("odd", NO_LIST)
def test_passages_that_are_no_list_are_none(odd: Any) -> None:
    """Whatever stands there, the count is a number."""
    values = row_of({"core.en.passages": odd, "translations.esp": odd}, "stim").values
    assert (values["english_passages_count"], values["spanish_passages_count"]) == (0, 0)
