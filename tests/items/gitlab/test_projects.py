"""What becomes of items whose projects change, as the jobs see it."""

import asyncio

import pytest

from ingest.bank.fake_gitlab.gitlab import FakeGitLab
from ingest.bank.gitlab.listing import How
from ingest.bank.gitlab.projects import Scope
from ingest.items.single import ItemOutcome, SingleItems
from ingest.model.job import Counts, JobStatus
from ingest.storage.database import Database
from tests.items.gitlab.conftest import Jobs
from tests.support.databases import rows
from tests.support.documents import item_content
from tests.support.gitlab_bench import DEADLINE_S, GRAPHQL, REST, GitLabBench
from tests.support.job_bench import ended

WAYS = pytest.mark.parametrize("how", [GRAPHQL, REST])


async def stored(database: Database) -> list[tuple[str, str]]:
    """Return the keys and places of the stored items."""
    found = await rows(database, "SELECT bank_key, path FROM item_git ORDER BY bank_key")
    return [(row[0], row[1]) for row in found]


async def problems(database: Database) -> list[tuple[str, str]]:
    """Return the keys and kinds of the stored problems."""
    found = await rows(database, "SELECT bank_key, kind FROM ingest_problem ORDER BY bank_key")
    return [(row[0], row[1]) for row in found]


@WAYS
async def test_a_project_that_is_renamed_keeps_its_row(
    gitlab: GitLabBench, fake: FakeGitLab, jobs: Jobs, database: Database, how: How
) -> None:
    """To a word: a problem until it has its name again."""
    gitlab.items("7", "8")
    bench = jobs(how=how)
    await bench.synchronize()
    fake.rename("7", "seven")
    execution = await bench.synchronize()
    assert execution.status is JobStatus.COMPLETED
    assert execution.counts == Counts(unchanged=1, failed=1)
    assert [key for key, _ in await stored(database)] == ["7", "8"]
    assert await problems(database) == [("7", "RENAMED")]

    fake.rename("7", "7")
    assert (await bench.synchronize()).counts == Counts(unchanged=2)
    assert await problems(database) == []


@WAYS
async def test_a_project_that_becomes_another_item_takes_its_row_along(
    gitlab: GitLabBench, fake: FakeGitLab, jobs: Jobs, database: Database, how: How
) -> None:
    """To another number: a problem of both until the document follows, then one item for one."""
    repository, _ = gitlab.items("7", "8")
    bench = jobs(how=how)
    await bench.synchronize()
    fake.rename("7", "9")
    assert (await bench.synchronize()).status is JobStatus.COMPLETED
    assert [key for key, _ in await stored(database)] == ["7", "8"]
    assert [key for key, _ in await problems(database)] == ["7", "9"]

    repository.commit(item_content(9))
    fake.touch("7")
    execution = await bench.synchronize()
    assert (execution.counts.created, execution.counts.deleted) == (1, 1)
    assert [key for key, _ in await stored(database)] == ["8", "9"]
    assert await problems(database) == []


@WAYS
async def test_a_project_that_is_moved_within_the_group_has_its_new_place_stored(
    gitlab: GitLabBench, fake: FakeGitLab, jobs: Jobs, database: Database, how: How
) -> None:
    """Without being read again."""
    gitlab.items("7")
    bench = jobs(how=how)
    await bench.synchronize()
    fake.transfer("7", "itembank/math")
    bench.bank.asked.clear()
    assert (await bench.synchronize()).counts == Counts(unchanged=1)
    assert bench.bank.asked == []
    assert await stored(database) == [("7", "itembank/math/7")]


@WAYS
async def test_a_project_that_leaves_the_group_keeps_its_row_while_it_is_seen(
    gitlab: GitLabBench, fake: FakeGitLab, jobs: Jobs, database: Database, how: How
) -> None:
    """Deleted is only what is certainly gone, and allowed to go."""
    gitlab.items("7", "8")
    bench = jobs(how=how)
    await bench.synchronize()
    fake.transfer("7", "attic")
    assert (await bench.synchronize()).counts == Counts(unchanged=1, failed=1)
    assert await problems(database) == [("7", "RENAMED")]
    fake.delete("7")
    assert (await bench.synchronize()).counts == Counts(unchanged=1, deleted=1)
    assert await problems(database) == []


@WAYS
async def test_an_archived_project_is_deleted_only_where_that_is_configured(
    gitlab: GitLabBench, fake: FakeGitLab, jobs: Jobs, database: Database, how: How
) -> None:
    """include_archived says whether the archive is a part of the bank."""
    gitlab.items("7", "8")
    await jobs(how=how).synchronize()
    fake.archive("7")
    assert (await jobs(how=how).synchronize()).counts == Counts(unchanged=2)
    scope = Scope(group="itembank", include_archived=False)
    execution = await jobs(how=how, scope=scope).synchronize()
    assert execution.counts == Counts(unchanged=1, deleted=1)
    assert [key for key, _ in await stored(database)] == ["8"]


