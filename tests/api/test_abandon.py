"""Starting and abandoning over HTTP, to the byte."""

import asyncio
import inspect
import sqlite3
from contextlib import closing
from typing import Any

import orjson
import pytest
from aiohttp import ClientResponse, web
from attrs import evolve
from pytest_aiohttp import AiohttpClient
from yarl import URL

from ingest.app import ENGINE, create_app
from ingest.settings import Settings
from tests.support import scripted_job
from tests.support.scripted_job import ScriptedJob, WhenTold
from tests.support.service import DEADLINE_S, ENDED, Client, ended, get, until, use_jobs

STARTED = (
    b'{"jobExecutionId":%d,"jobInstanceId":1,"name":"itemSynchronizationJob","status":"STARTING",'
    b'"message":"Started itemSynchronizationJob successfully"}'
)
MIGRATION_STARTED = (
    b'{"jobExecutionId":1,"jobInstanceId":2,"name":"itemMigrationJob","status":"STARTING",'
    b'"message":"Started itemMigrationJob successfully"}'
)
ABANDONED = (
    b'{"jobExecutionId":1,"jobInstanceId":1,"name":"itemSynchronizationJob","status":"ABANDONED",'
    b'"message":"Job Execution 1 for Job itemSynchronizationJob abandoned successfully"}'
)
NOTHING = (
    b'{"jobExecutionId":0,"jobInstanceId":1,"name":"itemSynchronizationJob",'
    b'"status":"NO JOB EXECUTIONS","message":"No job executions are currently running for the '
    b'itemSynchronizationJob (job instance id 1)"}'
)
NO_MIGRATION = (
    b'{"jobExecutionId":0,"jobInstanceId":2,"name":"itemMigrationJob",'
    b'"status":"NO JOB EXECUTIONS","message":"No job executions are currently running for the '
    b'itemMigrationJob (job instance id 2)"}'
)
RUNNING = (
    "A job execution for this job is already running: "
    "JobInstance: id=1, version=0, Job=[itemSynchronizationJob].  "
    "To abandon the running execution of this job, make a PUT call to /abandon, "
    "passing in the job instance id"
)
NOT_WOUND_DOWN = (
    b'{"jobExecutionId":1,"jobInstanceId":1,"name":"itemSynchronizationJob","status":"STOPPING",'
    b'"message":"Job Execution 1 for Job itemSynchronizationJob was told to stop and has not wound '
    b"down after %s seconds (it stands at tests/support/scripted_job.py:%s in run); it can write "
    b'nothing any more, and calling again goes on waiting"}'
)
#: The line at which a scripted job stands that may not wind down yet.
AT = str(
    1
    + inspect.getsource(scripted_job)
    .splitlines()
    .index(" " * 12 + "await self.may_wind_down.wait()")
).encode()
TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
PROBLEM = "application/problem+json"


@pytest.fixture
def job(app: web.Application) -> ScriptedJob:
    """The job that the service runs in the place of its synchronization."""
    job = ScriptedJob()
    use_jobs(app, job, ScriptedJob(name="itemMigrationJob"))
    return job


@pytest.fixture
async def jobs(app: web.Application, job: ScriptedJob, aiohttp_client: AiohttpClient) -> Client:
    """A client of the service with the scripted jobs."""
    assert job.name
    return await aiohttp_client(app)


async def told(response: ClientResponse) -> tuple[int, str, bytes]:
    """Return all that an answer says: status, content type, body."""
    return response.status, response.headers["Content-Type"], await response.read()


async def start(client: Client, job: ScriptedJob) -> None:
    """Start the job over HTTP, and wait until it works."""
    assert (await client.post("/sync")).status == 200
    async with asyncio.timeout(DEADLINE_S):
        await job.started.wait()


async def test_a_start_is_answered_with_the_new_execution(jobs: Client) -> None:
    """A start answers 200 STARTING, and where to look at the execution."""
    response = await jobs.post("/sync")
    assert await told(response) == (200, JSON, STARTED % 1)
    assert response.headers["Location"] == "/executions/1"


async def test_a_migration_is_started_under_its_own_name(jobs: Client) -> None:
    """POST /migrate starts the other job, whose instance id is 2."""
    response = await jobs.post("/migrate")
    assert await told(response) == (200, JSON, MIGRATION_STARTED)
    assert response.headers["Location"] == "/executions/1"


