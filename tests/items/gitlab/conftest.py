"""A fake GitLab, a database, and the real jobs between them."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from ingest.bank.fake_gitlab.gitlab import FakeGitLab
from ingest.storage.database import Database
from tests.support.gitlab_bench import GitLabBench, gitlab_bench
from tests.support.job_bench import JobBench, WatchedBank

Jobs = Callable[..., JobBench]


@pytest.fixture
async def gitlab(tmp_path: Path) -> AsyncIterator[GitLabBench]:
    """A group without a project, and banks that ask it."""
    async with gitlab_bench(tmp_path / "gitlab", tmp_path / "none") as made:
        yield made


@pytest.fixture
def fake(gitlab: GitLabBench) -> FakeGitLab:
    """The fake GitLab itself."""
    return gitlab.gitlab


@pytest.fixture
def jobs(gitlab: GitLabBench, database: Database) -> Jobs:
    """Makes the jobs over a bank of these options; see `gitlab_bank`."""

    def make(into: Database = database, **options: Any) -> JobBench:
        return JobBench(WatchedBank(gitlab.bank(**options)), into)

    return make
