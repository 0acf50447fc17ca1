"""How hard GitLab is pressed, and what it may ask for."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import Final

import pytest
from attrs import evolve

from ingest.bank.fake_gitlab.gitlab import FakeGitLab
from ingest.bank.gitlab.api import PROJECT
from ingest.bank.gitlab.failures import AskError, GaveUpError
from ingest.bank.gitlab.pressure import Pressure, retry_after_s, server_time
from ingest.errors import BankUnavailableError
from ingest.model.traffic import Meter, metered
from tests.support.gitlab_bench import (
    DEADLINE_S,
    GRAPHQL,
    REST,
    GitLabBench,
    incomplete,
    scanned,
)
from tests.support.gitlab_kind import LIMITS

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)


def date(after_s: float = 0) -> str:
    """Return the header's text of a time so long after noon."""
    return format_datetime(NOON + timedelta(seconds=after_s), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "expected_s"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": date(90), "Date": date()}, 90),
        ({"Retry-After": date(-90), "Date": date()}, 0),
        ({"Retry-After": "Sun, 01 Mar 2026 12:00:05", "Date": date()}, 5),
        ({"Retry-After": "Sun, 01 Mar 2026 12:00:05 -0000", "Date": date()}, 5),
        ({"Retry-After": "-7"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "9" * 40}, None),
        ({"Retry-After": f"Sun, 01 Mar {'9' * 30} 12:00:05 GMT"}, None),
    ],
)
def test_the_pause_that_is_asked_for(headers: Mapping[str, str], expected_s: float | None) -> None:
    """As a number or as a date by GitLab's own clock; what cannot be read asks for none."""
    assert retry_after_s(headers) == expected_s


def test_the_time_at_gitlab() -> None:
    """Its own, where it tells; this machine's otherwise."""
    assert server_time({"Date": date()}) == NOON
    for text in ("", "yesterday", f"Sun, 01 Mar {'9' * 30} 12:00:05 GMT"):
        assert abs(server_time({"Date": text}) - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Retry-After": "1"}, id="number"),
        pytest.param({"Retry-After": date(1), "Date": date()}, id="date"),
        pytest.param(
            {
                "RateLimit-Remaining": "0",
                "RateLimit-Reset": f"{NOON.timestamp() + 1:.0f}",
                "Date": date(),
            },
            id="limit",
        ),
    ],
)
async def test_a_pause_that_is_asked_for_holds_back_everything(
    bench: GitLabBench, fake: FakeGitLab, headers: dict[str, str]
) -> None:
    """By GitLab's clock, which may differ from ours; and what was waited is counted."""
    fake.faults.add("status", nth=1, status=429, headers=headers)
    # One at a time: another one that was on its way would be answered in the pause.
    bank, meter = bench.bank(limits=evolve(LIMITS, at_once=1)), Meter()
    with metered(meter):
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.gather(*(bank.group.look() for _ in range(3)))
    refused, *others = [one.at for one in fake.requests.last]
    assert all(at - refused > 0.9 for at in others)
    assert (meter.requests, meter.retried) == (4, 1)
    assert meter.waited_s >= 0.9
    assert bank.transport.total.waited_s == pytest.approx(meter.waited_s)


async def test_a_pause_holds_back_who_waits_for_the_rate_as_well() -> None:
    """It may be asked for while somebody has passed the last one, and not been sent."""
    pressure, loop = Pressure(at_once=10, per_second=5.0), asyncio.get_running_loop()
    sent: list[float] = []

    async def send() -> None:
        async with pressure.turn(Meter()):
            sent.append(loop.time())

    begun = loop.time()
    sending = [asyncio.create_task(send()) for _ in range(6)]
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.wait(sending[:5])
        pressure.pause(0.5)
        await asyncio.wait(sending)
    assert len(sent) == 6
    assert sent[-1] - begun >= 0.5


async def test_without_a_word_the_pauses_grow_by_themselves(
    bench: GitLabBench, fake: FakeGitLab
) -> None:
    """429 without Retry-After, or with none that is one: exponential, with jitter."""
    for headers in ({}, {"Retry-After": "0"}):
        fake.requests.clear()
        fake.faults.add("status", nth=[1, 2, 3], status=429, headers=headers)
        limits = evolve(LIMITS, attempts=4, first_pause_s=0.04, last_pause_s=10.0)
        await bench.bank(limits=limits).check()
        at = [one.at for one in fake.requests.last]
        pauses = [later - earlier for earlier, later in pairwise(at)]
        assert len(pauses) == 3
        for number, pause_s in enumerate(pauses):
            assert pause_s >= 0.04 * 2**number
        fake.faults.clear()


