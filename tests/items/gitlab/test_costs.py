"""What a synchronization asks of GitLab, against the least that it must."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from attrs import evolve

from ingest.bank.fake_gitlab.gitlab import FakeGitLab
from ingest.bank.gitlab.cursor import ACTIVITY_MARGIN, Cursor, read_cursor
from ingest.bank.gitlab.listing import How
from ingest.model.job import Counts, JobStatus
from ingest.storage.database import Database
from tests.items.gitlab.conftest import Jobs
from tests.support.databases import change, rows
from tests.support.documents import item_content
from tests.support.gitlab_bench import DEADLINE_S, GRAPHQL, REST, GitLabBench, gitlab_bench
from tests.support.job_bench import ASK, ended

BRANCH = "GET /projects/{id}/repository/branches/{branch}"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def gitlab(tmp_path: Path) -> AsyncIterator[GitLabBench]:
    """A group whose projects' activity moves when a test says so, and not with a push."""
    options = {"activity_step": timedelta(days=10_000)}
    async with gitlab_bench(tmp_path / "gitlab", tmp_path / "none", **options) as made:
        yield made


def quiet(gitlab: GitLabBench, *keys: str) -> None:
    """Let projects not have been active for long."""
    for key in keys:
        gitlab.gitlab.project(key).active_at = LONG_AGO


async def test_an_unchanged_bank_costs_its_listing_by_graphql(
    gitlab: GitLabBench, fake: FakeGitLab, jobs: Jobs
) -> None:
    """A page a hundred projects, and a look at the group before and behind: nothing else."""
    gitlab.items("7", "8", "9")
    bench = jobs(how=GRAPHQL)
    await bench.synchronize()
    fake.requests.clear()
    execution = await bench.synchronize()
    assert execution.counts == Counts(unchanged=3)
    assert fake.requests.kinds == {"GET /groups/{id}": 2, "POST /api/graphql": 1}
    assert execution.traffic.requests == 3


async def test_an_unchanged_bank_costs_its_listing_by_rest(
    gitlab: GitLabBench, fake: FakeGitLab, jobs: Jobs
) -> None:
    """With a cursor; without one each project is asked where it stands."""
    gitlab.items("7", "8", "9")
    quiet(gitlab, "7", "8", "9")
    bench = jobs(how=REST)
    await bench.synchronize()
    fake.requests.clear()
    assert (await bench.synchronize()).counts == Counts(unchanged=3)
    assert fake.requests.kinds == {"GET /groups/{id}": 2, "GET /groups/{id}/projects": 1}


async def test_a_migration_asks_no_more_than_that(
    gitlab: GitLabBench, fake: FakeGitLab, jobs: Jobs
) -> None:
    """Its one listing goes on from the last synchronization's, too."""
    gitlab.items("7", "8")
    quiet(gitlab, "7", "8")
    bench = jobs(how=REST)
    await bench.synchronize()
    fake.requests.clear()
    assert (await bench.migrate()).status is JobStatus.COMPLETED
    assert fake.requests.total == 3


async def test_what_was_active_since_is_looked_at_and_what_changed_is_read(
    gitlab: GitLabBench, fake: FakeGitLab, jobs: Jobs
) -> None:
    """Activity within the safety margin before the last listing proves nothing."""
    repositories = gitlab.items("7", "8", "9")
    quiet(gitlab, "7", "8", "9")
    bench = jobs(how=REST)
    await bench.synchronize()
    now = datetime.now(UTC)
    # GitLab's time of it moves once an hour: this may be a push of half an hour later.
    fake.project("8").active_at = now - ACTIVITY_MARGIN + timedelta(minutes=1)
    repositories[1].commit(item_content(8), author="Bob")
    fake.project("9").active_at = now - ACTIVITY_MARGIN - timedelta(minutes=1)
    fake.requests.clear()
    assert (await bench.synchronize()).counts == Counts(read=1, updated=1, unchanged=2)
    assert fake.requests.kinds[BRANCH] == 1


async def test_every_so_manieth_listing_by_rest_asks_for_every_revision(
    gitlab: GitLabBench, fake: FakeGitLab, jobs: Jobs
) -> None:
    """So what no activity told of is found, too."""
    (repository, _) = gitlab.items("7", "8")
    bench = jobs(how=How(graphql=False, full_check_every=3))
    asked = []
    for _ in range(7):
        quiet(gitlab, "7", "8")
        fake.requests.clear()
        await bench.synchronize()
        asked.append(fake.requests.kinds[BRANCH])
    assert asked == [2, 0, 0, 2, 0, 0, 2]
    repository.commit(item_content(7), author="Bob")
    updated = []
    for _ in range(3):
        quiet(gitlab, "7", "8")
        updated.append((await bench.synchronize()).counts.updated)
    assert updated == [0, 0, 1]


