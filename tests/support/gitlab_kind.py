"""The item bank at GitLab, with a fake GitLab over real repositories behind a real socket."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from ingest.bank.fake_gitlab.gitlab import FakeGitLab
from ingest.bank.gitlab.bank import GitLabBank
from ingest.bank.gitlab.listing import How
from ingest.bank.gitlab.projects import Scope
from ingest.bank.gitlab.transport import Limits
from ingest.bank.pace import Pace
from ingest.model.secret import Secret
from tests.support.gitlab_server import fake_gitlab
from tests.support.repositories import Repository

#: As many requests a second as the machine allows, and pauses that are none.
LIMITS: Final = Limits(
    per_second=100_000.0, timeout_s=5.0, attempts=3, first_pause_s=0.001, last_pause_s=0.002
)


class GitLabKind:
    """The bank that is a group of GitLab's."""

    def __init__(self, gitlab: FakeGitLab, how: How) -> None:
        self.gitlab = gitlab
        self._how = how

    def item(self, key: str) -> Repository:
        """See `BankKind.item`."""
        made = Repository(self.gitlab.world.projects.root / f"{key}.git")
        self.gitlab.project(key)
        return made

    def remove(self, key: str) -> None:
        """See `BankKind.remove`."""
        self.gitlab.delete(key)

    def go_away(self) -> None:
        """See `BankKind.go_away`."""
        self.gitlab.faults.add("status", status=503)

    def bank(
        self,
        *,
        pace: Pace | None = None,
        ignore_projects: Iterable[str] = (),
        ignore_items: Iterable[int] = (),
        **options: Any,
    ) -> GitLabBank:
        """See `BankKind.bank`."""
        return gitlab_bank(
            self.gitlab,
            how=self._how,
            pace=pace,
            ignore_projects=ignore_projects,
            ignore_items=ignore_items,
            **options,
        )


def gitlab_bank(
    gitlab: FakeGitLab,
    *,
    limits: Limits = LIMITS,
    how: How | None = None,
    scope: Scope | None = None,
    **options: Any,
) -> GitLabBank:
    """Return the bank that a fake GitLab serves; whoever asks closes it."""
    return GitLabBank(
        gitlab.url,
        scope or Scope(group=gitlab.group),
        Secret(gitlab.token.value),
        limits=limits,
        how=how or How(),
        **options,
    )


@asynccontextmanager
async def gitlab_kind(root: Path, *, by_graphql: bool = True) -> AsyncIterator[GitLabKind]:
    """Serve an empty group."""
    async with fake_gitlab(root) as gitlab:
        yield GitLabKind(gitlab, How(graphql=by_graphql))
