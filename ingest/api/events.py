"""The event stream of an execution: its document at every change, until it has ended."""

import asyncio
from time import monotonic
from typing import Final

import orjson
from aiohttp import web
from aiohttp_sse import sse_response

from ingest.api import params, views
from ingest.api.access import Access
from ingest.api.gate import GATE
from ingest.api.keys import JOBS, LIFECYCLE, METRICS
from ingest.api.limits import LIMITS
from ingest.model.job import ENDED

#: At most this often is a change sent.
INTERVAL_S: Final = 0.25

#: So often is looked whether the caller may still listen.
ADMIT_EVERY_S: Final = 1.0


async def stream_execution(request: web.Request) -> web.StreamResponse:
    """Send the execution now and at every change; close once it has ended.

    At a shutdown that is when the jobs have been wound down, or their grace is over. It is broken
    off when the token it was asked for with ceases to count.
    """
    params.only(request, [])
    execution_id = params.path_integer(request, "execution_id", "Job execution id")
    jobs, drained = request.app[JOBS], request.app[LIFECYCLE].drained
    is_last = drained.is_set()
    execution = await jobs.execution(execution_id)
    streams = request.app[METRICS].requests.streams
    with request.app[LIMITS].event_stream(), streams.track_inprogress():
        async with sse_response(request, sep="\n") as stream:
            sent, admitted_at = None, monotonic()
            # Who is gone keeps no place until something happens, or the next sign of life fails.
            while stream.is_connected() and request.transport is not None:
                if execution.version != sent:
                    await stream.send(orjson.dumps(views.execution(execution)).decode())
                    sent = execution.version
                if execution.status in ENDED or is_last:
                    break
                await _pause(drained)
                is_last = drained.is_set()
                if monotonic() - admitted_at > ADMIT_EVERY_S:
                    await request.app[GATE].admit(request, Access.READ)
                    admitted_at = monotonic()
                execution = await jobs.execution(execution_id)
    return stream


async def _pause(drained: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(INTERVAL_S):
            await drained.wait()
    except TimeoutError:
        pass