async def test_what_is_not_known_is_asked_for_whatever_the_listing_says(
    gitlab: GitLabBench, fake: FakeGitLab, jobs: Jobs, database: Database
) -> None:
    """A new item, one that has a problem, and one that has no row."""
    repositories = gitlab.items("6", "7", "8", "9")
    repositories[2].commit(b"no JSON")
    quiet(gitlab, "6", "7", "8", "9")
    broken = f"/projects/{fake.project('6').id}/repository"
    fake.faults.add("status", broken, status=500)
    bench = jobs(how=REST)
    assert (await bench.synchronize()).counts == Counts(read=3, created=2, failed=2)
    fake.faults.clear()
    await change(database, "DELETE FROM item WHERE id = 7")
    gitlab.items("10")
    quiet(gitlab, "10")
    bench.bank.asked.clear()
    execution = await bench.synchronize()
    # 8 is known to be bad at this revision, and has not changed.
    assert sorted(bench.bank.asked, key=int) == ["6", "7", "10"]
    assert execution.counts == Counts(read=3, created=3, unchanged=1, failed=1)
    assert [row.id for row in await rows(database, "SELECT id FROM item ORDER BY id")] == [
        *(6, 7, 9, 10)
    ]


async def test_what_a_list_by_pages_skips_is_brought_in_step_all_the_same(
    gitlab: GitLabBench, fake: FakeGitLab, jobs: Jobs, database: Database
) -> None:
    """A project that goes in mid-listing moves the next page's first one to the page before."""
    repositories = gitlab.items("1", "2", "3", "4", "5")
    quiet(gitlab, "1", "2", "3", "4", "5")
    bench = jobs(how=evolve(REST, per_page=2))
    await bench.synchronize()
    repositories[2].commit(item_content(3), author="Bob")
    hold = fake.faults.add("stall", "[?&]page=2")
    running = await bench.begin_synchronization()
    async with asyncio.timeout(DEADLINE_S):
        await hold.until_hanging(1)
        fake.delete("1")
        fake.faults.remove(hold)
        execution = await ended(running)
    assert execution.status is JobStatus.COMPLETED
    assert execution.counts == Counts(read=1, updated=1, unchanged=4)
    (row,) = await rows(database, "SELECT revision FROM item_git WHERE bank_key = '3'")
    assert row.revision == repositories[2].revision()


async def test_a_listing_that_was_not_seen_to_whole_is_none_to_go_on_from(
    gitlab: GitLabBench, fake: FakeGitLab, jobs: Jobs
) -> None:
    """So nothing that it has skipped counts as unchanged by it."""
    gitlab.items(*map(str, range(1, 14)))
    keys = [project.key for project in fake.world.projects.all()]
    quiet(gitlab, *keys)
    bench = jobs(how=REST)
    await bench.synchronize()
    for key in keys[:12]:
        fake.delete(key)
    assert (await bench.synchronize()).status is JobStatus.FAILED
    fake.requests.clear()
    assert (await bench.synchronize(allow_deletes=12)).counts.deleted == 12
    assert fake.requests.kinds[BRANCH] == 1


async def test_what_had_vanished_when_it_was_to_be_read_is_asked_for_when_it_is_back(
    gitlab: GitLabBench, fake: FakeGitLab, jobs: Jobs, database: Database
) -> None:
    """As by rights that are taken and given again: no cursor passes over it."""
    repository, _ = gitlab.items("7", "8")
    quiet(gitlab, "7", "8")
    bench = jobs(how=REST)
    await bench.synchronize()
    repository.commit(item_content(7), author="Bob")
    fake.project("7").active_at = datetime.now(UTC)
    project = f"/projects/{fake.project('7').id}(/repository/(tree|commits).*)?$"
    fake.faults.add("status", project, status=404)
    execution = await bench.synchronize()
    assert (execution.status, execution.counts) == (JobStatus.COMPLETED, Counts(unchanged=1))
    fake.faults.clear()
    quiet(gitlab, "7", "8")
    assert (await bench.synchronize()).counts == Counts(read=1, updated=1, unchanged=1)
    (row,) = await rows(database, "SELECT revision FROM item_git WHERE bank_key = '7'")
    assert row.revision == repository.revision()


