"""``python -m tests.support.stuck_service serve …``: the service, with jobs that do not behave.

Its synchronization holds the event loop's thread for ever, its migration hangs in a thread. Takes
the flags that `tests.support.processes.serving` gives; the grace of a shutdown is short.
"""

import argparse
import asyncio
import threading
from typing import Final, NoReturn

import structlog
from aiohttp import web
from attrs import frozen

from ingest import logs
from ingest.app import create_app
from ingest.items.job import JobRun
from ingest.serve import serve
from ingest.settings import (
    BankSettings,
    DatabaseSettings,
    LogSettings,
    ServerSettings,
    Settings,
)
from ingest.slices import Slice, Slices
from tests.support.service import use_jobs

GRACE_S: Final = 0.5

_log = structlog.get_logger(__name__)


def hang(_piece: Slice | None = None) -> NoReturn:
    """Say so, and never come back."""
    _log.info("hanging")
    while True:
        threading.Event().wait(60)


@frozen
class StuckJob:
    """A job that hangs, in the event loop's thread or in one of its own."""

    name: str
    in_a_thread: bool
    step_name: str = "step"
    resumable: bool = False

    async def run(self, _run: JobRun) -> str:
        """Hang."""
        if self.in_a_thread:
            await Slices(threads=1).run(hang)
        hang()

    def release(self) -> None:
        """Do nothing: it cannot be released."""


def create(settings: Settings) -> web.Application:
    """Build the application with these jobs in the place of its own."""
    app = create_app(settings)
    use_jobs(
        app,
        StuckJob("itemSynchronizationJob", in_a_thread=False),
        StuckJob("itemMigrationJob", in_a_thread=True),
    )
    return app


def main() -> None:
    """Run the service until a signal comes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("verb")
    parser.add_argument("--port", type=int)
    parser.add_argument("--database")
    parser.add_argument("--bank")
    flags, _ = parser.parse_known_args()
    settings = Settings(
        server=ServerSettings(port=flags.port, shutdown_grace_s=GRACE_S, abandon_grace_s=0.2),
        database=DatabaseSettings(url=flags.database),
        bank=BankSettings(url=flags.bank),
        log=LogSettings(format="json"),
    )
    logs.configure(settings.log)
    raise SystemExit(asyncio.run(serve(settings, create=create)))


if __name__ == "__main__":
    main()
