"""Looking at jobs and executions over HTTP."""

import asyncio
import re
import shutil
from pathlib import Path

import pytest
from aiohttp import web
from attrs import evolve
from pytest_aiohttp import AiohttpClient

from ingest.app import create_app
from ingest.settings import BankSettings, Settings
from tests.conftest import SAMPLE_ITEMS
from tests.support.scripted_job import ScriptedJob
from tests.support.service import DEADLINE_S, Client, ended, get, json_of, use_jobs

KEYS = [
    *("jobExecutionId", "jobInstanceId", "name", "status", "exitCode", "exitMessage"),
    *("createTime", "startTime", "endTime", "lastUpdated"),
    *("counts", "progress", "steps", "receipt", "parameters", "dryRun", "bankRequests"),
]
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


async def synchronized(client: Client) -> None:
    """Run a synchronization, and wait for its end."""
    response = await client.post("/sync")
    assert response.status == 200
    document = await ended(client, (await json_of(response))["jobExecutionId"])
    assert document["status"] == "COMPLETED"


async def test_both_jobs_are_there_before_the_first_run(client: Client) -> None:
    """GET /jobs of a new database names both jobs, of which nothing has run."""
    jobs = [
        {"jobInstanceId": 1, "name": "itemSynchronizationJob", "running": None, "lastEnded": None},
        {"jobInstanceId": 2, "name": "itemMigrationJob", "running": None, "lastEnded": None},
    ]
    assert await get(client, "/jobs") == {"jobs": jobs, "next": None}


async def test_a_job_tells_what_runs_and_what_ran_last(
    app: web.Application, aiohttp_client: AiohttpClient
) -> None:
    """GET /jobs shows the running execution, and the last one that ended beside it."""
    job = ScriptedJob()
    use_jobs(app, job, ScriptedJob(name="itemMigrationJob"))
    client = await aiohttp_client(app)
    job.may_end.set()
    await synchronized(client)
    job.may_end.clear()
    job.started.clear()
    assert (await client.post("/sync")).status == 200
    async with asyncio.timeout(DEADLINE_S):
        await job.started.wait()
    synchronization = (await get(client, "/jobs"))["jobs"][0]
    running, last = synchronization["running"], synchronization["lastEnded"]
    assert (running["jobExecutionId"], running["status"]) == (2, "STARTED")
    assert (last["jobExecutionId"], last["status"]) == (1, "COMPLETED")


async def test_a_running_execution_tells_where_it_stands(
    app: web.Application, aiohttp_client: AiohttpClient
) -> None:
    """With ?stack=1 the lines of its task, outermost first; null once it does not run."""
    job = ScriptedJob()
    use_jobs(app, job)
    client = await aiohttp_client(app)
    assert (await client.post("/sync")).status == 200
    async with asyncio.timeout(DEADLINE_S):
        await job.started.wait()
    document = await get(client, "/executions/1?stack=1")
    assert list(document) == [*KEYS, "stack"]
    first, *_, last = document["stack"]
    assert re.fullmatch(r"ingest/jobs/local\.py:\d+ in _work", first)
    assert re.fullmatch(r"asyncio/locks\.py:\d+ in wait", last)
    assert list(await get(client, "/executions/1?stack=0")) == KEYS
    assert (await client.get("/executions/1?stack=2")).status == 400
    job.may_end.set()
    await ended(client, 1)
    async with asyncio.timeout(DEADLINE_S):
        while (await get(client, "/executions/1?stack=1"))["stack"] is not None:
            pass


