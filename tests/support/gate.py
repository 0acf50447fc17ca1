"""Where a thread says that it has come there, and is kept until it may go on."""

import asyncio
import threading

from tests.support.service import DEADLINE_S


class Gate:
    """For the work of another thread, and for the listeners of SQLAlchemy's events there."""

    def __init__(self) -> None:
        self._reached = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._open = threading.Event()

    def halt(self, *_: object) -> None:
        """Keep the calling thread."""
        self._loop.call_soon_threadsafe(self._reached.set)
        assert self._open.wait(DEADLINE_S)

    async def reached(self) -> None:
        """Wait until a thread has come."""
        async with asyncio.timeout(DEADLINE_S):
            await self._reached.wait()

    def open(self) -> None:
        """Let it go on."""
        self._open.set()
