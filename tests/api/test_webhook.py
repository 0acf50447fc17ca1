"""POST /webhook: who is let in, what is queued, and what becomes of it."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from attrs import evolve
from pytest_aiohttp import AiohttpClient

from ingest.api.keys import DATABASE
from ingest.app import create_app
from ingest.bank.base import Unrelated
from ingest.model.secret import Secret
from ingest.settings import BankSettings, GitLabSettings, Secrets, ServerSettings, Settings
from ingest.storage.pushes import pending_count
from tests.support.contract import keep_contract
from tests.support.databases import change, rows
from tests.support.documents import item_content
from tests.support.gitlab_kind import GitLabKind, gitlab_kind
from tests.support.service import DEADLINE_S, Client, get, json_of

SECRET = "a secret of the webhook's"  # noqa: S105 - a test's own

Json = dict[str, Any]


@pytest.fixture
async def gitlab(tmp_path: Path) -> AsyncIterator[GitLabKind]:
    """A group with items 7 and 8."""
    async with gitlab_kind(tmp_path / "bank") as made:
        for key in ("7", "8"):
            made.item(key).commit(item_content(key))
        yield made


@pytest.fixture
def settings(settings: Settings, gitlab: GitLabKind) -> Settings:
    """Settings that name the group, with a secret for its notifications."""
    return evolve(
        settings,
        bank=BankSettings(url=gitlab.gitlab.bank_url),
        gitlab=GitLabSettings(max_requests_per_second=100_000.0, attempts=1),
        secrets=Secrets(bank_token=Secret(gitlab.gitlab.token.value), webhook_token=Secret(SECRET)),
    )


def push(key: str = "7", **changes: Any) -> Json:
    """Return a notification of a push to an item's default branch."""
    return {
        "object_kind": "push",
        "event_name": "push",
        "ref": "refs/heads/main",
        "before": "0" * 40,
        "after": "1" * 40,
        "project_id": 1_000_000 + int(key),
        "project": {"default_branch": "main", "path_with_namespace": f"itembank/{key}"},
        **changes,
    }