@WAYS
async def test_a_project_aimed_for_deletion_keeps_its_row_until_it_is_gone(
    gitlab: GitLabBench, fake: FakeGitLab, jobs: Jobs, database: Database, how: How
) -> None:
    """It can be taken back for days."""
    gitlab.items("7", "8")
    bench = jobs(how=how)
    await bench.synchronize()
    fake.mark_for_deletion("7")
    assert (await bench.synchronize()).counts == Counts(unchanged=1, failed=1)
    assert [key for key, _ in await stored(database)] == ["7", "8"]
    fake.delete("7")
    assert (await bench.synchronize()).counts == Counts(unchanged=1, deleted=1)


@WAYS
async def test_what_holds_no_item_yet_is_counted_and_no_error(
    gitlab: GitLabBench, jobs: Jobs, database: Database, how: How
) -> None:
    """Empty, or with a first commit without a document."""
    gitlab.items("7")
    gitlab.item("8").git("update-ref", "-d", "refs/heads/main")
    gitlab.item("9", None)
    bench = jobs(how=how)
    for counts in (Counts(read=1, created=1, unchanged=2), Counts(unchanged=3)):
        execution = await bench.synchronize()
        assert (execution.status, execution.counts) == (JobStatus.COMPLETED, counts)
    assert await problems(database) == []


@WAYS
async def test_a_forced_push_is_read_from_the_beginning(
    gitlab: GitLabBench, fake: FakeGitLab, jobs: Jobs, database: Database, how: How
) -> None:
    """The row is of the new history, and the log has both."""
    (repository,) = gitlab.items("7")
    bench = jobs(how=how)
    await bench.synchronize()
    repository.commit(item_content(7), author="Bob", anew=True)
    fake.touch("7")
    assert (await bench.synchronize()).counts == Counts(read=1, updated=1)
    (row,) = await rows(database, "SELECT item_created_by, updated_by FROM item")
    assert row.updated_by == "Bob"


@WAYS
@pytest.mark.parametrize("content", [None, b"no JSON"])
async def test_two_projects_of_one_name_are_an_item_and_a_problem_every_time(
    gitlab: GitLabBench,
    jobs: Jobs,
    database: Database,
    how: How,
    content: bytes | None,
) -> None:
    """However often it runs, and whatever else is wrong with them; three are as well."""
    for group in ("art", "english", "math"):
        gitlab.item(f"{group}/7", content or item_content(7))
    bench = jobs(how=how)
    for _ in range(4):
        execution = await bench.synchronize()
        assert execution.status is JobStatus.COMPLETED, execution.exit_message
        assert execution.counts.failed >= 2
        assert [key for key, _ in await problems(database)] == ["7"]
        assert len(await stored(database)) == (0 if content else 1)


async def test_a_push_to_the_other_project_of_a_name_changes_nothing(
    gitlab: GitLabBench, fake: FakeGitLab, jobs: Jobs, database: Database
) -> None:
    """Of two, the item is the one that is stored."""
    gitlab.items("art/7")
    bench = jobs()
    await bench.synchronize()
    other = gitlab.item("math/7", item_content(7, **{"core.metadata.subject": "Math"}))
    number = fake.project("math/7").id
    single = SingleItems(bench.bank, database)
    try:
        assert await single.synchronize(7, number) is ItemOutcome.UNCHANGED
        assert await stored(database) == [("7", "itembank/art/7")]
        fake.delete("art/7")
        assert await single.synchronize(7, number) is ItemOutcome.UPDATED
    finally:
        single.close()
    assert await stored(database) == [("7", "itembank/math/7")]
    (row,) = await rows(database, "SELECT revision FROM item_git")
    assert row.revision == other.revision()


async def test_a_push_that_a_job_overtakes_with_less_is_seen_to_all_the_same(
    gitlab: GitLabBench, fake: FakeGitLab, jobs: Jobs, database: Database
) -> None:
    """The job had listed the item before the push, and writes it while the push is read."""
    (repository,) = gitlab.items("7")
    bench = jobs()
    await bench.synchronize()
    repository.commit(item_content(7), author="Bob")
    bench.bank.halt_at_reading = 1
    running = await bench.begin_synchronization()
    single = SingleItems(bench.bank.bank, database)
    try:
        async with asyncio.timeout(DEADLINE_S):
            await bench.bank.halted.wait()
            newest = repository.commit(item_content(7), author="Eve")
            hold = fake.faults.add("stall", f"item.json/raw[?]ref={newest}")
            pushed = asyncio.create_task(single.synchronize(7))
            await hold.until_hanging(1)
            bench.bank.go_on.set()
            assert (await ended(running)).counts.updated == 1
            fake.faults.remove(hold)
            assert await pushed is ItemOutcome.UPDATED
    finally:
        single.close()
    (row,) = await rows(database, "SELECT revision FROM item_git")
    assert row.revision == newest
    assert len(await rows(database, "SELECT commit_hash FROM item_log")) == 3