async def test_a_synchronization_and_a_migration_are_on_record(client: Client) -> None:
    """An execution that has ended tells its times, counts, progress, step and message."""
    await synchronized(client)
    document = await get(client, "/executions/1")
    assert list(document) == KEYS
    assert (document["status"], document["exitCode"]) == ("COMPLETED", "COMPLETED")
    assert (document["name"], document["jobInstanceId"]) == ("itemSynchronizationJob", 1)
    times = [document[key] for key in ("createTime", "startTime", "endTime")]
    assert all(MOMENT.fullmatch(time) for time in times)
    assert times == sorted(times)
    assert document["counts"] == {
        "read": SAMPLE_ITEMS,
        "created": SAMPLE_ITEMS,
        **dict.fromkeys(("updated", "unchanged", "deleted", "failed"), 0),
    }
    progress = document["progress"]
    assert (progress["total"], progress["processed"]) == (SAMPLE_ITEMS, SAMPLE_ITEMS)
    assert progress["etaSeconds"] is None
    (step,) = document["steps"]
    assert (step["name"], step["status"]) == ("itemSynchronizationStep", "COMPLETED")
    assert (step["readCount"], step["writeCount"]) == (SAMPLE_ITEMS, SAMPLE_ITEMS)
    assert (step["filterCount"], step["processSkipCount"]) == (0, 0)
    assert document["receipt"] is None
    assert document["exitMessage"] == (
        f"Total item bank ids: {SAMPLE_ITEMS}, number of items requiring project webhook: 0, "
        "number of items deleted from IMRT: 0, "
        f"last item processed {100_000 + SAMPLE_ITEMS}"
    )

    assert (await client.post("/migrate")).status == 200
    document = await ended(client, 2)
    assert document["exitMessage"] == (
        f"Total item bank ids: {SAMPLE_ITEMS}, number of errors encountered: 0"
    )
    assert document["counts"]["unchanged"] == SAMPLE_ITEMS


async def test_an_unchanged_bank_is_not_read_again(client: Client) -> None:
    """A second synchronization reads and writes nothing, and counts every item unchanged."""
    await synchronized(client)
    await synchronized(client)
    counts = (await get(client, "/executions/2"))["counts"]
    assert counts == dict.fromkeys(counts, 0) | {"unchanged": SAMPLE_ITEMS}


async def test_the_history_is_told_in_order(client: Client) -> None:
    """GET /executions/{id}/history: requested, started, ended; by whom."""
    await synchronized(client)
    events = (await get(client, "/executions/1/history"))["events"]
    assert [(one["event"], one["actor"], one["detail"]) for one in events] == [
        ("requested", "127.0.0.1", None),
        ("started", "service", None),
        ("ended", "service", "COMPLETED"),
    ]
    assert [one["at"] for one in events] == sorted(one["at"] for one in events)


@pytest.fixture
async def five(app: web.Application, aiohttp_client: AiohttpClient) -> Client:
    """A client of a service with five executions: odd ones synchronize, even ones migrate."""
    synchronization, migration = ScriptedJob(), ScriptedJob(name="itemMigrationJob")
    migration.failure = ValueError("no")
    use_jobs(app, synchronization, migration)
    client = await aiohttp_client(app)
    for job in (synchronization, migration):
        job.release()
    for number in range(1, 6):
        assert (await client.post("/sync" if number % 2 else "/migrate")).status == 200
        await ended(client, number)
    return client


@pytest.mark.parametrize(
    ("query", "ids", "following"),
    [
        ("", [5, 4, 3, 2, 1], None),
        ("limit=5", [5, 4, 3, 2, 1], None),
        ("limit=2", [5, 4], 4),
        ("limit=2&before=4", [3, 2], 2),
        ("limit=2&before=2", [1], None),
        ("before=1", [], None),
        ("before=-7", [], None),
        (f"before={2**63 - 1}&limit=1", [5], 5),
        ("job=itemMigrationJob", [4, 2], None),
        ("status=FAILED", [4, 2], None),
        ("status=COMPLETED&limit=1&before=5", [3], 3),
        ("status=ABANDONED", [], None),
    ],
)
async def test_executions_come_newest_first_in_pages(
    five: Client, query: str, ids: list[int], following: int | None
) -> None:
    """Keyset paging by execution id; next is null on the last page."""
    page = await get(five, f"/executions?{query}")
    assert list(page) == ["executions", "next"]
    assert [one["jobExecutionId"] for one in page["executions"]] == ids
    assert page["next"] == following


