"""The watchdog of the event loop."""

import asyncio
import threading
from collections import Counter
from collections.abc import MutableMapping
from typing import Any

import pytest
import structlog
from attrs import define, field

from ingest.jobs.watchdog import LoopWatchdog
from tests.support.service import DEADLINE_S

BLOCKED = "event loop blocked"
TURNS = "event loop turns again"


@define
class Heard:
    """The log lines of the watchdog; safe to wait for from any thread."""

    lines: dict[str, MutableMapping[str, Any]] = field(factory=dict)
    #: How often each was heard.
    times: Counter[str] = field(factory=Counter)
    blocked: threading.Event = field(factory=threading.Event)
    turns: threading.Event = field(factory=threading.Event)

    def __call__(self, _: object, __: str, line: MutableMapping[str, Any]) -> Any:
        """Take in a line."""
        self.lines[line["event"]] = line
        self.times[line["event"]] += 1
        {BLOCKED: self.blocked, TURNS: self.turns}[line["event"]].set()
        raise structlog.DropEvent


@pytest.fixture
def heard() -> Heard:
    """What is logged; the configuration is put back by a fixture for all tests."""
    made = Heard()
    structlog.configure(processors=[made])
    return made


def block(heard: Heard) -> None:
    """Hold the thread until it was noticed."""
    assert heard.blocked.wait(DEADLINE_S)


async def test_a_blocked_loop_is_told_of_while_it_stands_still(heard: Heard) -> None:
    """The warning names the running job and the line; another one says when it is over."""
    async with LoopWatchdog(lambda: ["a job"], beat_s=0.01, blocked_s=0.05) as watchdog:
        block(heard)
        line = heard.lines[BLOCKED]
        assert line["jobs"] == ["a job"]
        assert "tests/jobs/test_watchdog.py" in line["at"]
        assert line["at"].endswith(" in block")
        assert line["blocked_s"] > 0.05
        assert await asyncio.to_thread(heard.turns.wait, DEADLINE_S)
        assert watchdog.worst_lag_s > 0.05
        assert heard.lines[TURNS]["jobs"] == ["a job"]


async def test_each_block_is_told_of_once(heard: Heard) -> None:
    """However long it lasts there is one warning, and one that it is over; the next anew."""
    async with LoopWatchdog(list, beat_s=0.01, blocked_s=0.05):
        for _ in range(2):
            heard.blocked.clear()
            heard.turns.clear()
            block(heard)
            told = heard.times[BLOCKED]
            # The loop cannot turn while this waits for it.
            assert not heard.turns.wait(0.2)
            assert heard.times[BLOCKED] == told
            assert await asyncio.to_thread(heard.turns.wait, DEADLINE_S)


async def test_a_lag_passes_and_the_worst_is_remembered(heard: Heard) -> None:
    """Behind a block the loop is as quick as before; the minute's worst tells of it."""
    watchdog = LoopWatchdog(list, beat_s=0.01, blocked_s=0.05)
    assert (watchdog.lag_s, watchdog.worst_lag_s) == (0.0, 0.0)
    async with watchdog:
        block(heard)
        assert await asyncio.to_thread(heard.turns.wait, DEADLINE_S)
        async with asyncio.timeout(DEADLINE_S):
            while watchdog.lag_s >= 0.01:  # noqa: ASYNC110 - a figure has no event
                await asyncio.sleep(0)
        assert watchdog.worst_lag_s > 0.05


async def test_a_loop_that_turns_is_not_told_of(heard: Heard) -> None:
    """The lag is a figure, and without a block there is no warning."""
    async with LoopWatchdog(list, beat_s=0.001, blocked_s=DEADLINE_S) as watchdog:
        async with asyncio.timeout(DEADLINE_S):
            while watchdog.worst_lag_s == 0.0:  # noqa: ASYNC110 - a figure has no event
                await asyncio.sleep(0)
        assert 0.0 <= watchdog.lag_s <= watchdog.worst_lag_s
    assert heard.lines == {}


async def test_a_watchdog_that_is_left_ends() -> None:
    """Neither its task nor its thread outlives it."""
    others = set(threading.enumerate())
    async with LoopWatchdog(list, beat_s=0.001, blocked_s=0.004):
        (thread,) = set(threading.enumerate()) - others
    assert [task for task in asyncio.all_tasks() if "heartbeat" in task.get_name()] == []
    await asyncio.to_thread(thread.join, DEADLINE_S)
    assert not thread.is_alive()
