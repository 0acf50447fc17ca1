"""The service as a process of its own, against a bank at GitLab."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import ClientSession
from attrs import evolve

from ingest.bank.fake_gitlab.access import Standing
from ingest.bank.fake_gitlab.gitlab import FakeGitLab
from ingest.settings import BankSettings, Settings
from tests.support.gitlab_bench import gitlab_bench, nothing_in_flight
from tests.support.processes import DEADLINE_S, Process, serving, session, statuses

WEBHOOK_TOKEN: Final = "glwht-of-the-webhook-3f8a"  # noqa: S105 - a test's own


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeGitLab]:
    """A GitLab with as many items as requests are sent at once."""
    async with gitlab_bench(tmp_path / "gitlab", tmp_path / "none") as bench:
        bench.items(*map(str, range(1, 17)))
        yield bench.gitlab


@pytest.fixture
def settings(settings: Settings, fake: FakeGitLab) -> Settings:
    """Settings that name the group."""
    return evolve(settings, bank=BankSettings(url=fake.bank_url))


def environ(fake: FakeGitLab, **more: str) -> Mapping[str, str]:
    """Return an environment with the bank's token."""
    return {"INGEST_BANK_TOKEN": fake.token.value, "INGEST_GITLAB_LISTING": "group", **more}


async def test_a_signal_ends_a_service_whose_bank_hangs(
    settings: Settings, fake: FakeGitLab
) -> None:
    """SIGTERM with sixteen requests on their way to a stalled GitLab: exit code 0, STOPPED."""
    hold = fake.faults.add("stall", "/branches/")
    async with serving(settings, environ=environ(fake)) as service, session(service) as client:
        async with client.post("/sync") as response:
            assert response.status == 200
        async with asyncio.timeout(DEADLINE_S):
            await hold.until_hanging(16)
            service.process.terminate()
            assert await service.ended() == 0
            await nothing_in_flight(fake)
    assert statuses(settings) == ["STOPPED"]


FAULTS: Final[list[dict[str, Any]]] = [
    {"kind": "status", "status": 500, "path": "/branches/"},
    {"kind": "status", "status": 403, "path": "/tree"},
    {"kind": "status", "status": 429, "headers": {"Retry-After": "3600"}, "path": "/commits"},
    {"kind": "cut", "path": "/raw"},
    {"kind": "cut_body", "path": "/projects[?]"},
    {"kind": "login_page", "path": "/raw"},
    {"kind": "login_redirect", "path": "/groups"},
    {"kind": "bad_json", "path": "/tree"},
    {"kind": "wrong_shape", "path": "/commits"},
    {"kind": "status", "status": 500, "path": "/hooks", "method": "POST"},
    {"kind": "status", "status": 500, "headers": {"X-Long": "x" * 20_000}},
]


@pytest.mark.parametrize("log_format", ["console", "json"])
async def test_no_token_is_seen_whatever_happens(
    settings: Settings, fake: FakeGitLab, log_format: str
) -> None:
    """In no log line, answer or row, over every fault and every way to lose one's rights."""
    more = environ(
        fake,
        INGEST_LOG_FORMAT=log_format,
        INGEST_LOG_LEVEL="DEBUG",
        INGEST_WEBHOOK_TOKEN=WEBHOOK_TOKEN,
        INGEST_WEBHOOK_URL="https://ingest.example/webhook",
        INGEST_WEBHOOK_CREATE_HOOKS="true",
        INGEST_GITLAB_ATTEMPTS="1",
        INGEST_GITLAB_MAX_REQUESTS_PER_SECOND="100000",
    )
    seen: list[str] = []
    async with serving(settings, "--max-items-per-second", "100000", environ=more) as service:
        url = await url_of(service)
        reading = asyncio.create_task(service.ended())
        async with ClientSession(url) as client:
            ends = []
            for fault in FAULTS:
                fake.faults.add(**fault)
                ends.append(await run(client, seen))
                fake.faults.clear()
            for standing in Standing:
                fake.token.standing = standing
                ends.append(await run(client, seen))
            fake.token.standing = Standing.VALID
            ends.append(await run(client, seen))
        assert ends[-1] == "COMPLETED"
        assert ends.count("FAILED") >= 8
        service.process.terminate()
        async with asyncio.timeout(DEADLINE_S):
            assert await reading == 0
    seen += [str(line) for line in service.lines]
    assert any("job ended" in text for text in seen)
    seen += contents_of(settings.database.path.parent)
    for secret in (fake.token.value, WEBHOOK_TOKEN):
        for text in seen:
            at = text.find(secret[3:])
            assert at == -1, text[max(0, at - 300) : at + 100]


async def url_of(service: Process) -> str:
    """Return where the service listens, whatever it logs like."""
    async with asyncio.timeout(DEADLINE_S):
        while await service.read_line():
            line = str(service.lines[-1])
            found = re.search("\\burl[': =]+(http://127.0.0.1:[0-9]+)", line)
            if "service ready" in line and found is not None:
                return found[1]
    raise AssertionError(service.lines)


async def run(client: ClientSession, seen: list[str]) -> str:
    """Synchronize, ask for all that can be asked for, and keep the answers; return how it ended."""
    async with client.post("/sync") as response:
        assert response.status == 200
        path = response.headers["Location"]
    status = "STARTING"
    async with asyncio.timeout(DEADLINE_S):
        while status in {"STARTING", "STARTED"}:
            async with client.get(path) as response:
                status = (await response.json())["status"]
    asked = ("/jobs", "/executions", "/items", "/items/1", "/problems", "/health", "/metrics")
    for one in (*asked, path, f"{path}/history"):
        async with client.get(one) as response:
            seen.append(f"{response.headers} {await response.text()}")
    for one in ("/sync/1", "/migrate/1", "/webhook"):
        headers = {"X-Gitlab-Token": WEBHOOK_TOKEN}
        async with client.post(one, json={}, headers=headers) as response:
            seen.append(f"{response.headers} {await response.text()}")
    return status


def contents_of(folder: Path) -> list[str]:
    """Return what the files of a database hold, as text."""
    paths = folder.glob("ingest.db*")
    return [path.read_bytes().decode("utf-8", errors="replace") for path in paths]