async def test_the_two_jobs_run_side_by_side(jobs: Client, job: ScriptedJob) -> None:
    """A running synchronization does not keep a migration from starting."""
    await start(jobs, job)
    assert (await jobs.post("/migrate")).status == 200


async def test_a_start_of_what_runs_is_a_conflict(jobs: Client, job: ScriptedJob) -> None:
    """A second start answers 409 in the client's words, and names the execution that runs."""
    await start(jobs, job)
    response = await jobs.post("/sync")
    assert await told(response) == (409, TEXT, RUNNING.encode())
    assert response.headers["Location"] == "/executions/1"


async def test_a_start_during_the_wind_down_is_a_conflict(jobs: Client, job: ScriptedJob) -> None:
    """Winding down counts as running: 409 until the execution has truly ended."""
    await start(jobs, job)
    abandon = asyncio.create_task(jobs.put("/abandon/1"))
    async with asyncio.timeout(DEADLINE_S):
        await job.told_to_stop.wait()
    assert await told(await jobs.post("/sync")) == (409, TEXT, RUNNING.encode())
    job.may_wind_down.set()
    assert (await abandon).status == 200
    assert await told(await jobs.post("/sync")) == (200, JSON, STARTED % 2)


async def test_an_abandon_answers_only_after_the_wind_down(jobs: Client, job: ScriptedJob) -> None:
    """A 200 to an abandon means: cleaned up, and on record."""
    await start(jobs, job)
    abandon = asyncio.create_task(jobs.put("/abandon/1"))
    async with asyncio.timeout(DEADLINE_S):
        await job.told_to_stop.wait()
    document = await until(jobs, 1, {"STOPPING"})
    assert document["exitCode"] == "EXECUTING"
    assert not abandon.done()
    job.may_wind_down.set()
    assert await told(await abandon) == (200, JSON, ABANDONED)
    assert job.wound_down
    document = await get(jobs, "/executions/1")
    assert (document["status"], document["exitCode"]) == ("ABANDONED", "STOPPED")


@pytest.mark.parametrize(("path", "body"), [("/abandon/1", NOTHING), ("/abandon/2", NO_MIGRATION)])
@pytest.mark.asyncio(loop_scope="session")
async def test_abandoning_before_the_first_run_is_safe(
    standing: Client, path: str, body: bytes
) -> None:
    """With nothing running an abandon answers 200 NO JOB EXECUTIONS, also in a new database."""
    response = await standing.put(path)
    assert await told(response) == (200, JSON, body)
    assert {"Preference-Applied", "Retry-After", "Location"}.isdisjoint(response.headers)


@pytest.mark.parametrize("failure", [None, ValueError("no")])
async def test_abandoning_what_has_ended_by_itself_changes_nothing(
    jobs: Client, job: ScriptedJob, failure: Exception | None
) -> None:
    """After COMPLETED or FAILED there is nothing to abandon, and the row stays."""
    job.failure = failure
    job.may_end.set()
    await start(jobs, job)
    before = await ended(jobs, 1)
    assert before["status"] == ("COMPLETED" if failure is None else "FAILED")
    assert await told(await jobs.put("/abandon/1")) == (200, JSON, NOTHING)
    assert await get(jobs, "/executions/1") == before


async def test_a_job_that_completes_all_the_same_was_not_abandoned(
    jobs: Client, job: ScriptedJob
) -> None:
    """Told to stop and completed anyway: NO JOB EXECUTIONS, and the row is COMPLETED."""
    job.when_told = WhenTold.COMPLETE
    job.may_wind_down.set()
    await start(jobs, job)
    assert await told(await jobs.put("/abandon/1")) == (200, JSON, NOTHING)
    assert (await get(jobs, "/executions/1"))["status"] == "COMPLETED"


async def test_a_grace_that_runs_out_is_told_and_calling_again_goes_on_waiting(
    settings: Settings, aiohttp_client: AiohttpClient
) -> None:
    """Not wound down in time: 503 STOPPING; a later call shares the same wind-down."""
    server = evolve(settings.server, abandon_grace_s=0.05)
    app = create_app(evolve(settings, server=server))
    job = ScriptedJob()
    use_jobs(app, job)
    client = await aiohttp_client(app)
    await start(client, job)

    response = await client.put("/abandon/1")
    assert await told(response) == (503, JSON, NOT_WOUND_DOWN % (b"0.05", AT))
    assert int(response.headers["Retry-After"]) > 0
    assert (await client.post("/sync")).status == 409

    job.may_wind_down.set()
    async with asyncio.timeout(DEADLINE_S):
        while (await client.put("/abandon/1")).status != 200:
            pass
    assert (await get(client, "/executions/1"))["status"] == "ABANDONED"
    assert (await client.post("/sync")).status == 200


