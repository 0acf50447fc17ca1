"""The process: it listens until a signal comes, then ends in order, and always ends."""

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import FrameType
from typing import Any, Final, NoReturn

import structlog
from aiohttp import web

from ingest import logs, slices
from ingest.api.crowd import ConnectionLimits
from ingest.api.keys import LIFECYCLE
from ingest.app import ENGINE, create_app
from ingest.connections import Site
from ingest.errors import ConfigurationError
from ingest.settings import Settings

#: How long answers that are on their way are waited for after the jobs have ended.
LAST_ANSWERS_S: Final = 3.0

#: What a shutdown may take beyond the jobs' grace. With the default grace it is over before the
#: 30 s after which orchestrators kill.
BEYOND_GRACE_S: Final = 4.0

#: A last word must not keep a process whose standard error nobody reads.
_LAST_WORD_S: Final = 0.5

#: How long a thread keeps the interpreter while others want it. With the usual 5 ms the event loop
#: is late by more than that whenever threads read and write flat out.
SWITCH_S: Final = 0.001

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

_log = structlog.get_logger(__name__)


class _Stop:
    """What the signals say: the first asks for the end, the second ends at once.

    Heard by a thread of its own, at the pipe that the interpreter writes to for each signal,
    whichever thread the kernel chose for it: not by the event loop, which may be blocked, nor by
    the main thread, which may hang in a call that no signal ends. For the same reason a thread
    ends the process when its time is up.

    Args:
        longest_s: What the end in order may take.
    """

    def __init__(self, longest_s: float) -> None:
        self.asked = asyncio.Event()
        self.by = ""
        self._loop = asyncio.get_running_loop()
        self._longest_s = longest_s
        self._heard, wakes = os.pipe()
        os.set_blocking(wakes, False)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, _nothing)  # else the interpreter would not write
        threading.Thread(target=self._listen, name="signals", daemon=True).start()

    def _listen(self) -> None:
        while True:
            (number,) = os.read(self._heard, 1)
            if number not in _SIGNALS:
                continue
            if self.by:
                os._exit(128 + number)
            self.by = signal.Signals(number).name
            threading.Thread(target=self._end_late, name="deadline", daemon=True).start()
            with suppress(RuntimeError):  # the loop is closed: it is at its end
                self._loop.call_soon_threadsafe(self.asked.set)

    def _end_late(self) -> None:
        time.sleep(self._longest_s)
        _log.error("service did not end in time", after_s=self._longest_s, signal=self.by)
        _exit(1)


async def serve(
    settings: Settings, *, create: Callable[[Settings], web.Application] = create_app
) -> int:
    """Run the service, as *create* makes it, until a signal; return the process's exit code.

    The order of the end: ready answers 503 and nothing new starts, jobs wind down and are
    recorded, answers on their way are sent, the listener and then the database are closed. A job
    that does not wind down within the grace does not keep the process, nor does anything else.

    Raises:
        ConfigurationError: The address cannot be listened on.
        DatabaseInUseError: Another process owns the database.
        IngestError: The database cannot be used.
    """
    sys.setswitchinterval(SWITCH_S)
    stop = _Stop(settings.server.shutdown_grace_s + BEYOND_GRACE_S)
    app = create(settings)
    # The runner's own handling would close the listener before ready could answer 503.
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=LAST_ANSWERS_S)
    drained = True
    try:
        if await _until_stopped(runner.setup(), stop):
            await _listen(runner, settings)
            await stop.asked.wait()
            _log.info("service stopping", signal=stop.by)
            app[LIFECYCLE].closing.set()
            drained = await app[ENGINE].drain(grace_s=settings.server.shutdown_grace_s, by=stop.by)
            app[LIFECYCLE].drained.set()
    finally:
        if drained:
            await runner.cleanup()
    if not drained:
        # A thread that hangs would keep the process for ever. The rows are left as they are:
        # the next owner of the database finds them, and settles them by proof.
        _log.error("service ended with work that did not wind down")
        _exit(1)
    _log.info("service stopped")
    if slices.at_work():
        # All is recorded and closed; only a thread hangs, on a file system that does not answer.
        _exit(0)
    return 0


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Be a handler, so that the signal does not end the process by itself."""


def _exit(code: int) -> NoReturn:
    """End the process although something in it does not end."""
    logs.flush(_LAST_WORD_S)
    os._exit(code)


async def _until_stopped(setup: Coroutine[Any, Any, None], stop: _Stop) -> bool:
    """Await *setup*, unless a signal comes first; return whether it was done."""
    setting_up = asyncio.ensure_future(setup)
    asked = asyncio.ensure_future(stop.asked.wait())
    await asyncio.wait({setting_up, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if not setting_up.done():
        setting_up.cancel()
        await asyncio.wait({setting_up})
        return False
    await setting_up
    return True


async def _listen(runner: web.AppRunner, settings: Settings) -> None:
    host, port = settings.server.host, settings.server.port
    limits = ConnectionLimits.of(settings.server)
    try:
        await Site(runner, host, port, limits=limits).start()
    except OSError as error:
        raise ConfigurationError(
            f"server.host, server.port: cannot listen on {host}:{port}: {error.strerror}. "
            "Stop what listens there, or name another with --port"
        ) from error
    address = runner.addresses[0]
    _log.info(
        "service ready",
        url=f"http://{address[0]}:{address[1]}",
        database=str(settings.database.path),
        bank=settings.bank.url,
        pid=os.getpid(),
    )
