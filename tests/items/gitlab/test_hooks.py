"""Push hooks that a synchronization makes where they are missing."""

from typing import Final

import pytest
from structlog.testing import capture_logs

from ingest.bank.fake_gitlab.gitlab import FakeGitLab
from ingest.bank.gitlab.hooks import PushHooks
from ingest.model.job import JobStatus
from ingest.model.secret import Secret
from ingest.storage.database import Database
from tests.items.gitlab.conftest import Jobs
from tests.support.databases import change, row_count
from tests.support.documents import item_content
from tests.support.gitlab_bench import GitLabBench
from tests.support.job_bench import JobBench

URL: Final = "https://ingest.example/webhook"
TOKEN: Final = "glwht-3f8a"  # noqa: S105 - a test's own
HOOKS: Final = "/projects/[0-9]+/hooks"


@pytest.fixture
def bench(gitlab: GitLabBench, jobs: Jobs) -> JobBench:
    """The jobs, with hooks to be made."""
    bank = gitlab.bank()
    made = jobs()
    made.notices = PushHooks(bank.client, bank.group, URL, Secret(TOKEN))
    return made


def hooks(fake: FakeGitLab, key: str) -> list[tuple[str, str | None, bool]]:
    """Return URL, token and business of a project's hooks."""
    found = fake.hooks.of(fake.project(key).id)
    return [(hook.url, hook.token, hook.push_events) for hook in found]


def lacking(message: str) -> int:
    """Return how many items lacked their hook, as an exit message says."""
    return int(message.split("requiring project webhook: ")[1].split(",", maxsplit=1)[0])


async def test_missing_hooks_are_made_once(
    gitlab: GitLabBench, fake: FakeGitLab, bench: JobBench
) -> None:
    """One a project, told in the log and counted; the second run has none to make, nor to ask."""
    gitlab.items("7", "8")
    with capture_logs() as lines:
        first = await bench.synchronize()
    assert first.status is JobStatus.COMPLETED
    assert lacking(first.exit_message) == 2
    made = [line for line in lines if line["event"] == "ITEM_MONITORED"]
    assert sorted((line["item_id"], line["bank_key"]) for line in made) == [(7, "7"), (8, "8")]
    assert all(line["commit"] for line in made)
    for key in ("7", "8"):
        assert hooks(fake, key) == [(URL, TOKEN, True)]

    fake.requests.clear()
    second = await bench.synchronize()
    assert lacking(second.exit_message) == 0
    assert not any("hooks" in kind for kind in fake.requests.kinds)
    gitlab.items("9")
    assert lacking((await bench.synchronize()).exit_message) == 1


async def test_a_hook_that_is_there_is_taken_for_it(
    gitlab: GitLabBench, fake: FakeGitLab, bench: JobBench
) -> None:
    """By its URL, among any number of others; one that tells of no push is none."""
    gitlab.items("7", "8")
    for number in range(120):
        fake.hooks.add(fake.project("7").id, url=f"https://other.example/{number}")
    fake.hooks.add(fake.project("7").id, url=URL)
    fake.hooks.add(fake.project("8").id, url=URL, push_events=False)
    assert lacking((await bench.synchronize()).exit_message) == 1
    assert len(hooks(fake, "7")) == 121
    assert hooks(fake, "8") == [(URL, None, False), (URL, TOKEN, True)]


@pytest.mark.parametrize("kind", ["cut_body", "bad_json"])
async def test_a_hook_whose_making_was_not_answered_is_not_made_twice(
    gitlab: GitLabBench, fake: FakeGitLab, bench: JobBench, kind: str
) -> None:
    """GitLab would call both. It is one that lacked, and every request is counted."""
    gitlab.items("7")
    fault = fake.faults.add(kind, HOOKS, method="POST", nth=1)
    execution = await bench.synchronize()
    assert fault.done == 1
    assert lacking(execution.exit_message) == 1
    assert hooks(fake, "7") == [(URL, TOKEN, True)]
    assert execution.traffic.requests == fake.requests.total


async def test_a_hook_that_was_not_made_at_first_is_made_at_the_next_try(
    gitlab: GitLabBench, fake: FakeGitLab, bench: JobBench
) -> None:
    """Whether GitLab is overloaded or cuts the connection."""
    gitlab.items("7")
    fake.faults.add("status", HOOKS, method="POST", nth=1, status=502)
    assert lacking((await bench.synchronize()).exit_message) == 1
    assert hooks(fake, "7") == [(URL, TOKEN, True)]


async def test_none_is_made_in_a_dry_run_nor_where_it_is_not_wanted(
    gitlab: GitLabBench, fake: FakeGitLab, bench: JobBench, jobs: Jobs
) -> None:
    """Nothing is asked of hooks, either."""
    gitlab.items("7")
    await bench.synchronize(is_dry_run=True)
    assert lacking((await jobs().synchronize()).exit_message) == 0
    await bench.synchronize(is_dry_run=True)
    assert hooks(fake, "7") == []
    assert not any("hooks" in kind for kind in fake.requests.kinds)


