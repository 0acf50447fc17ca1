"""Nothing that GitLab's client raises or logs holds a token."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import pytest
from attrs import evolve
from structlog.testing import capture_logs

from ingest.bank.base import Wanted
from ingest.bank.fake_gitlab.access import Standing
from ingest.bank.fake_gitlab.gitlab import FakeGitLab
from ingest.bank.gitlab.api import NEW_HOOK, PROJECT
from ingest.bank.gitlab.bank import GitLabBank
from ingest.bank.gitlab.hooks import PushHooks
from ingest.errors import HookRefusedError
from ingest.model.item import Rejected
from ingest.model.secret import Secret
from tests.support.bank_calls import changes, listed
from tests.support.exposure import shown
from tests.support.gitlab_bench import GitLabBench, scanned
from tests.support.gitlab_kind import LIMITS

WEBHOOK_TOKEN: Final = "glwht-of-the-webhook-3f8a"  # noqa: S105 - a test's own
URL: Final = "https://ingest.example/webhook"

FAULTS: Final[Mapping[str, dict[str, Any]]] = {
    "500": {"kind": "status", "status": 500},
    "502": {"kind": "status", "status": 502},
    "429": {"kind": "status", "status": 429, "headers": {"Retry-After": "3600"}},
    "302": {"kind": "login_redirect"},
    "418": {"kind": "status", "status": 418},
    "reset": {"kind": "cut"},
    "cut body": {"kind": "cut_body"},
    "truncated body": {"kind": "truncated"},
    "stall": {"kind": "stall"},
    "slow body": {"kind": "slow_body"},
    "login page": {"kind": "login_page"},
    "bad JSON": {"kind": "bad_json"},
    "wrong shape": {"kind": "wrong_shape"},
    "broken header": {"kind": "status", "status": 500, "headers": {"X-Long": "x" * 20_000}},
}
STANDINGS: Final = (
    *(Standing.UNKNOWN, Standing.REVOKED, Standing.EXPIRED, Standing.FORBIDDEN),
    *(Standing.NO_GROUP, Standing.NO_PROJECTS),
)


def calls(bank: GitLabBank, wanted: Wanted) -> list[Callable[[], Awaitable[object]]]:
    """Return everything that can be asked, the raw client's questions among them."""
    hooks = PushHooks(bank.client, bank.group, URL, Secret(WEBHOOK_TOKEN))
    number = wanted.bank_id or 0
    return [
        bank.check,
        lambda: listed(bank),
        lambda: bank.head("7"),
        lambda: bank.head("7", number),
        lambda: bank.read("7", wanted.revision),
        lambda: bank.log("7"),
        lambda: changes(bank, [wanted]),
        lambda: hooks.ensure("7", number),
        lambda: bank.client.ask(PROJECT, {"id": number}, tell=str),
        lambda: bank.client.create(
            NEW_HOOK, {"id": number}, {"url": URL, "token": Secret(WEBHOOK_TOKEN)}, is_there=nothing
        ),
        lambda: bank.client.graphql("a query", "{ x }", {}, tell=str),
    ]


async def nothing() -> bool:
    """Find that nothing is there."""
    return False


async def outcome(call: Callable[[], Awaitable[object]]) -> object:
    """Return what a call returns, or what it raises."""
    try:
        return await call()
    except Exception as error:  # noqa: BLE001 - that is what is looked at
        return error


async def told(bank: GitLabBank, wanted: Wanted) -> tuple[str, int]:
    """Ask everything; return all that was raised or logged, and how many calls failed."""
    parts: list[str] = []
    failed = 0
    with capture_logs() as lines:
        for call in calls(bank, wanted):
            result = await outcome(call)
            if isinstance(result, Exception):
                parts.append(shown(result))
                failed += 1
            for one in result if isinstance(result, list) else []:
                if isinstance(one, Rejected):
                    parts.append(repr(one))
                    failed += 1
    return "\n".join([*parts, repr(lines), repr(vars(bank.transport))]), failed