async def notify(client: Client, document: Any, **headers: str) -> tuple[int, Any]:
    """Send a notification as GitLab does; return the answer's status and document."""
    sent = {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": SECRET}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    response = await client.post("/webhook", json=document, headers=sent)
    await keep_contract(response)
    is_json = response.content_type == "application/json"
    return response.status, await (json_of(response) if is_json else response.text())


async def seen_to(app: web.Application) -> None:
    """Wait until no push is pending."""
    async with asyncio.timeout(DEADLINE_S):
        while await app[DATABASE].read(pending_count):
            pass


async def test_a_push_brings_its_item_in_step(app: web.Application, client: Client) -> None:
    """It is answered as queued, and soon the row is there, without any job's execution."""
    status, answer = await notify(client, push("7"))
    assert (status, answer) == (202, {"outcome": "QUEUED", "itemId": "7"})
    await seen_to(app)
    assert (await get(client, "/items/7"))["itemId"] == "7"
    assert (await client.get("/items/8")).status == 404
    assert (await get(client, "/executions"))["executions"] == []


async def test_who_does_not_know_the_secret_is_refused(client: Client) -> None:
    """Another token, a part of it, or none: 401, and nothing is queued."""
    for token in ("", "x", SECRET[:-1], f"{SECRET}x", "é"):
        status, text = await notify(client, push(), X_Gitlab_Token=token)
        assert status == 401
        assert "X-Gitlab-Token" in text
        assert SECRET not in text
    response = await client.post("/webhook", json=push(), headers={"X-Gitlab-Event": "Push Hook"})
    assert response.status == 401


async def test_without_a_secret_the_webhook_is_closed(
    settings: Settings, aiohttp_client: AiohttpClient
) -> None:
    """Nobody can be known then: 403 whatever is sent, and the way out."""
    client = await aiohttp_client(create_app(evolve(settings, secrets=Secrets())))
    for token in ("", SECRET):
        status, text = await notify(client, push(), X_Gitlab_Token=token)
        assert status == 403
        assert "INGEST_WEBHOOK_TOKEN" in text


@pytest.mark.parametrize(
    ("document", "event", "reason"),
    [
        (push(), "Tag Push Hook", "Tag Push Hook is no push"),
        (push(object_kind="tag_push"), "Push Hook", "it is no push"),
        (push(ref="refs/heads/draft"), "Push Hook", "it is not to the default branch"),
        (push(ref="refs/tags/main"), "Push Hook", "it is not to the default branch"),
        (
            push(project={"default_branch": "main", "path_with_namespace": "others/7"}),
            "Push Hook",
            "its project is none of the item bank's",
        ),
        (
            push(project={"default_branch": "main", "path_with_namespace": "itembank/docs"}),
            "Push Hook",
            "its project is none of the item bank's",
        ),
    ],
)
async def test_what_is_not_its_business_is_answered_with_success(
    client: Client, app: web.Application, document: Json, event: str, reason: str
) -> None:
    """GitLab takes away a hook that fails: so other events get 200, and nothing is queued."""
    status, answer = await notify(client, document, X_Gitlab_Event=event)
    assert (status, answer) == (200, {"outcome": "IGNORED", "reason": reason})
    assert await app[DATABASE].read(pending_count) == 0


def test_the_name_of_an_event_is_shown_without_what_a_terminal_obeys(gitlab: GitLabKind) -> None:
    """Whatever a sender puts into the header, the answer's reason is plain text of some length."""
    bank = gitlab.bank()
    event = bank.parse_event({"X-Gitlab-Event": "Issue\x1b[31m" + "x" * 200}, b"")
    assert isinstance(event, Unrelated)
    assert event.reason == f"Issue?[31m{'x' * 90} is no push"


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "no JSON object"),
        ({"object_kind": "push"}, "lacks one of project_id"),
        (push(project=None), "lacks one of project_id"),
        (push(project_id="7"), "project_id is no number"),
        (push(ref=7), "no text"),
    ],
)
async def test_what_is_no_notification_is_refused_with_words(
    client: Client, document: Any, says: str
) -> None:
    """A body that GitLab would not send is a 400 that says what is wrong with it."""
    status, text = await notify(client, document)
    assert status == 400
    assert says in text


async def test_a_body_without_end_is_not_read(client: Client) -> None:
    """More bytes than any notification has are a 413."""
    headers = {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": SECRET}
    limit_bytes = ServerSettings().max_body_bytes
    response = await client.post(
        "/webhook", data=io.BytesIO(b" " * (limit_bytes + 1)), headers=headers
    )
    assert response.status == 413
    assert str(limit_bytes) in await response.text()


async def test_pushes_that_nobody_has_seen_to_are_seen_to_at_the_next_start(
    settings: Settings, aiohttp_client: AiohttpClient
) -> None:
    """What is on record is the queue: a process that died leaves it to the next one."""
    first = create_app(settings)
    client = await aiohttp_client(first)
    await client.close()
    second = create_app(settings)

    async def leave(app: web.Application) -> AsyncIterator[None]:
        await change(
            app[DATABASE],
            "INSERT INTO pending_push (bank_key, first_at, last_at, pushes)"
            " VALUES ('8', '2026-01-01 00:00:00.000000', '2026-01-01 00:00:00.000000', 3)",
        )
        yield

    # Between the database and the worker.
    second.cleanup_ctx.insert(1, leave)
    client = await aiohttp_client(second)
    await seen_to(second)
    assert (await client.get("/items/8")).status == 200


async def test_a_bank_that_is_away_keeps_pushes_waiting(
    app: web.Application, client: Client, gitlab: GitLabKind
) -> None:
    """Nothing is lost: it is tried again, and the row says why it has not come through yet."""
    away = gitlab.gitlab.faults.add("status", status=503)
    assert (await notify(client, push("7")))[0] == 202
    async with asyncio.timeout(DEADLINE_S):
        found: list[Any] = []
        while not found or found[0].attempts < 1:
            found = await rows(app[DATABASE], "SELECT attempts, last_error FROM pending_push")
    assert "503" in found[0].last_error
    gitlab.gitlab.faults.remove(away)
    await seen_to(app)
    assert (await client.get("/items/7")).status == 200
