"""The words in which an execution's end is told."""

import asyncio
from datetime import UTC, datetime

import pytest

from ingest.errors import BankUnavailableError
from ingest.jobs.outcome import outcome
from ingest.model.job import Ask, JobStatus, Progress, StopAsked, StopReason

AT = datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=UTC)
WHEN = " at 2024-02-29T12:30:15.123Z:"
SIGNAL = StopAsked(AT, Ask("SIGTERM"), StopReason.SHUTDOWN)
ADA = StopAsked(AT, Ask("Ada", "too slow"), StopReason.REQUEST)


async def cancelled() -> "asyncio.Task[str]":
    """Return work that was cancelled."""

    async def work() -> str:
        await asyncio.get_running_loop().create_future()
        return ""

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    return task


@pytest.mark.parametrize(
    ("asks", "progress", "status", "message"),
    [
        (
            [SIGNAL],
            Progress(),
            JobStatus.STOPPED,
            "Stopped on request of SIGTERM{} 0 of an unknown number of items processed",
        ),
        (
            [SIGNAL, ADA],
            Progress(total=20, processed=7),
            JobStatus.ABANDONED,
            "Abandoned on request of Ada (too slow){} 7 of 20 items processed",
        ),
    ],
)
async def test_a_stop_tells_who_when_and_how_far(
    asks: list[StopAsked], progress: Progress, status: JobStatus, message: str
) -> None:
    """The message names who asked, why, when to the millisecond, and how far the work was."""
    reason = max(asked.why for asked in asks)
    end = outcome(await cancelled(), reason, asks, progress)
    assert (end.status, end.exit_message) == (status, message.format(WHEN))


async def test_an_error_of_ours_has_no_traceback() -> None:
    """What a person can act on is the whole message."""

    async def fail() -> str:
        raise BankUnavailableError("The bank is closed")

    work = asyncio.create_task(fail())
    await asyncio.wait({work})
    end = outcome(work, None, [], Progress())
    assert (end.status, end.exit_message) == (JobStatus.FAILED, "The bank is closed")


async def test_an_error_on_the_way_to_a_stop_is_told_behind_it() -> None:
    """Who asked comes first; of a first and a second who asked for the same, the first."""

    async def fail() -> str:
        raise BankUnavailableError("The bank is closed")

    work = asyncio.create_task(fail())
    await asyncio.wait({work})
    bob = StopAsked(AT, Ask("Bob", "me too"), StopReason.REQUEST)
    end = outcome(work, StopReason.REQUEST, [SIGNAL, ADA, bob], Progress(total=20, processed=7))
    message = (
        f"Abandoned on request of Ada (too slow){WHEN} 7 of 20 items processed. "
        "While it was stopping: The bank is closed"
    )
    assert (end.status, end.exit_message) == (JobStatus.ABANDONED, message)
    end = outcome(work, StopReason.SHUTDOWN, [SIGNAL], Progress())
    assert end.status is JobStatus.STOPPED
    assert end.exit_message.startswith(f"Stopped on request of SIGTERM{WHEN} 0 of ")


async def test_an_unexpected_error_is_told_with_its_traceback_once() -> None:
    """What happened and whose fault it is, and behind it where in the code."""

    async def fail() -> str:
        raise ValueError("no")

    work = asyncio.create_task(fail())
    await asyncio.wait({work})
    end = outcome(work, None, [], Progress())
    told, mark, trace = end.exit_message.partition("\n\nTraceback (most recent call last):\n")
    assert told == (
        "Unexpected ValueError: no. This is a fault of the service: "
        "the traceback is in this execution's row"
    )
    assert mark
    assert trace.startswith('  File "')
    assert trace.endswith("ValueError: no\n")
    assert "Traceback" not in trace
