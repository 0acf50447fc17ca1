"""A fake GitLab to ask."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ingest.bank.fake_gitlab.gitlab import FakeGitLab
from tests.support.gitlab_bench import GitLabBench, gitlab_bench
from tests.support.repositories import Repository


@pytest.fixture(scope="session")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository that many items may share: nobody may change it."""
    made = Repository(tmp_path_factory.mktemp("one") / "one.git")
    made.commit(b"{}")
    return made.path


@pytest.fixture
async def bench(tmp_path: Path, one: Path) -> AsyncIterator[GitLabBench]:
    """A group without a project, and banks that ask it."""
    async with gitlab_bench(tmp_path / "gitlab", one) as made:
        yield made


@pytest.fixture
def fake(bench: GitLabBench) -> FakeGitLab:
    """The fake GitLab itself."""
    return bench.gitlab