@pytest.fixture
async def wanted(bench: GitLabBench) -> Wanted:
    """What to read of item 7."""
    bench.items("7")
    _, (one,) = await scanned(bench.bank())
    assert one.revision is not None
    return Wanted(
        key="7", path=one.path, revision=one.revision, bank_id=one.bank_id, branch=one.branch
    )


def bank_of(bench: GitLabBench, **changes: Any) -> GitLabBank:
    """Return a bank that knows both secrets."""
    return bench.bank(
        limits=evolve(LIMITS, timeout_s=0.05, attempts=2, **changes),
        hidden=[Secret(WEBHOOK_TOKEN)],
    )


def hold_no_secret(text: str, fake: FakeGitLab) -> None:
    """See that neither token is anywhere, nor a part of one."""
    for secret in (fake.token.value, WEBHOOK_TOKEN):
        at = text.find(secret[3:])
        assert at == -1, text[max(0, at - 300) : at + 100]


@pytest.mark.parametrize("name", FAULTS)
async def test_no_failure_shows_a_token(
    bench: GitLabBench, fake: FakeGitLab, wanted: Wanted, name: str
) -> None:
    """Message, repr, traceback, local variables, causes and contexts, and the log."""
    fake.faults.add(**FAULTS[name])
    text, failed = await told(bank_of(bench), wanted)
    assert failed >= 9
    hold_no_secret(text, fake)


@pytest.mark.parametrize("standing", STANDINGS)
async def test_no_refusal_shows_a_token(
    bench: GitLabBench, fake: FakeGitLab, wanted: Wanted, standing: Standing
) -> None:
    """Whatever right is missing."""
    fake.token.standing = standing
    text, failed = await told(bank_of(bench), wanted)
    assert failed >= 5
    hold_no_secret(text, fake)


@pytest.mark.parametrize("name", ["500", "418", "reset", "login page"])
async def test_a_hook_that_cannot_be_made_shows_no_token(
    bench: GitLabBench, fake: FakeGitLab, wanted: Wanted, name: str
) -> None:
    """The webhook's token is sent with it, and seen nowhere else."""
    fake.faults.add(path="/hooks", method="POST", **FAULTS[name])
    bank = bank_of(bench)
    hooks = PushHooks(bank.client, bank.group, URL, Secret(WEBHOOK_TOKEN))
    error = await outcome(lambda: hooks.ensure("7", wanted.bank_id or 0))
    assert isinstance(error, HookRefusedError)
    hold_no_secret(shown(error), fake)


async def test_nobody_there_shows_no_token(bench: GitLabBench, wanted: Wanted) -> None:
    """Where the connection is refused, or what answers speaks another protocol."""

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    other = await asyncio.start_server(speak, "127.0.0.1", 0)
    port = other.sockets[0].getsockname()[1]
    token, bench.gitlab.url = bench.gitlab.token.value, f"http://127.0.0.1:{port}"
    text, failed = await told(bank_of(bench), wanted)
    assert failed == 11
    assert "BadStatusLine" in text or "400, message" in text
    other.close()
    await other.wait_closed()
    refused, failed = await told(bank_of(bench), wanted)
    assert failed == 11
    assert "ClientConnectorError" in refused
    for secret in (token, WEBHOOK_TOKEN):
        assert secret not in text + refused


async def test_a_token_that_is_sent_back_is_made_unreadable(
    bench: GitLabBench, fake: FakeGitLab, wanted: Wanted
) -> None:
    """A proxy that quotes the request in its page must not put the token into a message."""
    for status in (400, 403, 500, 302):
        body = f"<pre>Authorization: Bearer {fake.token.value}; token={WEBHOOK_TOKEN}</pre>"
        there = {"Location": f"/login?token={fake.token.value}"}
        json = f'{{"message": "no {fake.token.value}, no {WEBHOOK_TOKEN}"}}'
        for sent in (body, json, body.replace("<", "")):
            fake.faults.add("status", status=status, body=sent, headers=there)
            bank = bank_of(bench, failures_in_a_row=1000)
            for call in calls(bank, wanted):
                error = await outcome(call)
                hold_no_secret(f"{error!s} {error!r}", fake)
            fake.faults.clear()