@pytest.mark.parametrize("right", ["scope", "role"])
async def test_where_making_one_is_refused_it_is_said_and_counted(
    gitlab: GitLabBench, fake: FakeGitLab, bench: JobBench, right: str
) -> None:
    """The run is COMPLETED all the same: hooks only make things sooner. And every run says it."""
    gitlab.items(*map(str, range(1, 21)))
    if right == "scope":
        fake.token.scopes = frozenset({"read_api"})
    else:
        fake.token.is_maintainer = False
    for _ in range(2):
        fake.requests.clear()
        with capture_logs() as lines:
            execution = await bench.synchronize()
        assert execution.status is JobStatus.COMPLETED
        assert lacking(execution.exit_message) == 20
        (warning,) = [line for line in lines if line["event"] == "push hooks cannot be made"]
        assert "403" in warning["reason"]
        assert "the scope api, and its user the role Maintainer" in warning["reason"]
        # Of one batch, and no more.
        assert fake.requests.statuses[403] <= 16
    fake.token.scopes, fake.token.is_maintainer = frozenset({"api"}), True
    assert lacking((await bench.synchronize()).exit_message) == 20
    assert lacking((await bench.synchronize()).exit_message) == 0


async def test_what_is_refused_of_some_projects_keeps_no_other_from_its_hook(
    gitlab: GitLabBench, fake: FakeGitLab, bench: JobBench
) -> None:
    """One that has too many hooks, say, stands before all others in every run."""
    gitlab.items(*map(str, range(1, 4)))
    await JobBench(bench.bank, bench.database).synchronize()
    gitlab.items(*map(str, range(4, 41)))
    for key in ("1", "2", "3"):
        number = fake.project(key).id
        fake.faults.add("status", f"/projects/{number}/hooks", method="POST", status=422)
    for expected in (40, 3):
        with capture_logs() as lines:
            execution = await bench.synchronize()
        assert execution.status is JobStatus.COMPLETED
        assert lacking(execution.exit_message) == expected
        (warning,) = [line for line in lines if line["event"] == "push hooks cannot be made"]
        assert warning["refused"] == 3
        assert "422" in warning["reason"]
        assert "Maintainer" not in warning["reason"]
    assert all(hooks(fake, str(key)) for key in range(4, 41))


async def test_a_project_that_goes_meanwhile_needs_no_hook(
    gitlab: GitLabBench, fake: FakeGitLab, bench: JobBench
) -> None:
    """It is neither an error nor monitored; the others are."""
    gitlab.items("7", "8")
    gone = f"/projects/{fake.project('7').id}/hooks"
    fake.faults.add("status", gone, status=404)
    execution = await bench.synchronize()
    assert execution.status is JobStatus.COMPLETED
    assert lacking(execution.exit_message) == 1
    fake.faults.clear()
    assert lacking((await bench.synchronize()).exit_message) == 1


async def test_a_bank_that_goes_while_hooks_are_made_fails_the_run(
    gitlab: GitLabBench, fake: FakeGitLab, bench: JobBench, database: Database
) -> None:
    """What was read stands; the next run makes the rest."""
    gitlab.items("7", "8")
    fake.faults.add("status", HOOKS, status=401)
    execution = await bench.synchronize()
    assert execution.status is JobStatus.FAILED
    assert "INGEST_BANK_TOKEN" in execution.exit_message
    assert await row_count(database, "item") == 2
    fake.faults.clear()
    assert lacking((await bench.synchronize()).exit_message) == 2


async def test_a_hook_is_looked_for_again_after_a_month(
    gitlab: GitLabBench, fake: FakeGitLab, bench: JobBench, database: Database
) -> None:
    """One that somebody has removed is made anew."""
    gitlab.items("7")
    await bench.synchronize()
    (hook,) = fake.hooks.of(fake.project("7").id)
    fake.hooks.remove(hook)
    assert lacking((await bench.synchronize()).exit_message) == 0
    await change(database, "UPDATE item_git SET monitored_at = datetime(monitored_at, '-31 days')")
    assert lacking((await bench.synchronize()).exit_message) == 1
    assert hooks(fake, "7") == [(URL, TOKEN, True)]


@pytest.mark.parametrize("newest_by", [None, "Bob"])
async def test_another_project_of_the_name_needs_a_hook_of_its_own(
    gitlab: GitLabBench, fake: FakeGitLab, bench: JobBench, newest_by: str | None
) -> None:
    """Whether it holds what the one before held, or something else."""
    first = gitlab.item("7")
    other = gitlab.item("70")
    other.git("fetch", "-q", str(first.path), "main")
    other.git("update-ref", "refs/heads/main", "FETCH_HEAD")
    if newest_by is not None:
        other.commit(item_content(7), author=newest_by)
    fake.rename("70", "copy-of-7")
    await bench.synchronize()
    fake.delete("7")
    fake.rename("70", "7")
    assert lacking((await bench.synchronize()).exit_message) == 1
    assert hooks(fake, "70") == [(URL, TOKEN, True)]
    assert lacking((await bench.synchronize()).exit_message) == 0
