"""Looking at items and problems over HTTP, and bringing one item in step."""

import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from ingest.app import create_app
from tests.conftest import settings_in
from tests.support.documents import item_content, item_document
from tests.support.git_bank import DATE, commit_item, make_repository, pack
from tests.support.service import Client, ended, get, json_of


@pytest.fixture(scope="module")
def three_items(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank of three items, made by different people in different ways; to be copied."""
    bank = tmp_path_factory.mktemp("three") / "bank"
    bank.mkdir()
    first = make_repository(bank / "11.git")
    commit_item(first, None, "Create the project")
    commit_item(first, document(11, "blue whale"), author="Carmen Núñez")
    second = make_repository(bank / "12", bare=False, branch="master")
    commit_item(second, document(12, "grey whale", subject="Math"))
    commit_item(second, document(12, "grey seal", subject="Math"), date=DATE + timedelta(days=1))
    pack(second)
    third = make_repository(bank / "13.git", branch="master")
    commit_item(third, document(13, "<math><mo>+</mo></math>", item_type="wer"))
    return bank


@pytest.fixture
def bank_dir(three_items: Path, tmp_path: Path) -> Path:
    """A bank that a test may change."""
    return shutil.copytree(three_items, tmp_path / "bank")


def document(
    item_id: int, prompt: str, *, subject: str = "ELA", item_type: str = "mc"
) -> dict[str, Any]:
    """Return a document that can be told from others."""
    changes = {"core.en.prompt": f"<p>{prompt}</p>", "core.metadata.subject": subject}
    return item_document(item_id, item_type, **changes)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled(
    tmp_path_factory: pytest.TempPathFactory, empty_database: Path, three_items: Path
) -> AsyncIterator[Client]:
    """A client of a service that has the three items, for tests that only look."""
    settings = settings_in(tmp_path_factory.mktemp("filled"), empty_database, three_items)
    async with TestClient(TestServer(create_app(settings))) as client:
        await synchronize(client)
        yield client


async def act(client: Client, path: str) -> tuple[int, Any]:
    """Return status and answer: the document of a success, the text of a refusal."""
    response = await client.post(path)
    if response.status == 200:
        return 200, await json_of(response)
    return response.status, await response.text()


async def synchronize(client: Client) -> None:
    """Bring the database in step with the bank, by the first execution."""
    assert (await client.post("/sync")).status == 200
    assert (await ended(client, 1))["status"] == "COMPLETED"


def outcome(item_id: int, word: str) -> tuple[int, dict[str, str]]:
    """Return what `act` is to return where this became of an item."""
    return 200, {"itemId": str(item_id), "outcome": word}


@pytest.mark.parametrize("item_id", [11, 12, 13])
async def test_one_item_is_created_changed_and_deleted(
    client: Client, bank_dir: Path, item_id: int
) -> None:
    """POST /sync/{id} tells what it did to the item, whatever kind of repository it has."""
    path = f"/sync/{item_id}"
    assert await act(client, path) == outcome(item_id, "CREATED")
    assert await act(client, path) == outcome(item_id, "UNCHANGED")
    repo = bank_dir / ("12" if item_id == 12 else f"{item_id}.git")
    newest = commit_item(repo, document(item_id, "humpback"), date=DATE + timedelta(days=9))
    assert await act(client, path) == outcome(item_id, "UPDATED")
    assert (await get(client, f"/items/{item_id}"))["currentCommitHash"] == newest
    shutil.rmtree(repo)
    assert await act(client, path) == outcome(item_id, "DELETED")
    text = f"Could not find item {item_id} in the item bank and the item database"
    assert await act(client, path) == (404, text)
    assert (await client.get(f"/items/{item_id}")).status == 404
    assert (await get(client, "/executions"))["executions"] == []


async def test_one_item_is_migrated(client: Client, bank_dir: Path) -> None:
    """POST /migrate/{id} derives a row anew, from what is stored if the bank has no more."""
    assert await act(client, "/migrate/11") == outcome(11, "CREATED")
    assert await act(client, "/migrate/11") == outcome(11, "UNCHANGED")
    shutil.rmtree(bank_dir / "11.git")
    assert await act(client, "/migrate/11") == outcome(11, "UNCHANGED")
    status, _ = await act(client, "/migrate/77")
    assert status == 404


@pytest.mark.parametrize("path", ["/sync", "/migrate"])
@pytest.mark.parametrize("item_id", ["0", "-1", "abc", "1.5", "007", "+1", str(2**63), "%00"])
@pytest.mark.asyncio(loop_scope="session")
async def test_a_bad_item_id_is_refused(standing: Client, path: str, item_id: str) -> None:
    """An id that no item can have is a 400 naming it."""
    response = await standing.post(URL(f"{path}/{item_id}", encoded=True))
    assert response.status == 400
    assert (await response.text()).startswith("Item id must be ")


async def test_an_item_without_commits_is_not_there_yet(client: Client, bank_dir: Path) -> None:
    """A repository that holds no item.json yet is a 404 that says so, and no problem."""
    repo = make_repository(bank_dir / "14.git")
    for _ in range(2):
        status, text = await act(client, "/sync/14")
        assert (status, "holds no item.json yet" in text) == (404, True)
        commit_item(repo, None, "Create the project")
    assert (await get(client, "/problems"))["problems"] == []


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"{", "NOT_JSON"),
        (b"[]", "NOT_AN_OBJECT"),
        (b'"\xff"', "NOT_UTF8"),
        (b"\xef\xbb\xbf{}", "BYTE_ORDER_MARK"),
        (item_content(15), "WRONG_ID"),
        (item_content(14, type="poem"), "UNKNOWN_TYPE"),
    ],
)
async def test_an_item_with_a_problem_is_refused_with_its_kind(
    client: Client, bank_dir: Path, content: bytes, kind: str
) -> None:
    """A document that cannot be ingested is a 422 with kind and message, and on record."""
    repo = make_repository(bank_dir / "14.git")
    commit_item(repo, content)
    for attempts in (1, 2):
        status, text = await act(client, "/sync/14")
        (problem,) = (await get(client, "/problems"))["problems"]
        assert (problem["itemId"], problem["kind"]) == ("14", kind)
        assert problem["attempts"] == attempts
        expected = f"Item 14 cannot be ingested: {kind}: {problem['message']}"
        assert (status, text) == (422, expected)
    response = await client.post("/sync/14", headers={"Accept": "application/problem+json"})
    members = await response.json()
    assert (members["itemId"], members["kind"], members["status"]) == ("14", kind, 422)
    commit_item(repo, item_content(14))
    assert await act(client, "/sync/14") == outcome(14, "CREATED")
    assert (await get(client, "/problems"))["problems"] == []


async def test_an_item_whose_document_is_gone_keeps_what_is_stored(
    client: Client, bank_dir: Path
) -> None:
    """item.json removed from a known item is a 422, and the stored item stays."""
    assert await act(client, "/sync/11") == outcome(11, "CREATED")
    before = await get(client, "/items/11")
    commit_item(bank_dir / "11.git", None)
    status, text = await act(client, "/sync/11")
    assert (status, "DOCUMENT_REMOVED" in text) == (422, True)
    assert await get(client, "/items/11") == before


async def test_a_bank_that_is_gone_deletes_nothing(
    client: Client, bank_dir: Path, tmp_path: Path
) -> None:
    """With the bank away a synchronization of one item is a 502, and the item stays."""
    assert await act(client, "/sync/11") == outcome(11, "CREATED")
    shutil.move(bank_dir, tmp_path / "elsewhere")
    for path in ("/sync/11", "/sync/99", "/migrate/11"):
        status, text = await act(client, path)
        assert (status, str(bank_dir) in text) == (502, True)
    assert (await get(client, "/items/11"))["itemId"] == "11"
    shutil.move(tmp_path / "elsewhere", bank_dir)
    assert await act(client, "/sync/11") == outcome(11, "UNCHANGED")


async def test_a_bank_that_lists_nothing_deletes_nothing(
    client: Client, bank_dir: Path, tmp_path: Path
) -> None:
    """An empty folder is more likely an unmounted one: a single item is not deleted for it."""
    assert await act(client, "/sync/11") == outcome(11, "CREATED")
    shutil.move(bank_dir, tmp_path / "elsewhere")
    bank_dir.mkdir()  # noqa: ASYNC240 - a test may block
    status, text = await act(client, "/sync/11")
    assert (status, "lists no item" in text) == (502, True)
    assert (await get(client, "/items/11"))["itemId"] == "11"


async def test_an_item_is_shown_whole(client: Client, bank_dir: Path) -> None:
    """GET /items/{id}: columns, where it lives, log, keywords, and the document as committed."""
    await synchronize(client)
    item = await get(client, "/items/12")
    assert (item["itemId"], item["itemType"], item["subject"]) == ("12", "mc", "Math")
    assert item["document"] == document(12, "grey seal", subject="Math")
    git = item["git"]
    assert (git["path"], git["branch"]) == (str(bank_dir / "12"), "master")
    assert git["revision"] == item["currentCommitHash"] == item["log"][-1]["commitHash"]
    assert [(one["author"], one["jobExecutionId"]) for one in item["log"]] == [
        ("Ada Okafor", 1)
    ] * 2
    assert item["log"][1]["committedAt"] == "2024-05-07T07:08:09.000Z"
    assert {"section": "Prompt / Stem", "content": "grey seal"} in item["keywords"]
    assert (await get(client, "/items/11"))["log"][-1]["author"] == "Carmen Núñez"


@pytest.mark.asyncio(loop_scope="session")
async def test_an_unknown_item_is_not_found(standing: Client) -> None:
    """GET /items/{id} of an item that is not stored is a 404 in words."""
    response = await standing.get(f"/items/{2**63 - 1}")
    assert response.status == 404
    assert await response.text() == f"Could not find item {2**63 - 1} in the item database"


@pytest.mark.parametrize(
    ("query", "ids", "following"),
    [
        ({}, ["11", "12", "13"], None),
        ({"limit": "2"}, ["11", "12"], "12"),
        ({"limit": "2", "after": "12"}, ["13"], None),
        ({"after": "13"}, [], None),
        ({"q": "whale"}, ["11"], None),
        ({"q": "WHALE blue"}, ["11"], None),
        ({"q": "whale seal"}, [], None),
        ({"q": "grey", "subject": "Math"}, ["12"], None),
        ({"q": "grey", "subject": "ELA"}, [], None),
        ({"q": "<mo>+</mo>"}, ["13"], None),
        ({"q": "<mo>-</mo>"}, [], None),
        ({"type": "wer"}, ["13"], None),
        ({"grade": "7", "status": "Draft", "limit": "1"}, ["11"], "11"),
        ({"q": "  "}, ["11", "12", "13"], None),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_items_are_found(
    filled: Client, query: dict[str, str], ids: list[str], following: str | None
) -> None:
    """GET /items finds by words and by columns, in pages by ascending id."""
    response = await filled.get("/items", params=query)
    page = await json_of(response)
    assert [one["itemId"] for one in page["items"]] == ids
    assert page["next"] == following
    assert not any("document" in one for one in page["items"])


@pytest.mark.parametrize(
    "q",
    [
        *('"', '"" ""', "'", "*", "whale*", "^whale", "-whale", "+", "(", ")", "whale)", "{a b}"),
        *("AND", "OR", "NOT", "whale AND", "NOT whale", "NEAR(a b", "NEAR(whale seal, 2)"),
        *(
            "content:whale",
            "nothing:whale",
            "content : (a",
            "a;DROP TABLE item",
            "%",
            "\\",
            "<",
            "<>",
        ),
        *(
            "<mo>",
            "'<' OR 1",
            "😀",
            "\u0301",
            "\ufffd",
            "\u200b",
            "a" * 2000,
            '"' * 2000,
            "a " * 999,
        ),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_no_search_text_is_syntax(filled: Client, q: str) -> None:
    """Whatever is searched for is words: never a 5xx, never more than what has them."""
    response = await filled.get("/items", params={"q": q})
    assert response.status == 200, await response.text()
    assert len((await json_of(response))["items"]) <= 1


@pytest.mark.parametrize("q", ["a" * 2001, "a\0b"])
@pytest.mark.asyncio(loop_scope="session")
async def test_a_search_text_that_cannot_be_is_refused(standing: Client, q: str) -> None:
    """A search of more than any item has, or with NUL, is a 400 in words."""
    response = await standing.get("/items", params={"q": q})
    assert response.status == 400
    text = "Query parameter q must be at most 2000 characters without NUL"
    assert await response.text() == text


async def test_problems_come_in_pages(client: Client, bank_dir: Path) -> None:
    """GET /problems pages by key; after a repair and a synchronization there is none left."""
    for item_id in (21, 22, 23):
        commit_item(make_repository(bank_dir / f"{item_id}.git"), b"{")
    await synchronize(client)
    assert (await get(client, "/executions/1"))["counts"]["failed"] == 3
    page = await get(client, "/problems?limit=2")
    assert ([one["itemId"] for one in page["problems"]], page["next"]) == (["21", "22"], "22")
    page = await get(client, "/problems?limit=2&after=22")
    assert ([one["itemId"] for one in page["problems"]], page["next"]) == (["23"], None)
    for item_id in (21, 22, 23):
        commit_item(bank_dir / f"{item_id}.git", item_content(item_id))
    assert (await client.post("/sync")).status == 200
    assert (await ended(client, 2))["counts"]["created"] == 3
    assert await get(client, "/problems") == {"problems": [], "next": None}
