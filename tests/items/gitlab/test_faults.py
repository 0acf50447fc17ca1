"""A whole run of a job against a GitLab that has a bad day."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from attrs import evolve

from ingest.bank.fake_gitlab.access import Standing
from ingest.bank.fake_gitlab.gitlab import FakeGitLab
from ingest.bank.gitlab.listing import How
from ingest.bank.sample import make_sample_bank
from ingest.jobs.engine import Abandoned, NothingToAbandon
from ingest.model.job import JobStatus
from ingest.storage.database import Database
from tests.items.gitlab.conftest import Jobs
from tests.support.bank_calls import threads_at_work
from tests.support.databases import row_count, rows, stored_items
from tests.support.documents import item_content
from tests.support.gitlab_bench import (
    DEADLINE_S,
    GRAPHQL,
    REST,
    GitLabBench,
    gitlab_bench,
    nothing_in_flight,
)
from tests.support.gitlab_kind import LIMITS
from tests.support.job_bench import ASK, ended

ITEMS = 24

Stored = dict[int, dict[str, list[tuple[Any, ...]]]]
HOWS = (evolve(GRAPHQL, per_page=10), evolve(REST, per_page=10))
WAYS = pytest.mark.parametrize("how", HOWS)

#: The ways in which a token may lose its rights.
LOST = (Standing.REVOKED, Standing.FORBIDDEN, Standing.NO_GROUP, Standing.NO_PROJECTS)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank of a few pages, for all tests together: nobody may change it."""
    folder = tmp_path_factory.mktemp("gitlab-sample") / "bank"
    make_sample_bank(folder, items=ITEMS)
    return folder


def list_of(folder: Path) -> list[Path]:
    """Return what is in a folder."""
    return sorted(folder.iterdir())


@pytest.fixture
async def gitlab(tmp_path: Path, sample: Path) -> AsyncIterator[GitLabBench]:
    """A group with the sample's items."""
    async with gitlab_bench(tmp_path / "gitlab", tmp_path / "none") as made:
        for repository in list_of(sample):
            (made.root / repository.name).symlink_to(repository)
        yield made


@pytest.fixture
async def other_database(empty_database: Path, tmp_path: Path) -> AsyncIterator[Database]:
    """A database for what is to be compared with."""
    path = tmp_path / "other.db"
    shutil.copyfile(empty_database, path)
    made = Database(path)
    yield made
    await made.close()


@pytest.fixture
async def expected(gitlab: GitLabBench, jobs: Jobs, other_database: Database) -> Stored:
    """What a run without a fault stores."""
    execution = await jobs(into=other_database).synchronize()
    assert (execution.status, execution.counts.created) == (JobStatus.COMPLETED, ITEMS)
    gitlab.gitlab.requests.clear()
    return await stored(other_database)


async def stored(database: Database) -> Stored:
    """Return all rows of all items, with their logs, whatever they are numbered by."""
    found: Stored = {}
    for item_id, tables in (await stored_items(database)).items():
        (item,) = tables.pop("item")
        found[item_id] = {"item": [item[1:]], **tables}
    log = (
        "SELECT item.id, commit_hash, committed_at, author FROM item_log "
        "JOIN item ON item.key = item_key ORDER BY item_log_id"
    )
    for row in await rows(database, log):
        found[row[0]].setdefault("log", []).append(tuple(row[1:]))
    return found


async def problems(database: Database) -> list[str]:
    """Return the keys of the stored problems."""
    found = await rows(database, "SELECT bank_key FROM ingest_problem ORDER BY 1")
    return [row[0] for row in found]