@pytest.mark.asyncio(loop_scope="session")
async def test_a_job_that_is_not_there_is_a_bad_request(standing: Client) -> None:
    """A filter by a job's name that no job has is a 400, which names those there are."""
    response = await standing.get("/executions?job=nightly")
    assert response.status == 400
    assert await response.text() == (
        "There is no job 'nightly'; there are itemSynchronizationJob, itemMigrationJob"
    )


async def test_a_traceback_is_not_shown(five: Client) -> None:
    """An unexpected failure's first line is shown, and its traceback is left in the row."""
    message = (await get(five, "/executions/2"))["exitMessage"]
    assert message.startswith("Unexpected ValueError: no. ")
    assert "Traceback" not in message
    assert "\n" not in message


async def test_a_dry_run_says_what_would_be_written(client: Client) -> None:
    """Its document counts the changes, its pages name the items; nothing has been written."""
    response = await client.post("/sync?dry-run=true")
    assert response.status == 200
    document = await ended(client, 1)
    assert document["parameters"] == {"dry-run": "true"}
    assert document["counts"]["created"] == 0
    planned = {"created": SAMPLE_ITEMS, "updated": 0, "deleted": 0}
    assert document["dryRun"] == {**planned, "inStep": False}
    assert (await get(client, "/items"))["items"] == []

    first = await get(client, "/executions/1/changes?limit=15")
    rest = await get(client, f"/executions/1/changes?limit=15&after={first['next']}")
    changes = [*first["changes"], *rest["changes"]]
    assert len(first["changes"]) == 15
    assert rest["next"] is None
    assert len({one["itemId"] for one in changes}) == SAMPLE_ITEMS
    assert {one["change"] for one in changes} == {"CREATED"}
    only = await get(client, "/executions/1/changes?change=DELETED")
    assert only == {"changes": [], "next": None}

    await synchronized(client)
    assert (await get(client, "/executions/2"))["dryRun"] is None
    assert (await client.post("/sync?dry-run=true")).status == 200
    assert (await ended(client, 3))["dryRun"]["inStep"] is True


async def test_what_is_no_dry_run_has_no_planned_changes(client: Client) -> None:
    """404 in words, for a run that writes and for one that is not there; 400 for nonsense."""
    await synchronized(client)
    response = await client.get("/executions/1/changes")
    assert response.status == 404
    assert (await response.text()).startswith("Job execution 1 is no dry run")
    assert (await client.get("/executions/99/changes")).status == 404
    assert (await client.get("/executions/1/changes?change=SHRUNK")).status == 400
    response = await client.post("/sync?dry-run=perhaps")
    assert response.status == 400
    assert await response.text() == "Query parameter dry-run must be true or false, not 'perhaps'"


async def test_deletions_that_are_withheld_show(
    settings: Settings, tmp_path: Path, sample_bank: Path, aiohttp_client: AiohttpClient
) -> None:
    """In /jobs and /health, until they are settled."""
    bank = tmp_path / "bank"
    shutil.copytree(sample_bank, bank)
    server = evolve(settings, bank=BankSettings(url=str(bank), allow_deletes=0))
    client = await aiohttp_client(create_app(server))
    await synchronized(client)
    assert "withheldDeletions" not in (await get(client, "/jobs"))["jobs"][0]
    shutil.rmtree(min(bank.iterdir()))
    assert (await client.post("/sync")).status == 200
    assert (await ended(client, 2))["status"] == "FAILED"
    shown = (await get(client, "/jobs"))["jobs"][0]["withheldDeletions"]
    assert {name: shown[name] for name in ("jobExecutionId", "missing", "stored", "allowed")} == {
        "jobExecutionId": 2,
        "missing": 1,
        "stored": SAMPLE_ITEMS,
        "allowed": 0,
    }
    assert "POST /sync?allow-deletes=1" in shown["message"]
    health = await get(client, "/health")
    assert (health["status"], health["components"]["jobs"]["withheldDeletions"]) == ("UP", shown)
    assert (await client.post("/sync?allow-deletes=1")).status == 200
    assert (await ended(client, 3))["status"] == "COMPLETED"
    assert "withheldDeletions" not in (await get(client, "/jobs"))["jobs"][0]
