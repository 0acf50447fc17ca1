"""What Prometheus asks for, and the counting of requests."""

import asyncio
import time
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from attrs import evolve

from ingest.api import params
from ingest.api.health import BANK_PROBE, UP
from ingest.api.keys import BANK, DATABASE, JOBS, METRICS
from ingest.errors import DatabaseUnavailableError
from ingest.metrics.requests import UNMATCHED
from ingest.metrics.state import Sight
from ingest.model.job import JobStatus
from ingest.slices import Slices
from ingest.storage.figures import count_ended, load_figures, measure_files

#: A scrape does not wait longer for what it looks at; Prometheus gives up after 10 s.
PATIENCE_S: Final = 2.0

#: How a request is counted whose caller has gone before the answer.
GONE: Final = "gone"

_log = structlog.get_logger(__name__)


@web.middleware
async def count_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count every request with its answer; to be the outermost, so that no answer is missed."""
    requests = request.app[METRICS].requests
    began = time.perf_counter()
    status, is_stream = GONE, False
    try:
        response = await handler(request)
        status, is_stream = str(response.status), not isinstance(response, web.Response)
        return response
    finally:
        resource = request.match_info.route.resource
        route = UNMATCHED if resource is None else resource.canonical
        if is_stream:
            requests.streamed(route, request.method, status)
        else:
            requests.answered(route, request.method, status, time.perf_counter() - began)


class Lookout:
    """Looks for scrapes at what is outside of memory: once at a time, however many ask.

    A database on a disk that hangs answers never; no scrape may hang with it, and no event loop.
    """

    def __init__(self) -> None:
        self._slices = Slices(threads=1)
        self._look: asyncio.Task[Sight] | None = None
        #: The ended executions as they were counted last, and after how many ends that was.
        self._ended: tuple[int, dict[tuple[str, JobStatus], int]] | None = None

    async def sight(self, app: web.Application) -> Sight:
        """Return what can be seen within `PATIENCE_S`."""
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._see(app), name="look for a scrape")
        look = self._look
        await asyncio.wait({look}, timeout=PATIENCE_S)
        return look.result() if look.done() else Sight()

    async def close(self) -> None:
        """Let go of the thread; what it looks at now is waited for, within `PATIENCE_S`."""
        if self._look is not None:
            await asyncio.wait({self._look}, timeout=PATIENCE_S)
        self._slices.close()

    async def _see(self, app: web.Application) -> Sight:
        database = app[DATABASE]
        sight = Sight()
        try:
            sight = evolve(
                sight, files=await self._slices.run(lambda _: measure_files(database.path))
            )
            await self._slices.run(lambda _: database.check_in_place())
            figures = await database.read(load_figures)
            return evolve(sight, figures=figures, ended=await self._count_ended(app))
        except (DatabaseUnavailableError, OSError) as error:
            _log.warning("database not seen for a scrape", reason=str(error))
            return sight

    async def _count_ended(self, app: web.Application) -> dict[tuple[str, JobStatus], int]:
        ends = app[METRICS].jobs.ends
        if self._ended is None or self._ended[0] != ends:
            self._ended = ends, await app[DATABASE].read(count_ended)
        return self._ended[1]


LOOKOUT: Final = web.AppKey("lookout", Lookout)


async def metrics(request: web.Request) -> web.Response:
    """Answer with all metrics, in Prometheus' text or in OpenMetrics, as the caller accepts.

    What cannot be seen is left out: a scrape never fails of what it is to tell about.
    """
    params.only(request, [])
    app = request.app
    sight, bank = await asyncio.gather(app[LOOKOUT].sight(app), app[BANK_PROBE].state(app[BANK]))
    app[METRICS].state.sight = evolve(
        sight, is_bank_up=bank["status"] == UP, unrecorded=len(app[JOBS].unrecorded())
    )
    accept = ",".join(request.headers.getall("Accept", ()))
    body, content_type = app[METRICS].exposition(accept)
    return web.Response(body=body, headers={"Content-Type": content_type})
