"""The service as tests see it: over HTTP, with the real jobs or with scripted ones."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol

import orjson
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient

from ingest.api.keys import DATABASE, JOBS, METRICS
from ingest.app import ENGINE, SETTINGS
from ingest.items.job import Job
from ingest.jobs.catalog import JobCatalog
from ingest.jobs.service import JobService
from ingest.storage.execution_queries import ExecutionQueries
from ingest.storage.executions import ExecutionStore

Client = TestClient[web.Request, web.Application]

#: Nothing that a test waits for may take longer.
DEADLINE_S = 10.0

ENDED = {"COMPLETED", "FAILED", "STOPPED", "ABANDONED"}


class ReleasableJob(Job, Protocol):
    """A job for tests, which ends when it is told that the test is over."""

    def release(self) -> None:
        """Let it come to its end, wherever it stands."""


def use_jobs(app: web.Application, *jobs: ReleasableJob) -> None:
    """Let the service run these in the place of its own; they end with it at the latest."""

    async def replace(app: web.Application) -> AsyncIterator[None]:
        database = app[DATABASE]
        catalog = JobCatalog(jobs, await ExecutionStore(database).instances())
        app[JOBS] = JobService(
            catalog,
            app[ENGINE],
            ExecutionQueries(database),
            abandon_grace_s=app[SETTINGS].server.abandon_grace_s,
            observer=app[METRICS].jobs,
        )
        yield
        for job in jobs:
            job.release()

    app.cleanup_ctx.append(replace)


async def json_of(response: ClientResponse) -> Any:
    """Return the document of an answer, which must be JSON of one line without spaces."""
    assert response.content_type == "application/json", await response.text()
    body = await response.read()
    document = orjson.loads(body)
    assert body == orjson.dumps(document)
    return document


async def get(client: Client, path: str) -> Any:
    """Return the document at *path*."""
    response = await client.get(path)
    assert response.status == 200, await response.text()
    return await json_of(response)


async def ended(client: Client, execution_id: int) -> Any:
    """Return an execution's document as soon as it has ended."""
    return await until(client, execution_id, ENDED)


async def until(client: Client, execution_id: int, statuses: set[str]) -> Any:
    """Return an execution's document as soon as it has one of these statuses."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            document = await get(client, f"/executions/{execution_id}")
            if document["status"] in statuses:
                return document
