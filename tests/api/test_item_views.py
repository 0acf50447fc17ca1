"""What an answer says of an item, and what it says of itself."""

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from pytest_aiohttp import AiohttpClient

from ingest.api.item_views import describe_columns
from ingest.app import create_app
from ingest.model.columns import ITEM_COLUMNS
from ingest.settings import Settings
from tests.support.documents import item_document
from tests.support.git_bank import commit_item, make_repository
from tests.support.old_databases import make_first_version
from tests.support.service import Client, ended, get

JSON_TYPES: dict[str, type] = {"string": str, "integer": int, "boolean": bool, "object": dict}


@pytest.fixture
def bank_dir(tmp_path: Path) -> Path:
    """A bank of an item that has much to tell, and one that has next to nothing."""
    form = {"formId": "f1", "formType": "Operational", "assessmentType": "Interim"}
    administrations = [{"administrationId": "2019", "forms": [form | {"exposures": 5}, form]}]
    needs = [{"createDate": "2018-08-18T17:24:28.558Z", "notes": "why?", "resolution": ""}]
    people = [{"assignedTo": "Bo Li", "assignedBy": "Ada", "assignedDate": "2020-02-02"}]
    changes: dict[str, Any] = {
        "core.testAdministration.administrations": administrations,
        "core.contentUpdateNeeds": needs,
        "core.metadata.calculator": "Yes",
        "asl.isAslProvided": "true",
        "assignments": people,
        "serverManaged.primaryEnhancedId": "M.G3.C2.TC",
    }
    folder = tmp_path / "bank"
    commit_item(make_repository(folder / "21.git"), item_document(21, **changes))
    commit_item(make_repository(folder / "22.git"), item_document(22, "tut", core={}, workflow={}))
    return folder


async def test_an_item_is_shown_with_its_lists(client: Client) -> None:
    """Forms, content update needs and assignments stand there as the document has them."""
    assert (await client.post("/sync/21")).status == 200
    item = await get(client, "/items/21")
    form = {
        "administrationId": "2019",
        "formId": "f1",
        "formType": "Operational",
        "assessmentType": "Interim",
    }
    assert item["forms"] == [form | {"exposures": 5}, form | {"exposures": None}]
    (need,) = item["contentUpdateNeeds"]
    assert need["contentUpdateNeedCreateDate"] == "2018-08-18T17:24:28.558Z"
    assert (need["notes"], need["resolution"], need["resolutionDate"]) == ("why?", "", None)
    assert item["assignments"] == [
        {"assignedTo": "Bo Li", "assignedBy": "Ada", "assignedDate": "2020-02-02T00:00:00.000Z"}
    ]
    assert (item["allowCalculator"], item["aslProvided"]) == ("Yes", True)
    assert (item["assignedTo"], item["unresolvedUpdateNeed"]) == ("Bo Li", True)
    assert (item["primaryEnhancedId"], item["secondaryEnhancedId"]) == ("M.G3.C2.TC", None)
    assert (item["exposuresCount"], item["formCount"]) == (5, 2)


async def test_answers_are_as_they_are_described(client: Client) -> None:
    """Each column is in an answer under its name, in order, of its type, null only where it may."""
    described = describe_columns()
    for item_id in ("21", "22"):
        assert (await client.post(f"/sync/{item_id}")).status == 200
        detail = await get(client, f"/items/{item_id}")
        for column in described:
            value = detail[column["name"]]
            if value is None:
                assert column["nullable"], column
            else:
                assert type(value) is JSON_TYPES[column["type"]], column
            if column["format"] == "date-time":
                assert value is None or value.endswith("Z")
        names = [column["name"] for column in described if column["name"] != "document"]
        assert list(detail)[: len(names)] == names
    rows = (await get(client, "/items"))["items"]
    assert [list(row) for row in rows] == [[*names, "currentCommitHash"]] * 2


def test_the_description_follows_the_table_of_columns() -> None:
    """Every column is described, with its line for people and its paths."""
    described = describe_columns()
    assert [one["column"] for one in described] == [column.name for column in ITEM_COLUMNS]
    grade = next(one for one in described if one["column"] == "grade")
    assert grade == {
        "name": "grade",
        "column": "grade",
        "type": "string",
        "format": None,
        "nullable": False,
        "description": "Grade that the item is intended for",
        "paths": ["core.metadata.intendedGrade", "core.metadata.grade"],
    }
    by_column = {one["column"]: (one["name"], one["type"]) for one in described}
    assert by_column["id"] == ("itemId", "string")
    assert by_column["item_json"] == ("document", "object")
    assert by_column["operational_at"] == ("operationalAt", "string")


async def test_a_service_brings_an_old_database_up_to_date(
    client: Client, settings: Settings, tmp_path: Path, aiohttp_client: AiohttpClient
) -> None:
    """Started on a database of the first version it upgrades it, and POST /migrate fills it."""
    for item_id in ("21", "22"):
        assert (await client.post(f"/sync/{item_id}")).status == 200
    expected = [await get(client, f"/items/{item_id}") for item_id in ("21", "22")]
    await client.close()
    path = tmp_path / "old.db"
    make_first_version(path, Path(settings.database.url))

    old = evolve(settings, database=evolve(settings.database, url=str(path)))
    client = await aiohttp_client(create_app(old))
    before = await get(client, "/items/21")
    assert (before["derivationVersion"], before["allowCalculator"], before["forms"]) == (1, "", [])
    assert (await client.post("/migrate")).status == 200
    assert (await ended(client, 1))["counts"]["updated"] == 2
    for item in expected:
        found = await get(client, f"/items/{item['itemId']}")
        assert found.pop("log")[: len(item["log"])] == item.pop("log")
        assert found == item