async def test_an_end_that_cannot_be_recorded_is_no_lasting_conflict(
    jobs: Client, job: ScriptedJob, settings: Settings
) -> None:
    """Ended but not on record: abandon and start are 503 until the database can be written."""
    await start(jobs, job)
    job.may_wind_down.set()
    with closing(sqlite3.connect(settings.database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        response = await jobs.put("/abandon/1", headers={"Prefer": "wait=1"})
        status, content_type, body = await told(response)
        assert (status, content_type) == (503, JSON)
        document = orjson.loads(body)
        assert document.pop("message") == (
            "Job Execution 1 for Job itemSynchronizationJob has stopped working, but its end could "
            f"not be recorded within 1 seconds (The database {settings.database.path} cannot be "
            "used: database is locked); the service keeps trying, and calling again goes on "
            "waiting"
        )
        assert list(document) == ["jobExecutionId", "jobInstanceId", "name", "status"]
        assert document["status"] == "STOPPING"
        assert int(response.headers["Retry-After"]) > 0
        refused = await jobs.post("/sync")
        assert refused.status == 503
        assert int(refused.headers["Retry-After"]) > 0
        health = await jobs.get("/health")
        assert health.status == 503
        shown = orjson.loads(await health.read())["components"]["database"]
        assert shown["message"] == (
            "the end of execution 1 cannot be written: "
            f"The database {settings.database.path} cannot be used: database is locked"
        )
        other.execute("ROLLBACK")
    assert await told(await jobs.put("/abandon/1")) == (200, JSON, ABANDONED)
    assert (await jobs.post("/sync")).status == 200


@pytest.mark.parametrize("instance_id", [0, -1, 99, 3, 2**63 - 1, -(2**63)])
@pytest.mark.asyncio(loop_scope="session")
async def test_an_instance_that_is_not_there_is_not_found(
    standing: Client, instance_id: int
) -> None:
    """Any 64-bit integer that no instance has is a 404 in the client's words."""
    body = f"Could not find job instance for instance id {instance_id}".encode()
    assert await told(await standing.put(f"/abandon/{instance_id}")) == (404, TEXT, body)


@pytest.mark.parametrize(
    ("segment", "named"),
    [
        (str(2**63), f"'{2**63}'"),
        (str(-(2**63) - 1), f"'{-(2**63) - 1}'"),
        ("abc", "'abc'"),
        ("1.5", "'1.5'"),
        ("3x", "'3x'"),
        ("1_0", "'1_0'"),
        ("+1", "'+1'"),
        ("%2B1", "'+1'"),
        ("%D9%A1", "'\u0661'"),
        ("%00", r"'\x00'"),
        ("1%0A", r"'1\n'"),
        ("%201", "' 1'"),
        ("-", "'-'"),
        ("--1", "'--1'"),
        ("%FF", None),
        ("1" * 40, f"'{'1' * 40}'"),
        ("9" * 5000, f"'{'9' * 60}…'"),
    ],
)
@pytest.mark.asyncio(loop_scope="session")
async def test_what_is_no_integer_is_a_bad_request(
    standing: Client, segment: str, named: str | None
) -> None:
    """What is not an integer of 64 bits is a 400 whose text names the value."""
    status, content_type, body = await told(
        await standing.put(URL(f"/abandon/{segment}", encoded=True))
    )
    assert (status, content_type) == (400, TEXT)
    expected = f"Job instance id must be an integer from {-(2**63)} to {2**63 - 1}, not "
    assert body.decode().startswith(expected)
    if named is not None:
        assert body.decode() == expected + named


@pytest.mark.parametrize("path", ["/abandon", "/abandon/", "/abandon/1/", "/abandon/1/2"])
@pytest.mark.asyncio(loop_scope="session")
async def test_a_path_that_is_not_there_is_not_found(standing: Client, path: str) -> None:
    """An abandon without an instance id, or with more behind it, is a 404."""
    body = f"There is nothing at {path!r}".encode()
    assert await told(await standing.put(path)) == (404, TEXT, body)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        *((verb, "/abandon/1", "PUT") for verb in ("GET", "POST", "DELETE", "PATCH", "OPTIONS")),
        *((verb, "/sync", "POST") for verb in ("GET", "PUT", "DELETE")),
        ("PUT", "/migrate", "POST"),
        ("POST", "/executions", "GET, HEAD"),
        ("DELETE", "/executions/1", "GET, HEAD"),
        ("HEAD", "/executions/1/events", "GET"),
    ],
)
@pytest.mark.asyncio(loop_scope="session")
async def test_another_verb_is_told_which_are_allowed(
    standing: Client, method: str, path: str, allowed: str
) -> None:
    """A verb that a path does not know is a 405 with Allow, and starts or stops nothing."""
    response = await standing.request(method, path)
    assert (response.status, response.headers["Allow"]) == (405, allowed)
    text = f"{method} is not allowed for {path!r}; allowed: {allowed}"
    assert await response.text() == ("" if method == "HEAD" else text)
    assert (await get(standing, "/executions"))["executions"] == []