async def test_another_project_of_the_name_is_asked_for_however_quiet_it_was(
    gitlab: GitLabBench, fake: FakeGitLab, jobs: Jobs, database: Database
) -> None:
    """That nothing has happened in a project says nothing of the one that had its name before."""
    gitlab.items("7")
    copy = gitlab.item("70", item_content(7, **{"core.metadata.subject": "Math"}))
    fake.rename("70", "copy-of-7")
    bench = jobs(how=REST)
    await bench.synchronize()
    fake.delete("7")
    fake.rename("70", "7")
    quiet(gitlab, "70")
    assert (await bench.synchronize()).counts == Counts(read=1, updated=1)
    (row,) = await rows(database, "SELECT bank_id, revision FROM item_git")
    assert (row.bank_id, row.revision) == (fake.project("70").id, copy.revision())


def test_a_cursor_of_something_else_is_none() -> None:
    """Of another group, of a time without a zone, or of nothing that can be read."""
    begun = datetime(2026, 3, 1, 12, tzinfo=UTC)
    cursor = Cursor(origin="https://git.example", group=7, begun=begun, partial=2)
    text = cursor.text()
    assert read_cursor(text, origin="https://git.example", group=7) == cursor
    assert read_cursor(text, origin="https://git.other", group=7) is None
    naive = begun.replace(tzinfo=None).isoformat()
    for other in (
        None,
        "",
        "7",
        "[]",
        "{}",
        text.replace("7", "8", 1),
        text.replace(begun.isoformat(), naive),
        text.replace(f'"{begun.isoformat()}"', "1"),
        text.replace('"partial":2', '"partial":-1'),
    ):
        assert read_cursor(other, origin="https://git.example", group=7) is None


async def test_a_cursor_of_another_group_is_not_gone_by(
    gitlab: GitLabBench, fake: FakeGitLab, jobs: Jobs, database: Database
) -> None:
    """Whoever points the service at another group has everything asked for."""
    gitlab.items("7", "8")
    quiet(gitlab, "7", "8")
    bench = jobs(how=REST)
    await bench.synchronize()
    await change(database, "UPDATE bank_scan SET cursor = json_set(cursor, '$.group', 1)")
    fake.requests.clear()
    await bench.synchronize()
    assert fake.requests.kinds[BRANCH] == 2


@pytest.mark.parametrize("how", [GRAPHQL, REST])
async def test_the_requests_of_an_execution_are_those_that_were_made(
    gitlab: GitLabBench, fake: FakeGitLab, jobs: Jobs, how: How
) -> None:
    """All of them, and how many were sent again; also where the run has failed."""
    gitlab.items(*map(str, range(1, 7)))
    bench = jobs(how=how)
    fake.faults.add("status", "commits", nth=[1, 3], status=500)
    fake.faults.add("cut_body", "/raw", nth=2)
    execution = await bench.synchronize()
    assert execution.status is JobStatus.COMPLETED
    assert execution.traffic.requests == fake.requests.total
    assert execution.traffic.retried == 3
    assert execution.traffic.waited_s > 0

    fake.requests.clear()
    fake.faults.add("status", "graphql|/projects", status=500)
    execution = await bench.synchronize()
    assert execution.status is JobStatus.FAILED
    assert execution.traffic.requests == fake.requests.total
    assert execution.traffic.retried == fake.requests.faults["status"] - (
        5 if how is GRAPHQL else 1
    )


async def test_two_runs_at_the_same_time_are_counted_apart(
    gitlab: GitLabBench, fake: FakeGitLab, jobs: Jobs
) -> None:
    """Though they share the connections, the pace and the pauses."""
    gitlab.items(*map(str, range(1, 5)))
    bench = jobs(how=REST)
    hold = fake.faults.add("stall", "/projects[?]")
    first = await bench.begin_synchronization()
    second = await bench.begin_migration()
    async with asyncio.timeout(DEADLINE_S):
        await hold.until_hanging(2)
        fake.faults.remove(hold)
        one, other = await ended(first), await ended(second)
    assert one.traffic.requests > 0
    assert other.traffic.requests > 0
    assert one.traffic.requests + other.traffic.requests == fake.requests.total


async def test_an_abandoned_run_tells_what_it_had_asked(
    gitlab: GitLabBench, fake: FakeGitLab, jobs: Jobs
) -> None:
    """Those that hung when it was abandoned among them."""
    gitlab.items(*map(str, range(1, 7)))
    bench = jobs(how=REST)
    hold = fake.faults.add("stall", "/branches/")
    running = await bench.begin_synchronization()
    async with asyncio.timeout(DEADLINE_S):
        await hold.until_hanging(6)
        await bench.engine.abandon(running.instance, ASK, wait_s=DEADLINE_S)
        execution = await ended(running)
    assert execution.status is JobStatus.ABANDONED
    assert execution.traffic.requests == fake.requests.total == 2 + 6
