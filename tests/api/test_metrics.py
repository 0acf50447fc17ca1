"""What Prometheus is told over HTTP."""

import asyncio
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from threading import Event

import pytest
from aiohttp import web
from attrs import evolve
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from pytest_aiohttp import AiohttpClient

from ingest.api.keys import DATABASE
from ingest.app import create_app
from ingest.model.secret import Secret
from ingest.settings import BankSettings, Settings
from tests.conftest import SAMPLE_ITEMS
from tests.support.databases import change
from tests.support.gitlab_server import fake_gitlab
from tests.support.scrape import Scrape, scrape, scraped
from tests.support.scripted_job import ScriptedJob, WhenTold
from tests.support.service import DEADLINE_S, Client, ended, get, json_of, use_jobs

SYNC = "itemSynchronizationJob"
MIGRATE = "itemMigrationJob"


async def run(client: Client, path: str) -> datetime:
    """Run a job to its end; return when that was."""
    started = await json_of(await client.post(path))
    document = await ended(client, started["jobExecutionId"])
    assert document["status"] == "COMPLETED"
    return datetime.fromisoformat(document["endTime"])


def has_ended(times: int) -> Callable[[Scrape], bool]:
    """Tell whether so many executions have COMPLETED."""
    return lambda found: (
        found.value("ingest_executions_ended_total", job_name=SYNC, status="COMPLETED") == times
    )


def outcomes(found: Scrape, name: str) -> dict[str, float]:
    """Return how often the synchronization was answered how."""
    return {
        labels["outcome"]: count
        for labels, count in found.series(name)
        if labels["job_name"] == SYNC and count
    }


@pytest.fixture
def job(app: web.Application) -> ScriptedJob:
    """The job that the service runs in the place of its synchronization."""
    job = ScriptedJob()
    use_jobs(app, job, ScriptedJob(name=MIGRATE))
    return job


@pytest.fixture
async def jobs(app: web.Application, job: ScriptedJob, aiohttp_client: AiohttpClient) -> Client:
    """A client of the service with the scripted job."""
    assert job.runs == 0
    return await aiohttp_client(app)


async def begun(jobs: Client, job: ScriptedJob) -> None:
    """Start the scripted job and wait until it works."""
    assert (await jobs.post("/sync")).status == 200
    async with asyncio.timeout(DEADLINE_S):
        await job.started.wait()


async def test_a_run_is_counted(client: Client) -> None:
    """Executions, items by outcome, documents, durations and the last success are those it had."""
    end = await run(client, "/sync")
    found = await scraped(client, has_ended(1))
    (document,) = (await get(client, "/executions"))["executions"]
    for outcome in ("created", "updated", "unchanged", "deleted", "failed"):
        count = found.value("ingest_items_total", job_name=SYNC, outcome=outcome)
        assert count == document["counts"][outcome], outcome
    assert found.value("ingest_documents_read_total", job_name=SYNC) == SAMPLE_ITEMS
    assert found.value("ingest_executions_started_total", job_name=SYNC) == 1
    assert found.value("ingest_starts_total", job_name=SYNC, outcome="started") == 1
    assert found.value("ingest_start_duration_seconds_count", job_name=SYNC) == 1
    assert found.value("ingest_execution_duration_seconds_count", job_name=SYNC) == 1
    success = found.value("ingest_job_last_success_timestamp_seconds", job_name=SYNC)
    assert success == pytest.approx(end.timestamp(), abs=0.01)
    assert found.value("ingest_job_last_success_timestamp_seconds", job_name=MIGRATE) is None
    stored = len((await get(client, "/items?limit=1000"))["items"])
    assert found.value("ingest_stored_items") == stored
    for status, count in (("COMPLETED", 1), ("FAILED", 0)):
        recorded = found.value("ingest_executions_recorded", job_name=SYNC, status=status)
        assert recorded == count


async def test_problems_are_counted_by_kind(
    settings: Settings, sample_bank: Path, tmp_path: Path, aiohttp_client: AiohttpClient
) -> None:
    """As many of each kind as GET /problems lists, and 0 of the kinds that there are none of."""
    bank = tmp_path / "bank"
    shutil.copytree(sample_bank, bank)
    for name in ("7", "8", "009"):
        (bank / name).mkdir()
    client = await aiohttp_client(create_app(evolve(settings, bank=BankSettings(url=str(bank)))))
    await run(client, "/sync")
    listed = [one["kind"] for one in (await get(client, "/problems"))["problems"]]
    assert sorted(listed) == ["BAD_KEY", "NOT_A_REPOSITORY", "NOT_A_REPOSITORY"]
    for labels, count in (await scrape(client)).series("ingest_problems"):
        assert count == listed.count(labels["kind"])