async def test_only_the_execution_that_is_named_is_abandoned(
    jobs: Client, job: ScriptedJob
) -> None:
    """?execution= of another one is a 412 naming the one that runs, which goes on."""
    await start(jobs, job)
    text = b"Job execution 14 of job instance 1 is not running: 1 is running. Nothing was stopped"
    assert await told(await jobs.put("/abandon/1?execution=14")) == (412, TEXT, text)
    assert not job.told_to_stop.is_set()
    job.may_wind_down.set()
    assert await told(await jobs.put("/abandon/1?execution=1")) == (200, JSON, ABANDONED)


@pytest.mark.asyncio(loop_scope="session")
async def test_an_execution_that_is_named_must_run(standing: Client) -> None:
    """?execution= with nothing running is a 412 that says so."""
    text = (
        b"Job execution 14 of job instance 1 is not running: none is running. Nothing was stopped"
    )
    assert await told(await standing.put("/abandon/1?execution=14")) == (412, TEXT, text)


@pytest.mark.parametrize("value", ["", "x", "1.0", str(2**63)])
@pytest.mark.asyncio(loop_scope="session")
async def test_an_execution_must_be_an_integer(standing: Client, value: str) -> None:
    """?execution= that is no integer is a 400 naming it."""
    response = await standing.put(f"/abandon/1?execution={value}")
    assert response.status == 400
    assert (await response.text()).endswith(f"not {value!r}")


async def test_a_preferred_wait_is_kept_and_confirmed(jobs: Client, job: ScriptedJob) -> None:
    """Prefer: wait=0 does not wait for the grace, and the answer says that it was heeded."""
    await start(jobs, job)
    response = await jobs.put("/abandon/1", headers={"Prefer": "wait=0"})
    assert await told(response) == (503, JSON, NOT_WOUND_DOWN % (b"0", AT))
    assert response.headers["Preference-Applied"] == "wait=0"
    job.may_wind_down.set()
    response = await jobs.put("/abandon/1", headers={"Prefer": "respond-async, WAIT=5; x=y"})
    assert await told(response) == (200, JSON, ABANDONED)
    assert response.headers["Preference-Applied"] == "wait=5"


async def test_a_preferred_wait_is_never_longer_than_the_grace(
    settings: Settings, aiohttp_client: AiohttpClient
) -> None:
    """Prefer: wait beyond the grace waits for the grace."""
    app = create_app(evolve(settings, server=evolve(settings.server, abandon_grace_s=0.05)))
    job = ScriptedJob()
    use_jobs(app, job)
    client = await aiohttp_client(app)
    await start(client, job)
    response = await client.put("/abandon/1", headers={"Prefer": "wait=999999999"})
    assert await told(response) == (503, JSON, NOT_WOUND_DOWN % (b"0.05", AT))
    assert response.headers["Preference-Applied"] == "wait=0"


@pytest.mark.parametrize(("preferred", "applied"), [(9, 9), (10, 10), (11, 10), (999999999, 10)])
@pytest.mark.asyncio(loop_scope="session")
async def test_the_wait_that_is_confirmed_is_the_one_applied(
    standing: Client, preferred: int, applied: int
) -> None:
    """Who prefers more than the grace is told what it is."""
    response = await standing.put("/abandon/1", headers={"Prefer": f"wait={preferred}"})
    assert response.status == 200
    assert response.headers["Preference-Applied"] == f"wait={applied}"


