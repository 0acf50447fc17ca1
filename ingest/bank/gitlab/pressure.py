"""How hard GitLab is pressed: so many requests at once and a second, and the pauses it asks for."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from aiolimiter import AsyncLimiter

from ingest.model.traffic import Meter

#: A pause that is longer than this is not waited for: the request fails instead.
LONGEST_PAUSE_S: Final = 900.0

#: Requests that a pause has held back are not all sent in the moment in which it is over.
_SPREAD_S: Final = 0.5


class Pressure:
    """Lets requests through one by one.

    Args:
        at_once: How many may be on their way at the same time.
        per_second: How many may be sent in a second.
    """

    def __init__(self, *, at_once: int, per_second: float) -> None:
        self._slots = asyncio.Semaphore(at_once)
        # Below one a second, one is the least that the bucket must hold.
        self._limiter = AsyncLimiter(max(1.0, per_second), max(1.0, 1.0 / per_second))
        self._not_before = 0.0

    @asynccontextmanager
    async def turn(self, *meters: Meter) -> AsyncIterator[None]:
        """Wait for one's turn, and hold it for as long as the request is on its way.

        What was waited for a limit is counted on each of *meters*; waiting for a slot is not.
        """
        loop = asyncio.get_running_loop()
        async with self._slots:
            begun = loop.time()
            try:
                await self._limiter.acquire()
                await self._pause_over()
            finally:
                waited_s = loop.time() - begun
                for meter in meters:
                    meter.waited_s += waited_s
            yield

    async def _pause_over(self) -> None:
        loop = asyncio.get_running_loop()
        while (pause_s := self._not_before - loop.time()) > 0:  # noqa: ASYNC110 - it may grow
            await asyncio.sleep(pause_s + random.uniform(0, _SPREAD_S))  # noqa: S311 - no secret

    def pause(self, pause_s: float) -> None:
        """Send nothing for so long. One of more than `LONGEST_PAUSE_S` is not waited for."""
        if pause_s <= LONGEST_PAUSE_S:
            until = asyncio.get_running_loop().time() + pause_s
            self._not_before = max(self._not_before, until)

    def heed(self, headers: Mapping[str, str]) -> None:
        """Pause where GitLab says that no more requests are allowed for now."""
        if headers.get("RateLimit-Remaining") == "0":
            reset = _number(headers.get("RateLimit-Reset"))
            if reset is not None:
                # By GitLab's own clock: ours may be another.
                self.pause(reset - server_time(headers).timestamp())


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the pause that an answer asks for, in seconds; None where it asks for none.

    Retry-After may be a number of seconds or a date (RFC 9110, section 10.2.3).
    """
    text = headers.get("Retry-After")
    if text is None:
        return None
    seconds = _number(text)
    if seconds is None:
        date = _date(text)
        if date is None:
            return None
        seconds = (date - server_time(headers)).total_seconds()
    return max(0.0, seconds)


def server_time(headers: Mapping[str, str]) -> datetime:
    """Return what the time was where an answer comes from; this machine's where it does not say."""
    return _date(headers.get("Date", "")) or datetime.now(UTC)


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
        return date if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _number(text: str | None) -> float | None:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > len("9999999999"):
        return None
    return float(text)