async def test_what_there_is_to_count_is_there_from_the_start(client: Client) -> None:
    """A counter that appeared with its first event would never have risen to Prometheus."""
    found = await scrape(client)
    for name in ("ingest_executions_ended_total", "ingest_items_total", "ingest_abandons_total"):
        assert {value for _, value in found.series(name)} == {0.0}
        assert {labels["job_name"] for labels, _ in found.series(name)} == {SYNC, MIGRATE}


async def test_the_last_success_outlasts_a_restart(
    settings: Settings, aiohttp_client: AiohttpClient
) -> None:
    """It comes from the database, right after a start; a later dry run does not count."""
    first = await aiohttp_client(create_app(settings))
    end = await run(first, "/sync")
    await run(first, "/sync?dry-run=true")
    before = await scraped(first, has_ended(2))
    await first.close()
    after = await scrape(await aiohttp_client(create_app(settings)))
    for found in (before, after):
        success = found.value("ingest_job_last_success_timestamp_seconds", job_name=SYNC)
        assert success == pytest.approx(end.timestamp(), abs=0.01)
        lasted_s = found.value("ingest_job_last_success_duration_seconds", job_name=SYNC)
        assert lasted_s is not None
        assert 0 < lasted_s < DEADLINE_S


async def test_progress_is_told_while_a_job_runs(
    settings: Settings, aiohttp_client: AiohttpClient
) -> None:
    """Running is 1, with what is done, of how much, and when last; afterwards 0, and no more."""
    slow = evolve(settings, bank=evolve(settings.bank, max_items_per_second=1.0))
    client = await aiohttp_client(create_app(slow))
    assert (await client.post("/sync")).status == 200

    def has_got_on(found: Scrape) -> bool:
        return bool(found.value("ingest_execution_processed_items", job_name=SYNC))

    found = await scraped(client, has_got_on)
    execution = await get(client, "/executions/1")
    began = datetime.fromisoformat(execution["startTime"]).timestamp()
    last = found.value("ingest_execution_last_progress_timestamp_seconds", job_name=SYNC)
    assert last is not None
    assert last >= began
    assert found.value("ingest_job_running", job_name=SYNC) == 1
    listed = found.value("ingest_execution_listed_items", job_name=SYNC)
    assert listed == execution["progress"]["total"]
    assert (await client.put("/abandon/1")).status == 200

    found = await scrape(client)
    assert found.value("ingest_job_running", job_name=SYNC) == 0
    for name in ("processed_items", "listed_items", "last_progress_timestamp_seconds"):
        assert found.series(f"ingest_execution_{name}") == []
    status = {"job_name": SYNC, "status": "ABANDONED"}
    assert found.value("ingest_executions_ended_total", **status) == 1


async def test_answers_to_starts_and_abandons_are_counted(jobs: Client, job: ScriptedJob) -> None:
    """Each by what was answered; how long is told of abandons that had something to wait for."""
    job.when_told = WhenTold.WIND_DOWN
    await begun(jobs, job)
    assert (await jobs.post("/sync")).status == 409
    refused = await jobs.put("/abandon/1?execution=7")
    assert refused.status == HTTPStatus.PRECONDITION_FAILED
    assert (await jobs.put("/abandon/1", headers={"Prefer": "wait=0"})).status == 503
    job.may_wind_down.set()
    assert (await jobs.put("/abandon/1")).status == 200
    assert (await jobs.put("/abandon/1")).status == 200
    found = await scrape(jobs)
    starts = outcomes(found, "ingest_starts_total")
    assert starts == {"started": 1, "job_already_running": 1}
    abandons = outcomes(found, "ingest_abandons_total")
    assert abandons == {"execution_not_running": 1, "impatient": 1, "abandoned": 1, "nothing": 1}
    assert found.value("ingest_abandon_duration_seconds_count", job_name=SYNC) == 2


async def test_an_abandon_that_waited_in_vain_is_told_from_one_that_would_not_wait(
    settings: Settings, aiohttp_client: AiohttpClient
) -> None:
    """Who waited for the whole grace met a job that hangs; who wanted no more than 0 s did not."""
    server = evolve(settings.server, abandon_grace_s=0.05)
    app = create_app(evolve(settings, server=server))
    job = ScriptedJob(when_told=WhenTold.WIND_DOWN)
    use_jobs(app, job, ScriptedJob(name=MIGRATE))
    client = await aiohttp_client(app)
    await begun(client, job)
    for headers in ({"Prefer": "wait=0"}, {}, {"Prefer": "wait=60"}):
        assert (await client.put("/abandon/1", headers=headers)).status == 503
    assert outcomes(await scrape(client), "ingest_abandons_total") == {
        "impatient": 1,
        "stopping": 2,
    }
    job.may_wind_down.set()