ZEROS = "0" * 7000


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/abandon/{ZEROS}1", 200),
        (f"/abandon/{ZEROS}", 404),
        (f"/abandon/-{ZEROS}", 404),
        (f"/abandon/-{ZEROS}1", 404),
        (f"/abandon/{ZEROS}{2**63 - 1}", 404),
        (f"/abandon/{ZEROS}{2**63}", 400),
        (f"/abandon/-{ZEROS}{2**63}", 404),
        (f"/abandon/-{ZEROS}{2**63 + 1}", 400),
        (f"/abandon/--{ZEROS}1", 400),
        (f"/abandon/{ZEROS}-1", 400),
        (f"/abandon/{ZEROS}x", 400),
        (f"/abandon/1?execution={ZEROS}14", 412),
        (f"/abandon/1?execution={ZEROS}{2**63}", 400),
    ],
)
@pytest.mark.asyncio(loop_scope="session")
async def test_leading_zeros_are_no_more_than_that(
    standing: Client, path: str, status: int
) -> None:
    """However many there are, the number is the same; and none of them is a fault of ours."""
    response = await standing.put(path)
    assert response.status == status, await response.text()


@pytest.mark.parametrize(
    "value",
    ["wait", "wait=", "wait=x", "wait=-1", "wait=1.5", "wait=1e3", "wait=9999999999", "waiter=1"],
)
@pytest.mark.asyncio(loop_scope="session")
async def test_an_invalid_preference_is_ignored(standing: Client, value: str) -> None:
    """A Prefer that cannot be understood changes nothing, and is not said to be applied."""
    response = await standing.put("/abandon/1", headers={"Prefer": value})
    assert await told(response) == (200, JSON, NOTHING)
    assert "Preference-Applied" not in response.headers


@pytest.mark.parametrize(
    "accept", [None, "*/*", "text/plain", "text/*, */*;q=0.1", "application/xml"]
)
@pytest.mark.asyncio(loop_scope="session")
async def test_errors_are_text_by_default(standing: Client, accept: str | None) -> None:
    """A client that does not name JSON gets the text of the client's document."""
    response = await standing.put(
        "/abandon/99",
        headers={} if accept is None else {"Accept": accept},
        skip_auto_headers=["Accept"],
    )
    text = b"Could not find job instance for instance id 99"
    assert await told(response) == (404, TEXT, text)


@pytest.mark.parametrize(
    "accept",
    [JSON, PROBLEM, "Application/JSON; q=0.9", f"text/html, {PROBLEM}", f"*/*, {JSON}"],
)
@pytest.mark.parametrize(
    ("path", "document"),
    [
        (
            "/abandon/99",
            {
                "type": "urn:item-ingest:problem:job_instance_not_found",
                "title": "Not Found",
                "status": 404,
                "detail": "Could not find job instance for instance id 99",
                "jobInstanceId": 99,
            },
        ),
        (
            "/abandon/1?execution=14",
            {
                "type": "urn:item-ingest:problem:execution_not_running",
                "title": "Precondition Failed",
                "status": 412,
                "detail": "Job execution 14 of job instance 1 is not running: none is running. "
                "Nothing was stopped",
                "jobInstanceId": 1,
                "jobExecutionId": None,
            },
        ),
        (
            "/abandon/",
            {
                "type": "about:blank",
                "title": "Not Found",
                "status": 404,
                "detail": "There is nothing at '/abandon/'",
            },
        ),
    ],
)
@pytest.mark.asyncio(loop_scope="session")
async def test_a_client_that_names_json_gets_a_problem_document(
    standing: Client, accept: str, path: str, document: dict[str, Any]
) -> None:
    """The same status, with the text as detail and the ids as members (RFC 9457)."""
    response = await standing.put(path, headers={"Accept": accept})
    expected = (document["status"], PROBLEM, orjson.dumps(document))
    assert await told(response) == expected


async def test_a_conflict_as_a_problem_document_names_both_ids(
    jobs: Client, job: ScriptedJob
) -> None:
    """A 409 keeps its Location, and tells instance and execution as members."""
    await start(jobs, job)
    response = await jobs.post("/sync", headers={"Accept": PROBLEM})
    document = orjson.loads(await response.read())
    assert (response.status, response.headers["Location"]) == (409, "/executions/1")
    assert document["detail"] == RUNNING
    assert (document["jobInstanceId"], document["jobExecutionId"]) == (1, 1)


