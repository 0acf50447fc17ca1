"""The whole service against a bank at GitLab that hangs."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from aiohttp import web
from attrs import evolve
from pytest_aiohttp import AiohttpClient

from ingest.bank.fake_gitlab.gitlab import FakeGitLab
from ingest.model.secret import Secret
from ingest.settings import (
    BankSettings,
    GitLabSettings,
    Secrets,
    Settings,
    WebhookSettings,
)
from tests.support.bank_calls import threads_at_work
from tests.support.gitlab_bench import GitLabBench, gitlab_bench, nothing_in_flight
from tests.support.service import DEADLINE_S, Client, ended, get

WEBHOOK_TOKEN: Final = "glwht-of-the-webhook-3f8a"  # noqa: S105 - a test's own
ITEMS: Final = 20


@pytest.fixture
async def gitlab(tmp_path: Path) -> AsyncIterator[GitLabBench]:
    """A group with items."""
    async with gitlab_bench(tmp_path / "bank", tmp_path / "none") as made:
        made.items(*map(str, range(1, ITEMS + 1)))
        yield made


@pytest.fixture
def fake(gitlab: GitLabBench) -> FakeGitLab:
    """The fake GitLab itself."""
    return gitlab.gitlab


@pytest.fixture
def settings(settings: Settings, fake: FakeGitLab) -> Settings:
    """Settings that name the group, and have hooks made."""
    return evolve(
        settings,
        bank=BankSettings(url=fake.bank_url),
        gitlab=GitLabSettings(
            max_requests_per_second=100_000.0, attempts=1, failures_in_a_row=1000, listing="group"
        ),
        webhook=WebhookSettings(url="https://ingest.example/webhook", create_hooks=True),
        secrets=Secrets(bank_token=Secret(fake.token.value), webhook_token=Secret(WEBHOOK_TOKEN)),
    )


async def start(client: Client) -> int:
    """Start a synchronization; return its execution."""
    response = await client.post("/sync")
    assert response.status == 200, await response.text()
    document = await response.json()
    execution_id: int = document["jobExecutionId"]
    return execution_id


async def test_abandoned_while_sixteen_requests_hang(client: Client, fake: FakeGitLab) -> None:
    """The answer comes soon; after it GitLab is asked nothing more, and the next start works."""
    hold = fake.faults.add("stall", "/branches/")
    execution_id = await start(client)
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(DEADLINE_S):
        await hold.until_hanging(16)
        begun = loop.time()
        response = await client.put("/abandon/1")
        took_s = loop.time() - begun
        asked = fake.requests.total
    assert (await response.json())["status"] == "ABANDONED"
    assert took_s < 1.0
    assert threads_at_work() == []
    await nothing_in_flight(fake)
    assert fake.requests.total == asked
    document = await get(client, f"/executions/{execution_id}")
    # A check of the bank at the start is nobody's.
    assert document["bankRequests"]["made"] == asked - 1

    fake.faults.remove(hold)
    last = await ended(client, await start(client))
    assert (last["status"], last["counts"]["created"]) == ("COMPLETED", ITEMS)
    assert f"requiring project webhook: {ITEMS}," in last["exitMessage"]


async def test_the_service_ends_while_requests_hang(
    app: web.Application, aiohttp_client: AiohttpClient, fake: FakeGitLab
) -> None:
    """Also while the bank's health is asked for; no request outlives it."""
    client = await aiohttp_client(app)
    await ended(client, await start(client))
    hold = fake.faults.add("stall")
    await start(client)
    async with asyncio.timeout(DEADLINE_S):
        await hold.until_hanging(1)
        await client.close()
        await nothing_in_flight(fake)
    assert threads_at_work() == []


async def test_one_item_now_is_not_waited_for_without_end(client: Client, fake: FakeGitLab) -> None:
    """A bank that hangs is a 502 after the time that the caller prefers, and asked no more then."""
    hold = fake.faults.add("stall", "/projects")
    response = await client.post("/sync/7", headers={"Prefer": "wait=1"})
    assert response.status == 502
    assert "did not answer within 1 seconds" in await response.text()
    async with asyncio.timeout(DEADLINE_S):
        await hold.until_hanging(0)
    fake.faults.remove(hold)
    response = await client.post("/sync/7", headers={"Prefer": "wait=30"})
    assert response.headers["Preference-Applied"] == "wait=30"
    assert (await response.json())["outcome"] == "CREATED"
