"""Hooks: made over the API, called back over a real socket, given up when nobody listens."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from attrs import define, field

from ingest.bank.fake_gitlab.hooks import ENDS_AFTER, FIRST_REST_S, Hook, Hooks
from tests.bank.fake_gitlab.conftest import Asker
from tests.support.repositories import Repository

HOOKS = "/projects/1000007/hooks"
DEADLINE_S = 10.0


@define(eq=False)
class Receiver:
    """Takes calls, and answers as it is told."""

    url: str = ""
    status: int = 200
    calls: list[tuple[dict[str, str], Any]] = field(factory=list)

    async def take(self, request: web.Request) -> web.Response:
        """Take one call."""
        self.calls.append((dict(request.headers), await request.json()))
        return web.Response(status=self.status)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver of notifications."""
    made, app = Receiver(), web.Application()
    app.router.add_post("/webhook", made.take)
    async with TestServer(app) as server:
        made.url = str(server.make_url("/webhook"))
        yield made


async def _push(asker: Asker) -> int:
    called = await asker.gitlab.pushed("7")
    async with asyncio.timeout(DEADLINE_S):
        await asker.gitlab.hooks.settled()
    return called


async def test_hooks_are_made_listed_changed_and_removed(asker: Asker, item: Repository) -> None:
    """The token of a hook is never shown."""
    item.commit(b"{}")
    wanted = {"url": "http://127.0.0.1/", "token": "hush", "push_events": True}
    made = await asker.ask("POST", HOOKS, json=wanted)
    assert made.status == 201
    assert made.json["push_events"] is True
    assert made.json["project_id"] == 1_000_007
    path = f"{HOOKS}/{made.json['id']}"
    changed = await asker.ask("PUT", path, json={"push_events": False, "issues_events": True})
    assert (changed.json["push_events"], changed.json["issues_events"]) == (False, True)
    listed = await asker.get(HOOKS)
    assert [one["url"] for one in listed.json] == ["http://127.0.0.1/"]
    assert listed.headers["X-Total"] == "1"
    assert "hush" not in str([made.json, changed.json, listed.json])
    assert (await asker.ask("DELETE", path)).status == 204
    assert (await asker.get(path)).json == {"message": "404 Not found"}


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({}, 400, "url is missing"),
        ({"url": "nonsense"}, 422, "Invalid url given"),
        ({"url": "http://x/", "push_events": "perhaps"}, 400, "push_events is invalid"),
    ],
)
async def test_a_hook_that_cannot_be_is_refused(
    asker: Asker, item: Repository, body: dict[str, str], status: int, error: str
) -> None:
    """The answer names what is wrong."""
    item.commit(b"{}")
    answer = await asker.ask("POST", HOOKS, json=body)
    assert (answer.status, answer.json) == (status, {"error": error})


async def test_a_push_calls_the_hook(asker: Asker, item: Repository, receiver: Receiver) -> None:
    """The receiver gets the headers and the body of a Push Hook."""
    first = item.commit(b"1")
    await asker.ask("POST", HOOKS, data={"url": receiver.url, "token": "hush"})
    assert await _push(asker) == 1
    second = item.commit(b"2", author="Zoë")
    assert await _push(asker) == 1

    (_, made), (headers, body) = receiver.calls
    assert (made["before"], made["after"]) == ("0" * 40, first)
    assert headers["X-Gitlab-Event"] == "Push Hook"
    assert headers["X-Gitlab-Token"] == "hush"
    assert headers["X-Gitlab-Instance"] == asker.gitlab.url
    assert headers["User-Agent"].startswith("GitLab/")
    assert headers["X-Gitlab-Event-UUID"] != headers["Idempotency-Key"]
    assert (body["object_kind"], body["event_name"]) == ("push", "push")
    assert (body["before"], body["after"], body["checkout_sha"]) == (first, second, second)
    assert (body["ref"], body["project_id"]) == ("refs/heads/main", 1_000_007)
    assert body["project"]["path_with_namespace"] == "itembank/7"
    assert body["project"]["default_branch"] == "main"
    assert [one["id"] for one in body["commits"]] == [second]
    assert body["commits"][0]["author"]["name"] == "Zoë"
    assert body["total_commits_count"] == 1
    earlier, later = asker.gitlab.hooks.deliveries
    assert (earlier.status, later.status) == (200, 200)
    assert earlier.at + earlier.took_s <= later.at
    for last, told in (("1", [second]), ("9", [first, second]), ("0", [])):
        answer = await asker.session.get("/fake/deliveries", params={"last": last})
        assert [one["after"] for one in await answer.json()] == told
    assert (await asker.session.get("/fake/deliveries?last=all")).status == 400


