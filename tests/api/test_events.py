"""The event stream of an execution."""

import asyncio

import pytest
import structlog
from aiohttp import ClientPayloadError, ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer
from pytest_aiohttp import AiohttpClient

from ingest.api.keys import DATABASE, LIFECYCLE
from ingest.app import ENGINE, create_app
from ingest.errors import DatabaseUnavailableError
from ingest.model.access import Scope
from ingest.settings import Settings
from ingest.storage.tokens import TokenStore
from tests.support.access import bearer, make_token, token_needed
from tests.support.scripted_job import ScriptedJob
from tests.support.service import DEADLINE_S, Client, ended, json_of, use_jobs
from tests.support.wire import listening, request


@pytest.fixture
def job(app: web.Application) -> ScriptedJob:
    """The job that the service runs in the place of its synchronization."""
    job = ScriptedJob()
    use_jobs(app, job)
    return job


@pytest.fixture
async def jobs(app: web.Application, job: ScriptedJob, aiohttp_client: AiohttpClient) -> Client:
    """A client of the service with the scripted job."""
    assert job.runs == 0
    return await aiohttp_client(app)


async def next_document(response: ClientResponse) -> str | None:
    """Return the next event's data, None once the stream has ended."""
    data: list[str] = []
    async with asyncio.timeout(DEADLINE_S):
        while line := (await response.content.readline()).decode():
            if line == "\n" and data:
                break
            if line.startswith("data: "):
                data.append(line.removeprefix("data: ").rstrip("\n"))
    return "\n".join(data) or None


async def documents(response: ClientResponse) -> list[str]:
    """Return the data of all events that are still to come."""
    found: list[str] = []
    while (document := await next_document(response)) is not None:
        found.append(document)
    return found


@pytest.mark.parametrize("is_abandoned", [False, True])
async def test_the_stream_ends_after_the_terminal_status(
    jobs: Client, job: ScriptedJob, *, is_abandoned: bool
) -> None:
    """Changes are sent as they come; the last event is the very document of the GET."""
    assert (await jobs.post("/sync")).status == 200
    async with asyncio.timeout(DEADLINE_S):
        await job.started.wait()
    stream = await jobs.get("/executions/1/events")
    assert (stream.status, stream.content_type) == (200, "text/event-stream")
    first = await next_document(stream)
    assert first is not None
    assert '"status":"STARTED"' in first
    job.may_wind_down.set()
    if is_abandoned:
        assert (await jobs.put("/abandon/1")).status == 200
    else:
        job.may_end.set()
    rest = await documents(stream)
    response = await jobs.get("/executions/1")
    assert rest[-1] == await response.text()
    status = "ABANDONED" if is_abandoned else "COMPLETED"
    assert (await json_of(response))["status"] == status


async def test_the_stream_of_what_has_ended_is_one_event(jobs: Client, job: ScriptedJob) -> None:
    """A late listener gets the final document, and the end."""
    job.release()
    assert (await jobs.post("/sync")).status == 200
    await ended(jobs, 1)
    stream = await jobs.get("/executions/1/events")
    text = await (await jobs.get("/executions/1")).text()
    assert await documents(stream) == [text]


async def test_a_shutdown_ends_the_stream(
    app: web.Application, jobs: Client, job: ScriptedJob
) -> None:
    """A listener hears of the end, and does not keep the service from its own."""
    assert (await jobs.post("/sync")).status == 200
    async with asyncio.timeout(DEADLINE_S):
        await job.started.wait()
    stream = await jobs.get("/executions/1/events")
    assert await next_document(stream) is not None
    app[LIFECYCLE].closing.set()
    job.may_wind_down.set()
    assert await app[ENGINE].drain(grace_s=DEADLINE_S, by="a test")
    app[LIFECYCLE].drained.set()
    last = (await documents(stream))[-1]
    assert '"status":"STOPPED"' in last


async def test_a_job_that_hangs_does_not_hold_the_stream(
    app: web.Application, jobs: Client, job: ScriptedJob
) -> None:
    """When the grace of a shutdown is over the stream ends, with the execution still STOPPING."""
    assert (await jobs.post("/sync")).status == 200
    async with asyncio.timeout(DEADLINE_S):
        await job.started.wait()
    stream = await jobs.get("/executions/1/events")
    assert await next_document(stream) is not None
    app[LIFECYCLE].drained.set()
    await documents(stream)
    job.release()


async def test_there_is_no_stream_of_an_unknown_execution(jobs: Client) -> None:
    """An execution that is not there is a 404 in words, and no stream."""
    response = await jobs.get("/executions/7/events", headers={"Accept": "text/event-stream"})
    assert response.status == 404
    assert await response.text() == "Could not find job execution for execution id 7"


async def test_a_stream_ends_with_its_token(settings: Settings) -> None:
    """Who has opened one does not go on listening once the token is revoked; others do."""
    app, job = create_app(token_needed(settings)), ScriptedJob()
    use_jobs(app, job)
    async with TestClient(TestServer(app)) as client:
        operator, reader = [
            bearer(await make_token(app, name, scope))
            for name, scope in (("operator", Scope.OPERATE), ("reader", Scope.READ))
        ]
        assert (await client.post("/sync", headers=operator)).status == 200
        async with asyncio.timeout(DEADLINE_S):
            await job.started.wait()
        streams = [
            await client.get("/executions/1/events", headers=one) for one in (operator, reader)
        ]
        for stream in streams:
            assert await next_document(stream) is not None
        await TokenStore(app[DATABASE]).revoke("reader")
        with pytest.raises(ClientPayloadError):
            await documents(streams[1])
        job.release()
        assert '"status":"COMPLETED"' in (await documents(streams[0]))[-1]


async def test_a_stream_that_fails_is_broken_off(app: web.Application) -> None:
    """An error that comes when an answer has begun is no second answer in the middle of it."""

    async def fail_half_way(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half")
        raise DatabaseUnavailableError("It cannot be used", is_passing=True)

    app.router.add_get("/half", fail_half_way)
    async with listening(app) as wire:
        line = await wire.connect(request("GET", "/half"))
        with structlog.testing.capture_logs() as logged:
            answer = (await line.rest()).decode()
    assert answer.startswith("HTTP/1.1 200 OK\r\n")
    assert answer.endswith("\r\n\r\n4\r\nhalf\r\n")
    assert [(one["event"], one["reason"]) for one in logged] == [
        ("answer broken off", "It cannot be used")
    ]