@WAYS
async def test_faults_sprinkled_over_a_run_change_nothing_of_its_result(
    fake: FakeGitLab, jobs: Jobs, database: Database, expected: Stored, how: How
) -> None:
    """A tenth of all requests fails, by 429, 500 or 502: COMPLETED, with the very same rows."""
    for status, share in ((429, 0.034), (500, 0.035), (502, 0.036)):
        fake.faults.add("status", share=share, status=status)
    bench = jobs(how=how, limits=evolve(LIMITS, attempts=8))
    execution = await bench.synchronize()
    assert execution.status is JobStatus.COMPLETED, execution.exit_message
    assert execution.traffic.requests == fake.requests.total
    assert execution.traffic.retried == fake.requests.faults["status"] > 0
    assert await problems(database) == []
    assert await stored(database) == expected

    migration = await bench.migrate()
    assert migration.status is JobStatus.COMPLETED, migration.exit_message
    assert await stored(database) == expected


@WAYS
async def test_connections_that_break_change_nothing_of_the_result(
    fake: FakeGitLab, jobs: Jobs, database: Database, expected: Stored, how: How
) -> None:
    """Cut before the answer, in its middle, and ended early."""
    for kind in ("cut", "cut_body", "truncated", "bad_json", "login_page", "wrong_shape"):
        fake.faults.add(kind, share=0.02)
    execution = await jobs(how=how, limits=evolve(LIMITS, attempts=8)).synchronize()
    assert execution.status is JobStatus.COMPLETED, execution.exit_message
    assert execution.traffic.requests == fake.requests.total
    assert await problems(database) == []
    assert await stored(database) == expected


@WAYS
async def test_a_page_that_fails_for_good_fails_the_run_and_deletes_nothing(
    gitlab: GitLabBench, fake: FakeGitLab, jobs: Jobs, database: Database, how: How
) -> None:
    """What was updated before it stands; the next run with all pages goes on."""
    bench = jobs(how=how)
    await bench.synchronize()
    first, last = (sorted(fake.world.projects.all(), key=lambda one: one.id)[at] for at in (0, -1))
    early, late = (last, first) if how.graphql else (first, last)
    gone = [one.key for one in (early, late)]
    gitlab.item("900001" if how.graphql else "1", item_content(900001 if how.graphql else 1))
    for key in gone:
        fake.delete(key)
    fake.faults.add("status", "graphql|/groups/[0-9]+/projects", nth=range(2, 99), status=500)
    execution = await bench.synchronize()
    assert execution.status is JobStatus.FAILED
    assert "page 2 of " in execution.exit_message
    assert "500" in execution.exit_message
    assert (execution.counts.created, execution.counts.deleted) == (1, 0)
    assert await row_count(database, "item") == ITEMS + 1
    (scan, *_) = await rows(
        database, "SELECT complete, cursor FROM bank_scan ORDER BY bank_scan_id DESC"
    )
    assert (scan.complete, scan.cursor) == (0, None)

    fake.faults.clear()
    execution = await bench.synchronize()
    assert (execution.status, execution.counts.deleted) == (JobStatus.COMPLETED, 2)
    assert await row_count(database, "item") == ITEMS - 1


@pytest.mark.parametrize("case", [(how, standing) for how in HOWS for standing in LOST])
async def test_a_token_that_loses_its_rights_in_mid_run_fails_it_and_deletes_nothing(
    gitlab: GitLabBench,
    jobs: Jobs,
    database: Database,
    case: tuple[How, Standing],
) -> None:
    """Four ways to lose them: at the second page, and while what has changed is read."""
    (how, standing), fake = case, gitlab.gitlab
    bench = jobs(how=how)
    await bench.synchronize()
    changed = "900001" if how.graphql else "1"
    gitlab.item(changed, item_content(int(changed)))
    before = await stored(database)
    for stage in ("graphql|/groups/[0-9]+/projects", "item.json/raw"):
        hold = fake.faults.add("stall", stage, nth=2 if "graphql" in stage else 1)
        running = await bench.begin_synchronization()
        async with asyncio.timeout(DEADLINE_S):
            await hold.until_hanging(1)
            fake.token.standing = standing
            fake.faults.remove(hold)
            execution = await ended(running)
        assert execution.status is JobStatus.FAILED
        assert execution.counts.deleted == 0
        assert "Traceback" not in execution.exit_message
        fake.token.standing = Standing.VALID
        assert {**before, **await stored(database)}.keys() == (await stored(database)).keys()
        # By the first stage the new item was listed and read, and so stands; here is another one.
        changed = str(int(changed) + 1)
        gitlab.item(changed, item_content(int(changed)))
    assert (await bench.synchronize()).status is JobStatus.COMPLETED
    assert len(await stored(database)) == ITEMS + 3