async def test_a_large_push_tells_twenty_commits(
    asker: Asker, item: Repository, receiver: Receiver
) -> None:
    """The newest twenty, oldest first, and how many there are in all."""
    item.commit(b"0")
    await asker.ask("POST", HOOKS, json={"url": receiver.url})
    await _push(asker)
    hashes = [item.commit(b"%d" % number) for number in range(22)]
    await _push(asker)
    body = receiver.calls[-1][1]
    assert [one["id"] for one in body["commits"]] == hashes[-20:]
    assert body["total_commits_count"] == 22


async def test_a_hook_hears_of_the_branches_it_is_for(
    asker: Asker, item: Repository, receiver: Receiver
) -> None:
    """Other branches, and hooks that are not for pushes, are left alone."""
    item.commit(b"{}")
    await asker.ask(
        "POST", HOOKS, json={"url": receiver.url, "push_events_branch_filter": "release/*"}
    )
    await asker.ask("POST", HOOKS, json={"url": receiver.url, "push_events": False})
    assert await _push(asker) == 0
    await asker.ask("POST", HOOKS, json={"url": receiver.url, "push_events_branch_filter": "ma*"})
    assert await _push(asker) == 1


async def test_a_receiver_that_is_gone_is_logged(asker: Asker, item: Repository) -> None:
    """A call that nobody answers, or that takes too long, is a failure with its reason."""
    item.commit(b"{}")
    held = asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        await held.wait()
        return web.Response()

    app = web.Application()
    app.router.add_post("/", hang)
    async with TestServer(app) as server:
        await asker.ask("POST", HOOKS, json={"url": str(server.make_url("/"))})
        await asker.ask("POST", HOOKS, json={"url": "http://127.0.0.1:1/"})
        asker.gitlab.hooks.timeout_s = 0.05
        assert await _push(asker) == 2
        held.set()
    hung, refused = asker.gitlab.hooks.deliveries
    assert hung.error is not None
    assert hung.error.startswith("TimeoutError")
    assert refused.error is not None
    assert refused.status is None


async def test_a_hook_that_fails_four_times_rests(
    asker: Asker, item: Repository, receiver: Receiver
) -> None:
    """It is not called while it rests; editing it wakes it, and one success forgives it."""
    item.commit(b"{}")
    receiver.status = 500
    made = (await asker.ask("POST", HOOKS, json={"url": receiver.url})).json
    path = f"{HOOKS}/{made['id']}"
    for _ in range(4):
        assert (await asker.get(path)).json["alert_status"] == "executable"
        assert await _push(asker) == 1
    resting = (await asker.get(path)).json
    assert resting["alert_status"] == "temporarily_disabled"
    assert resting["disabled_until"] is not None
    assert await _push(asker) == 0
    receiver.status = 200
    await asker.ask("PUT", path, json={"push_events": True})
    assert await _push(asker) == 1
    assert asker.gitlab.hooks.of(1_000_007)[0].failures == 0


def test_rests_double_up_to_a_day_and_end_for_good() -> None:
    """A minute after four failures, twice as long each time, a day at most; then never again."""
    now = [0.0]
    hooks = Hooks(clock=lambda: now[0])
    hook = hooks.add(7, url="http://127.0.0.1/")
    rests = []
    for _ in range(ENDS_AFTER):
        assert hook.status(now[0]) == "executable"
        hooks.settle(hook, ok=False)
        if hook.rests_until is not None:
            rests.append(hook.rests_until - now[0])
            now[0] = hook.rests_until + 1
    assert rests[:4] == [FIRST_REST_S, 120.0, 240.0, 480.0]
    assert max(rests) == 86_400.0
    assert hook.status(now[0] + 1e9) == "disabled"


def test_a_hook_s_token_is_not_in_its_repr() -> None:
    """What is printed of a hook does not hold its secret."""
    assert "hush" not in repr(Hook(id=1, project_id=7, url="http://x/", token="hush"))  # noqa: S106