async def test_both_formats(client: Client) -> None:
    """OpenMetrics where it is accepted, Prometheus' text otherwise; both can be read."""
    plain = await client.get("/metrics")
    assert plain.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert Scrape(await plain.text()).value("ingest_database_up") == 1
    accept = "application/openmetrics-text; version=1.0.0, text/plain; version=0.0.4; q=0.5"
    modern = await client.get("/metrics", headers={"Accept": accept})
    assert modern.content_type == "application/openmetrics-text"
    text = await modern.text()
    assert text.endswith("# EOF\n")
    families = list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]
    assert "ingest_job_running" in {one.name for one in families}


async def test_requests_are_counted_by_their_route(client: Client) -> None:
    """Never by what callers have made up: ids, paths and verbs of theirs make no new series."""
    for number in range(5):
        assert (await client.get(f"/executions/{number}")).status == 404
        assert (await client.get(f"/nowhere/{number}")).status == 404
    for verb in ("LINK", "MKCOL", "PURGE", "SEARCH", "UNLOCK"):
        assert (await client.request(verb, "/jobs")).status == 405
    found = {
        (labels["route"], labels["method"], labels["status"]): count
        for labels, count in (await scrape(client)).series("ingest_http_requests_total")
    }
    assert found == {
        ("/executions/{execution_id}", "GET", "404"): 5,
        ("unmatched", "GET", "404"): 5,
        ("unmatched", "other", "405"): 5,
    }
    again = await scrape(client)
    seen = {"route": "/metrics", "method": "GET"}
    assert again.value("ingest_http_request_duration_seconds_count", **seen) == 1


async def test_a_fault_is_counted(app: web.Application, aiohttp_client: AiohttpClient) -> None:
    """From 0 on, so that the first one is a rise too."""

    async def fail(_request: web.Request) -> web.Response:
        raise RuntimeError("a fault")

    app.router.add_get("/fault", fail)
    client = await aiohttp_client(app)
    assert (await scrape(client)).value("ingest_http_faults_total") == 0
    assert (await client.get("/fault")).status == 500
    found = await scrape(client)
    assert found.value("ingest_http_faults_total") == 1
    seen = {"route": "/fault", "method": "GET", "status": "500"}
    assert found.value("ingest_http_requests_total", **seen) == 1


async def test_open_event_streams_are_told(jobs: Client, job: ScriptedJob) -> None:
    """As many as are open; how long one was open is no duration of a request."""
    await begun(jobs, job)
    stream = await jobs.get("/executions/1/events")
    assert (await scrape(jobs)).value("ingest_event_streams_open") == 1
    job.may_end.set()
    await stream.read()
    found = await scraped(jobs, lambda one: one.value("ingest_event_streams_open") == 0)
    seen = {"route": "/executions/{execution_id}/events", "method": "GET"}
    assert found.value("ingest_http_requests_total", **seen, status="200") == 1
    assert not found.value("ingest_http_request_duration_seconds_count", **seen)


async def test_withheld_deletions_are_told(
    settings: Settings, tmp_path: Path, aiohttp_client: AiohttpClient
) -> None:
    """So many wait for a person's word, until somebody has said it."""
    first = await aiohttp_client(create_app(settings))
    await run(first, "/sync")
    stored = (await scrape(first)).value("ingest_stored_items")
    await first.close()
    empty = tmp_path / "empty"
    empty.mkdir()
    client = await aiohttp_client(create_app(evolve(settings, bank=BankSettings(url=str(empty)))))
    assert (await client.post("/sync")).status == 200
    assert (await ended(client, 2))["status"] == "FAILED"
    assert (await scrape(client)).value("ingest_withheld_deletions") == stored


async def test_pending_pushes_are_told(app: web.Application, client: Client) -> None:
    """How many there are, and since when the first of them waits."""
    found = await scrape(client)
    assert found.value("ingest_pending_pushes") == 0
    assert found.series("ingest_oldest_pending_push_timestamp_seconds") == []
    await change(
        app[DATABASE],
        "INSERT INTO pending_push (bank_key, first_at, last_at) VALUES"
        " ('1', '2020-01-02 00:00:00', '2020-01-03 00:00:00'),"
        " ('2', '2020-01-01 00:00:00', '2020-01-03 00:00:00')",
    )
    found = await scrape(client)
    assert found.value("ingest_pending_pushes") == 2
    first = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
    assert found.value("ingest_oldest_pending_push_timestamp_seconds") == first