async def test_the_reasons_are_kept_with_who_asked_and_when(jobs: Client, job: ScriptedJob) -> None:
    """?reason= is in the execution's events and its receipt, as one printable line."""
    job.may_wind_down.set()
    assert (await jobs.post("/sync", params={"reason": "night run"})).status == 200
    assert (await jobs.put("/abandon/1", params={"reason": "too\n slow ☹\0"})).status == 200
    events = (await get(jobs, "/executions/1/history"))["events"]
    asked = {one["event"]: (one["actor"], one["detail"]) for one in events}
    assert asked["requested"] == ("127.0.0.1", "night run")
    assert asked["stop asked"] == ("127.0.0.1", "too slow ☹")
    document = await get(jobs, "/executions/1")
    receipt = document["receipt"]
    assert (receipt["by"], receipt["reason"]) == ("127.0.0.1", "too slow ☹")
    assert receipt["askedAt"] <= receipt["workEndedAt"] <= receipt["recordedAt"]
    assert "127.0.0.1 (too slow ☹)" in document["exitMessage"]


@pytest.mark.parametrize("path", ["/abandon/1", "/sync", "/migrate"])
@pytest.mark.asyncio(loop_scope="session")
async def test_a_reason_without_end_is_refused(standing: Client, path: str) -> None:
    """A reason longer than what is kept is a 400, and nothing starts or stops."""
    method = "PUT" if path.startswith("/abandon") else "POST"
    response = await standing.request(method, path, params={"reason": "x" * 1001})
    assert response.status == 400
    assert (await get(standing, "/executions"))["executions"] == []


@pytest.mark.parametrize(
    "path",
    [
        "/sync?allow-deletes=-1",
        "/sync?allow-deletes=x",
        "/migrate?source=moon",
        "/sync?source=bank",
    ],
)
@pytest.mark.asyncio(loop_scope="session")
async def test_a_start_with_a_bad_parameter_starts_nothing(standing: Client, path: str) -> None:
    """A start that is asked for wrongly is a 400, and no execution."""
    assert (await standing.post(path)).status == 400
    assert (await get(standing, "/executions"))["executions"] == []


async def test_a_service_that_shuts_down_starts_nothing(jobs: Client, app: web.Application) -> None:
    """While jobs are drained a start is a 503 that says when to come again."""
    assert await app[ENGINE].drain(grace_s=DEADLINE_S, by="SIGTERM")
    response = await jobs.post("/sync")
    text = b"The service is shutting down and starts no job; try again in a moment"
    assert await told(response) == (503, TEXT, text)
    assert int(response.headers["Retry-After"]) > 0


async def test_an_abandon_is_answered_although_its_caller_went_away(
    jobs: Client, job: ScriptedJob
) -> None:
    """A client that hangs up in mid-abandon changes nothing: the execution is ABANDONED."""
    await start(jobs, job)
    abandon = asyncio.create_task(jobs.put("/abandon/1"))
    async with asyncio.timeout(DEADLINE_S):
        await job.told_to_stop.wait()
    abandon.cancel()
    with pytest.raises(asyncio.CancelledError):
        await abandon
    job.may_wind_down.set()
    assert (await until(jobs, 1, ENDED))["status"] == "ABANDONED"


async def test_a_hundred_abandons_and_starts_at_once_leave_no_job_behind(
    jobs: Client, job: ScriptedJob
) -> None:
    """Whatever the interleaving: one execution at a time, no 5xx, no row left running."""
    job.may_wind_down.set()
    starts = [jobs.post("/sync") for _ in range(100)]
    abandons = [jobs.put("/abandon/1") for _ in range(100)]
    both = await asyncio.gather(
        *(one for pair in zip(starts, abandons, strict=True) for one in pair)
    )
    started = [answer.status for answer in both[::2]]
    assert set(started) <= {200, 409}
    assert {answer.status for answer in both[1::2]} == {200}
    assert (await jobs.put("/abandon/1")).status == 200
    executions = (await get(jobs, "/executions"))["executions"]
    assert len(executions) == started.count(200) >= max(job.runs, 1)
    assert {one["status"] for one in executions} == {"ABANDONED"}


async def test_a_real_synchronization_is_abandoned_in_the_middle(
    settings: Settings, aiohttp_client: AiohttpClient
) -> None:
    """After the answer to an abandon of a slow synchronization nothing is written any more."""
    bank = evolve(settings.bank, max_items_per_second=0.5)
    client = await aiohttp_client(create_app(evolve(settings, bank=bank)))
    assert (await client.post("/sync")).status == 200
    await until(client, 1, {"STARTED"})
    assert await told(await client.put("/abandon/1")) == (200, JSON, ABANDONED)
    document = await get(client, "/executions/1")
    assert document["status"] == "ABANDONED"
    assert {step["status"] for step in document["steps"]} <= {"STOPPED"}