@pytest.mark.parametrize("how", [GRAPHQL, REST])
async def test_a_pause_of_an_hour_is_not_waited_for(
    bench: GitLabBench, fake: FakeGitLab, how: object
) -> None:
    """It fails with words at once, and holds back nobody who asks later."""
    bench.items("7")
    order = fake.faults.add(
        "status", "graphql|/projects", status=429, headers={"Retry-After": "3600"}
    )
    bank = bench.bank(how=how)
    begun = time.monotonic()
    message, _ = await incomplete(bank)
    assert "to be tried again in 3600 seconds" in message
    assert "longer than the 900 seconds that are waited at most" in message
    assert order.done == 1
    with pytest.raises(BankUnavailableError, match="3600 seconds"):
        await bank.head("7", 7)
    fake.faults.clear()
    assert (await scanned(bank))[0].complete
    assert time.monotonic() - begun < DEADLINE_S


async def test_a_limit_that_ends_in_an_hour_is_not_waited_for(
    bench: GitLabBench, fake: FakeGitLab
) -> None:
    """Only a refusal would tell that it is meant; the next request shows."""
    reset = f"{NOON.timestamp() + 3600:.0f}"
    headers = {"RateLimit-Remaining": "0", "RateLimit-Reset": reset, "Date": date()}
    fake.faults.add("status", nth=1, status=503, headers=headers)
    async with asyncio.timeout(DEADLINE_S):
        await bench.bank().check()


async def test_a_limit_of_the_server_is_kept_to_the_end(
    bench: GitLabBench, fake: FakeGitLab
) -> None:
    """Where only so many are answered in a window, the rest waits for the next ones."""
    bench.many(range(1, 9))
    fake.world.limit.per_window, fake.world.limit.window_s = 6, 1.0
    scan, found = await scanned(bench.bank(how=REST, limits=evolve(LIMITS, at_once=2)))
    assert (scan.complete, len(found)) == (True, 8)
    # RateLimit-Remaining tells in time: hardly any is refused.
    assert fake.requests.statuses[429] <= 2


async def test_no_more_requests_are_on_their_way_than_allowed(
    bench: GitLabBench, fake: FakeGitLab
) -> None:
    """However many there are to send."""
    bench.many(range(1, 41))
    hold = fake.faults.add("stall", "/branches/")
    bank = bench.bank(how=REST, limits=evolve(LIMITS, at_once=5))
    scanning = asyncio.create_task(scanned(bank))
    async with asyncio.timeout(DEADLINE_S):
        await hold.until_hanging(5)
        hold.release()
        await scanning
    assert fake.requests.most_in_flight == 5


async def test_no_more_requests_are_sent_in_a_second_than_allowed(
    bench: GitLabBench, fake: FakeGitLab
) -> None:
    """One second's worth may go at once, the rest at that pace; below one a second, too."""
    bench.many(range(1, 31))
    bank = bench.bank(how=REST, limits=evolve(LIMITS, per_second=25.0))
    begun = time.monotonic()
    await scanned(bank)
    sent = fake.requests.total
    assert sent == 33
    assert time.monotonic() - begun >= (sent - 25) / 25.0 - 0.02

    slow = bench.bank(limits=evolve(LIMITS, per_second=0.1))
    await slow.group.look()
    second = asyncio.create_task(slow.group.look())
    done, _ = await asyncio.wait({second}, timeout=0.1)
    assert not done
    second.cancel()
    await asyncio.wait({second})
    assert fake.requests.total == sent + 1


async def test_so_many_failures_in_a_row_end_it(bench: GitLabBench, fake: FakeGitLab) -> None:
    """A success in between begins the count anew; the message says how many they were."""
    bench.many(range(1, 5))
    limits = evolve(LIMITS, at_once=1, attempts=1, failures_in_a_row=3)
    bank = bench.bank(how=REST, limits=limits)
    # Two that fail are not three, and the next success begins the count anew.
    order = fake.faults.add("status", "/projects/100000[12]/repository/branches", status=500)
    assert (await scanned(bank))[0].complete
    assert (await scanned(bank))[0].complete
    fake.faults.remove(order)

    fake.faults.add("status", "/projects/", status=500)
    for _ in range(2):
        with pytest.raises(AskError):
            await bank.client.ask(PROJECT, {"id": 7}, tell=str)
    with pytest.raises(
        GaveUpError, match="3 requests in a row have failed, the last of them GET"
    ) as gave_up:
        await bank.client.ask(PROJECT, {"id": 7}, tell=str)
    assert f"{fake.url}/api/v4/projects/7: 500" in str(gave_up.value)
    # Another run begins to count anew.
    with pytest.raises(AskError) as failed:
        await bank.client.ask(PROJECT, {"id": 7}, tell=str)
    assert not isinstance(failed.value, GaveUpError)


async def test_a_bank_that_is_closed_asks_no_more(bench: GitLabBench, fake: FakeGitLab) -> None:
    """Also a request that waits for its next try, for nobody would close its connection."""
    fake.faults.add("status", status=503)
    bank = bench.bank(limits=evolve(LIMITS, first_pause_s=0.2, last_pause_s=0.2))
    check = asyncio.create_task(bank.check())
    async with asyncio.timeout(DEADLINE_S):
        await fake.requests.reached(1)
        await bank.aclose()
        with pytest.raises(BankUnavailableError, match="closed its connections"):
            await check
    assert fake.requests.total == 1
