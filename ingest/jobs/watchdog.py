"""Watches the event loop: how late it is, and what keeps it from turning."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Self

import structlog

from ingest.jobs.stack import place_of_thread

#: How often the loop is expected to come round, and is looked at.
BEAT_S: Final = 0.1

#: A loop that does not turn for so long is told of while it stands still.
BLOCKED_S: Final = 1.0

#: Over this time the worst lag is remembered.
WINDOW_S: Final = 60.0

_log = structlog.get_logger(__name__)


class LoopWatchdog:
    """Measures the event loop's lag, and warns of a loop that is blocked.

    The loop beats; a thread of its own sees a beat that does not come, and logs the running jobs
    and the line at which the loop's thread stands. Where a C function holds the interpreter's
    lock that thread stands still as well: then the warning comes when it is over.

    Args:
        running: Names what runs now; called in another thread.
        beat_s: How often the loop is expected to come round.
        blocked_s: How long it may stand still before there is a warning.
        on_beat: Is told after each beat how late it was, in seconds.
    """

    def __init__(
        self,
        running: Callable[[], Sequence[str]],
        *,
        beat_s: float = BEAT_S,
        blocked_s: float = BLOCKED_S,
        on_beat: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._running = running
        self._on_beat = on_beat
        self._beat_s = beat_s
        self._blocked_s = blocked_s
        #: How late the last beat was.
        self.lag_s = 0.0
        self._lags: deque[tuple[float, float]] = deque()
        self._beat_at = time.monotonic()
        self._is_told = False
        self._end = threading.Event()
        self._loop_thread = threading.get_ident()
        self._beating: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    @property
    def worst_lag_s(self) -> float:
        """How late the latest beat of the last minute was."""
        return max((lag_s for _, lag_s in self._lags), default=0.0)

    async def __aenter__(self) -> Self:
        self._loop_thread = threading.get_ident()
        self._beat_at = time.monotonic()
        self._beating = asyncio.create_task(self._beat(), name="heartbeat of the event loop")
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._end.set()
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait({self._beating})

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._beat_s)
            now = time.monotonic()
            self.lag_s = max(0.0, now - self._beat_at - self._beat_s)
            self._beat_at = now
            self._lags.append((now, self.lag_s))
            self._on_beat(self.lag_s)
            while self._lags[0][0] < now - WINDOW_S:
                self._lags.popleft()
            if self._is_told or self.lag_s > self._blocked_s:
                self._is_told = False
                _log.warning(
                    "event loop turns again", blocked_s=round(self.lag_s, 3), jobs=self._running()
                )

    def _watch(self) -> None:
        while not self._end.wait(self._blocked_s / 4):
            still_s = time.monotonic() - self._beat_at
            if still_s > self._blocked_s + self._beat_s and not self._is_told:
                self._is_told = True
                _log.warning(
                    "event loop blocked",
                    blocked_s=round(still_s, 3),
                    jobs=self._running(),
                    at=place_of_thread(self._loop_thread),
                )
