"""A service whose job ignores its cancellation, and goes on trying to write, in a tight loop."""

import asyncio
import time
from collections.abc import AsyncIterator

from aiohttp import web
from attrs import frozen
from sqlalchemy import Connection, text

import ingest.logs
from ingest.api.keys import DATABASE, JOBS
from ingest.app import ENGINE, SETTINGS, create_app
from ingest.errors import FencedError
from ingest.items.job import JobRun
from ingest.jobs.catalog import JobCatalog
from ingest.jobs.service import JobService
from ingest.model.job import Counts
from ingest.settings import BankSettings, DatabaseSettings, LogSettings, ServerSettings, Settings
from ingest.storage.execution_queries import ExecutionQueries
from ingest.storage.executions import ExecutionStore

#: How long it goes on trying after its first write was refused.
GOES_ON_S = 0.15

_WRITE = text(
    "INSERT INTO bank_scan (job_execution_id, started, cursor) "
    "VALUES (:execution, '2020-01-01 00:00:00.000000', :cursor)"
)


@frozen(kw_only=True)
class StubbornJob:
    """Writes a row a transaction; the row tells when its transaction was under way."""

    name: str = "itemSynchronizationJob"
    step_name: str = "stubbornStep"
    resumable: bool = False

    async def run(self, run: JobRun) -> str:
        """See `Job.run`; does not keep to it."""
        values = {"execution": run.writer.execution_id}

        def work(connection: Connection) -> Counts:
            connection.execute(_WRITE, values | {"cursor": f"{time.monotonic():.6f}"})
            return Counts(read=1)

        first_refused: float | None = None
        while first_refused is None or time.monotonic() < first_refused + GOES_ON_S:
            try:
                await run.writer.write(work, processed=1)
            except asyncio.CancelledError:
                continue
            except FencedError:
                first_refused = first_refused or time.monotonic()
                await asyncio.sleep(0)
        raise RuntimeError("it gave up at last")


def serve_stubborn(database: str, bank: str, port: str) -> int:
    """Serve on *port* until SIGTERM."""
    settings = Settings(
        server=ServerSettings(port=int(port)),
        database=DatabaseSettings(url=database),
        bank=BankSettings(url=bank),
        log=LogSettings(format="json"),
    )
    ingest.logs.configure(settings.log)
    app = create_app(settings)
    app.cleanup_ctx.append(_replace_jobs)
    web.run_app(app, host="127.0.0.1", port=settings.server.port, print=None, access_log=None)
    return 0


async def _replace_jobs(app: web.Application) -> AsyncIterator[None]:
    database = app[DATABASE]
    jobs = [StubbornJob(), StubbornJob(name="itemMigrationJob")]
    app[JOBS] = JobService(
        JobCatalog(jobs, await ExecutionStore(database).instances()),
        app[ENGINE],
        ExecutionQueries(database),
        abandon_grace_s=app[SETTINGS].server.abandon_grace_s,
    )
    yield
