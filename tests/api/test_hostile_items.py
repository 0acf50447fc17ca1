"""Items that try to be SQL, full-text syntax, HTML or a terminal's commands."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from ingest import logs
from ingest.app import create_app
from ingest.settings import LogSettings
from tests.conftest import settings_in
from tests.support.contract import keep_contract
from tests.support.documents import item_document
from tests.support.git_bank import commit_item, make_repository
from tests.support.hostile import ESCAPES, FULL_TEXT, MARKUP, SQL
from tests.support.service import Client, ended

pytestmark = pytest.mark.asyncio(loop_scope="session")

#: Names that folders can have.
BANK = "bank\x1b]0;owned\x07\x1b[31m<b>'"
NO_ITEM = f"7{BANK}"
HOSTILE: dict[str, Any] = {
    "core.metadata.subject": SQL,
    "core.metadata.itemAuthor": ESCAPES,
    "core.metadata.intendedGrade": MARKUP,
    "workflow.workflowStatusCode": f"{SQL}{MARKUP}{ESCAPES}",
    "core.en.prompt": " ".join(sorted(FULL_TEXT, key=lambda text: "<" in text))
    + f" alpha beta {ESCAPES}",
    "assignments": [{"assignedTo": f"{MARKUP}{ESCAPES}", "assignedBy": SQL, "assignedDate": ""}],
    f"{MARKUP}": {ESCAPES: SQL},
}


def make_hostile_bank(place: Path) -> tuple[Path, dict[str, Any]]:
    """Make a bank of an item that tries all of it, and of bad ones; return it and the document."""
    folder = place / BANK
    document = item_document(1, **HOSTILE)
    commit_item(make_repository(folder / "1.git"), document, author=f"Eve {MARKUP} \x1b[31m")
    commit_item(make_repository(folder / NO_ITEM), item_document(7))
    commit_item(make_repository(folder / "007.git"), item_document(7))
    commit_item(make_repository(folder / "8.git"), item_document(f"8{SQL}{ESCAPES}"))
    commit_item(make_repository(folder / "9.git"), item_document(9) | {"type": ESCAPES + MARKUP})
    return folder, document


class Ingested:
    """A service that has ingested the bank, the item's document, and what was logged of it."""

    def __init__(self, client: Client, document: dict[str, Any], database: Path) -> None:
        self.client = client
        self.document = document
        self.database = database


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ingested(
    tmp_path_factory: pytest.TempPathFactory, empty_database: Path
) -> AsyncIterator[Ingested]:
    """A service that has ingested what there is to be ingested."""
    folder = tmp_path_factory.mktemp("hostile")
    bank, document = make_hostile_bank(folder)
    settings = settings_in(folder, empty_database, bank)
    async with TestClient(TestServer(create_app(settings))) as client:
        await keep_contract(await client.post("/sync"))
        assert (await ended(client, 1))["counts"]["created"] == 1
        yield Ingested(client, document, settings.database.path)


async def test_a_hostile_item_is_kept_to_the_letter(ingested: Ingested) -> None:
    """The document comes back as it was, and each column has the text that stood there."""
    item = await keep_contract(await ingested.client.get("/items/1"))
    assert item["document"] == ingested.document
    assert item["subject"] == SQL
    assert item["itemAuthor"] == ESCAPES
    assert item["grade"] == MARKUP
    assert item["workflowStatus"] == f"{SQL}{MARKUP}{ESCAPES}"
    assert item["assignments"][0]["assignedTo"] == f"{MARKUP}{ESCAPES}"
    assert item["log"][0]["author"].startswith("Eve ")
    assert BANK in item["git"]["path"]


@pytest.mark.parametrize("q", FULL_TEXT)
async def test_no_search_text_is_a_language(ingested: Ingested, q: str) -> None:
    """Whatever is searched for is words: found where they stand, and nothing happens but that."""
    response = await ingested.client.get("/items", params={"q": q})
    assert response.status == 200
    found = [one["itemId"] for one in (await keep_contract(response))["items"]]
    assert found in ([], ["1"])
    if any(character.isalnum() for character in q) and "<" not in q:
        assert found == ["1"], "the prompt has these words"
    with closing(sqlite3.connect(ingested.database)) as database:
        (rows,) = database.execute("select count(*) from item").fetchone()
        assert rows == 1
        database.execute("insert into item_keyword_fts(item_keyword_fts) values('integrity-check')")


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("subject", "core.metadata.subject"),
        ("grade", "core.metadata.intendedGrade"),
        ("status", "workflow.workflowStatusCode"),
    ],
)
async def test_hostile_values_are_values(ingested: Ingested, name: str, column: str) -> None:
    """A criterion with SQL, HTML and escapes in it finds the item that has just that."""
    response = await ingested.client.get("/items", params={name: str(HOSTILE[column])})
    assert [one["itemId"] for one in (await keep_contract(response))["items"]] == ["1"]
    for value in ("' OR '1'='1", f"{HOSTILE[column]}'", "%", "_"):
        response = await ingested.client.get("/items", params={name: value})
        assert (await keep_contract(response))["items"] == []


async def test_hostile_problems_are_told_as_they_are(ingested: Ingested) -> None:
    """Each bad item is a problem, with its place; what is no item's name is passed over."""
    response = await ingested.client.get("/problems")
    problems = {one["itemId"]: one for one in (await keep_contract(response))["problems"]}
    assert {key: one["kind"] for key, one in problems.items()} == {
        "007": "BAD_KEY",
        "8": "WRONG_ID",
        "9": "UNKNOWN_TYPE",
    }
    for one in problems.values():
        assert one["message"].isprintable()
        assert BANK in one["path"]


@pytest.mark.parametrize("accept", ["text/plain", "application/json"])
async def test_a_refusal_for_a_hostile_item_is_harmless(ingested: Ingested, accept: str) -> None:
    """What a caller is told of a bad item is one line that a terminal can show."""
    for item_id in (8, 9):
        response = await ingested.client.post(f"/sync/{item_id}", headers={"Accept": accept})
        assert response.status == 422
        told = await keep_contract(response)
        assert (told if isinstance(told, str) else told["detail"]).isprintable()


async def test_nothing_hostile_is_logged_to_a_terminal(
    tmp_path: Path, empty_database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a console, a run over hostile items leaves lines that a terminal only shows."""
    bank, _ = make_hostile_bank(tmp_path)
    settings = settings_in(tmp_path, empty_database, bank)
    logs.configure(LogSettings(format="console", level="DEBUG"))
    async with TestClient(TestServer(create_app(settings))) as client:
        await client.post("/sync", params={"reason": ESCAPES})
        await ended(client, 1)
        for path in (ESCAPES, "\x1b[31m\x9b2J"):
            await client.get(f"/items/{path}")
        await client.get("/executions", params={"job": ESCAPES})
    logs.flush(10)
    text = capsys.readouterr().err
    assert "ITEM_CREATED" in text
    assert "owned" in text
    assert all(one.isprintable() or one == "\n" for one in text)