async def test_abandoned_while_requests_hang_it_answers_and_asks_no_more(
    fake: FakeGitLab, jobs: Jobs, database: Database
) -> None:
    """Sixteen hang on a stalled server: their connections are closed, and the next start works."""
    bench = jobs(how=REST, limits=evolve(LIMITS, at_once=16, timeout_s=60.0))
    for stage in ("/branches/", "/repository/tree", "item.json/raw"):
        hold = fake.faults.add("stall", stage)
        running = await bench.begin_synchronization()
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(DEADLINE_S):
            await hold.until_hanging(16)
            begun = loop.time()
            result = await bench.engine.abandon(running.instance, ASK, wait_s=DEADLINE_S)
            took_s = loop.time() - begun
        asked = fake.requests.total
        assert isinstance(result, Abandoned)
        assert result.execution.status is JobStatus.ABANDONED
        assert took_s < 1.0
        assert threads_at_work() == []
        await nothing_in_flight(fake)
        fake.faults.remove(hold)
        assert fake.requests.total == asked
    assert (await bench.synchronize()).status is JobStatus.COMPLETED
    assert await row_count(database, "item") == ITEMS


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"status": 429, "headers": {"Retry-After": "600"}}, id="pause asked for"),
        pytest.param({"status": 503}, id="back-off"),
    ],
)
async def test_abandoned_in_a_pause_it_answers_at_once(
    fake: FakeGitLab, jobs: Jobs, fault: dict[str, object]
) -> None:
    """Nobody waits for a pause to end, and nothing is sent when it would have."""
    limits = evolve(LIMITS, first_pause_s=500.0, last_pause_s=500.0)
    bench = jobs(how=REST, limits=limits)
    order = fake.faults.add("status", "/groups/[0-9]+/projects", **fault)
    running = await bench.begin_synchronization()
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(DEADLINE_S):
        await fake.requests.reached(2)
        await nothing_in_flight(fake)
        begun = loop.time()
        result = await bench.engine.abandon(running.instance, ASK, wait_s=DEADLINE_S)
    assert isinstance(result, Abandoned)
    assert loop.time() - begun < 2.0
    assert fake.requests.total == 2
    assert order.done == 1


async def test_abandoned_anywhere_the_next_run_comes_to_the_same_result(
    fake: FakeGitLab, jobs: Jobs, database: Database, expected: Stored
) -> None:
    """At thirty points of a run, by the number of requests that have come."""
    rng = Random(7)  # noqa: S311 - to be repeated, not to be secret
    abandoned = 0
    for number in range(30):
        bench = jobs(how=(GRAPHQL, REST)[number % 2])
        fake.requests.clear()
        running = await bench.begin_synchronization()
        reached = asyncio.create_task(fake.requests.reached(rng.randrange(1, 60)))
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.wait({reached, running.recorder}, return_when="FIRST_COMPLETED")
            result = await bench.engine.abandon(running.instance, ASK, wait_s=DEADLINE_S)
        reached.cancel()
        assert isinstance(result, Abandoned | NothingToAbandon)
        abandoned += isinstance(result, Abandoned)
        assert threads_at_work() == []
        await nothing_in_flight(fake)
        execution = await ended(running)
        assert execution.traffic.requests == fake.requests.total
    assert abandoned >= 10
    execution = await jobs().synchronize()
    assert execution.status is JobStatus.COMPLETED
    assert await problems(database) == []
    assert await stored(database) == expected