@pytest.mark.parametrize("is_replaced", [False, True])
async def test_a_database_that_is_gone_fails_no_scrape(
    settings: Settings, client: Client, *, is_replaced: bool
) -> None:
    """What it would tell is left out, and what says so is not; all else is still there."""
    await run(client, "/sync")
    # Whoever reads the end in the database may be sooner than who counts it.
    await scraped(client, has_ended(1))
    path = settings.database.path
    path.rename(path.with_name("moved.db"))
    if is_replaced:
        path.write_bytes(b"of somebody else")
    found = await scrape(client)
    assert found.value("ingest_database_up") == 0
    for name in ("ingest_stored_items", "ingest_problems", "ingest_executions_recorded"):
        assert found.series(name) == []
    assert found.value("ingest_items_total", job_name=SYNC, outcome="created")
    assert found.value("ingest_job_last_success_timestamp_seconds", job_name=SYNC)


async def test_a_database_that_hangs_holds_no_scrape_and_no_loop(
    app: web.Application, client: Client
) -> None:
    """The scrape is answered without it within its patience, and others do not notice at all."""
    let_go = Event()
    hanging = [
        asyncio.create_task(app[DATABASE].read(lambda _: let_go.wait(DEADLINE_S))) for _ in range(4)
    ]
    try:
        scrapes = [asyncio.create_task(scrape(client)) for _ in range(8)]
        assert (await client.get("/health/live")).status == 200
        assert not any(one.done() for one in scrapes)
        for one in scrapes:
            assert (await one).value("ingest_database_up") == 0
        assert not any(one.done() for one in hanging)
    finally:
        let_go.set()
        await asyncio.wait(hanging)
    assert (await scrape(client)).value("ingest_database_up") == 1


async def test_a_bank_that_is_gone_is_told(
    settings: Settings, tmp_path: Path, aiohttp_client: AiohttpClient
) -> None:
    """1 while it answers, else 0."""
    there = await aiohttp_client(create_app(settings))
    assert (await scrape(there)).value("ingest_bank_up") == 1
    await there.close()
    nowhere = BankSettings(url=str(tmp_path / "nowhere"))
    gone = await aiohttp_client(create_app(evolve(settings, bank=nowhere)))
    assert (await scrape(gone)).value("ingest_bank_up") == 0


async def test_what_is_asked_of_a_remote_bank_is_told(
    settings: Settings, sample_bank: Path, aiohttp_client: AiohttpClient
) -> None:
    """As many requests as have come there, by what they were answered, and the waits for limits."""
    async with fake_gitlab(sample_bank) as gitlab:
        remote = evolve(
            settings,
            bank=BankSettings(url=f"{gitlab.url.replace('http', 'gitlab+http')}/{gitlab.group}"),
            gitlab=evolve(settings.gitlab, max_requests_per_second=1000.0),
            secrets=evolve(settings.secrets, bank_token=Secret(gitlab.token.value)),
        )
        client = await aiohttp_client(create_app(remote))
        await run(client, "/sync")
        found = await scrape(client)
        asked = sum(count for _, count in found.series("ingest_bank_requests_total"))
        assert 0 < asked == gitlab.requests.total
        assert found.value("ingest_bank_requests_total", outcome="200")
        assert found.value("ingest_bank_retries_total") == 0
        gitlab.faults.add("status", times=1, status=503)
        await run(client, "/sync")
        found = await scrape(client)
        assert found.value("ingest_bank_requests_total", outcome="503") == 1
        assert found.value("ingest_bank_retries_total") == 1
        assert found.value("ingest_bank_wait_seconds_total")
        await client.close()


async def test_the_loops_lag_is_told(client: Client) -> None:
    """Each beat of the event loop is counted with its lag, and the worst one is a figure."""
    found = await scraped(
        client, lambda one: bool(one.value("ingest_event_loop_lag_seconds_count"))
    )
    worst_s = found.value("ingest_event_loop_worst_lag_seconds")
    assert worst_s is not None
    assert 0 <= worst_s < DEADLINE_S


async def test_the_room_that_the_database_takes(settings: Settings, client: Client) -> None:
    """The file, the log beside it, and what the disk has left, in bytes."""
    await run(client, "/sync")
    found = await scrape(client)
    path = settings.database.path
    for file, size in (("main", path), ("wal", path.with_name(f"{path.name}-wal"))):
        assert found.value("ingest_database_size_bytes", file=file) == size.stat().st_size
    free, whole = (found.value(f"ingest_disk_{name}_bytes") for name in ("free", "size"))
    assert free is not None
    assert whole is not None
    assert 0 < free < whole


async def test_no_query_parameter_means_anything(client: Client) -> None:
    """One that is given is refused, as everywhere."""
    assert (await client.get("/metrics?name=x")).status == 400
