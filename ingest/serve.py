"""The process: it listens until a signal comes, then ends in order."""

import asyncio
import os
import signal
from collections.abc import Coroutine
from typing import Any, Final

import structlog
from aiohttp import web

from ingest.api.keys import LIFECYCLE
from ingest.app import ENGINE, create_app
from ingest.errors import ConfigurationError
from ingest.settings import Settings

#: How long answers that are on their way are waited for after the jobs have ended.
LAST_ANSWERS_S: Final = 3.0

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

_log = structlog.get_logger(__name__)


class _Stop:
    """What the signals say: the first asks for the end, the second ends at once."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.by = ""

    def __call__(self, number: signal.Signals) -> None:
        if self.asked.is_set():
            os._exit(128 + number)
        self.by = number.name
        self.asked.set()


async def serve(settings: Settings) -> int:
    """Run the service until SIGTERM or SIGINT; return the process's exit code.

    The order of the end: ready answers 503 and nothing new starts, jobs wind down and are
    recorded, answers on their way are sent, the listener and then the database are closed. A job
    that does not wind down within the grace does not keep the process.

    Raises:
        ConfigurationError: The address cannot be listened on.
        DatabaseInUseError: Another process owns the database.
        IngestError: The database cannot be used.
    """
    stop = _Stop()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop, number)
    app = create_app(settings)
    # The runner's own handling would close the listener before ready could answer 503.
    runner = web.AppRunner(
        app, handle_signals=False, access_log=None, shutdown_timeout=LAST_ANSWERS_S
    )
    drained = True
    try:
        if await _until_stopped(runner.setup(), stop):
            await _listen(runner, settings)
            await stop.asked.wait()
            _log.info("service stopping", signal=stop.by)
            app[LIFECYCLE].closing.set()
            drained = await app[ENGINE].drain(grace_s=settings.server.shutdown_grace_s, by=stop.by)
    finally:
        if drained:
            await runner.cleanup()
    if not drained:
        # A thread that hangs would keep the process for ever. The rows are left as they are:
        # the next owner of the database finds them, and settles them by proof.
        _log.error("service ended with work that did not wind down")
        os._exit(1)
    _log.info("service stopped")
    return 0


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
    try:
        await web.TCPSite(runner, host, port).start()
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
