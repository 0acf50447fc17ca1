"""Banks at a fake GitLab, what is put into them, and what is asked of them."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from ingest.bank.base import Listing, Wanted
from ingest.bank.fake_gitlab.gitlab import FakeGitLab
from ingest.bank.gitlab.bank import GitLabBank
from ingest.bank.gitlab.listing import GitLabScan, How
from ingest.errors import BankUnavailableError
from ingest.items.derivation import derive
from tests.support.documents import item_content
from tests.support.gitlab_kind import gitlab_bank
from tests.support.gitlab_server import fake_gitlab
from tests.support.repositories import Repository

#: Nothing that a test waits for may take longer.
DEADLINE_S: Final = 10.0

GRAPHQL: Final = How(graphql=True)
REST: Final = How(graphql=False)
MEMBERSHIP: Final = How(graphql=False, by_membership=True)


class GitLabBench:
    """A fake GitLab, and the banks that ask it.

    Args:
        gitlab: The fake.
        one: A repository that `many` items may share; not to be changed.
    """

    def __init__(self, gitlab: FakeGitLab, one: Path) -> None:
        self.gitlab = gitlab
        self._one = one
        self._banks: list[GitLabBank] = []

    @property
    def root(self) -> Path:
        """Return the folder of the repositories."""
        return self.gitlab.world.projects.root

    def item(self, key: str, *contents: bytes | None) -> Repository:
        """Make an item with a commit for each of the contents; with a document where none is."""
        made = Repository(self.root / f"{key}.git")
        for content in contents or (item_content(int(key.rpartition("/")[2])),):
            made.commit(content)
        self.gitlab.project(key)
        return made

    def items(self, *keys: str) -> list[Repository]:
        """Make items with a document each."""
        return [self.item(key) for key in keys]

    def many(self, numbers: Iterable[int]) -> None:
        """Make items that all are one and the same repository: for who only lists."""
        for number in numbers:
            (self.root / f"{number}.git").symlink_to(self._one)
            self.gitlab.project(str(number))

    def bank(self, **options: Any) -> GitLabBank:
        """Return a bank, which is closed when the test ends; see `gitlab_bank`."""
        made = gitlab_bank(self.gitlab, **options)
        self._banks.append(made)
        return made

    async def close(self) -> None:
        """Close the banks."""
        for bank in self._banks:
            await bank.aclose()


@asynccontextmanager
async def gitlab_bench(root: Path, one: Path, **options: Any) -> AsyncIterator[GitLabBench]:
    """Serve an empty group; see `FakeGitLab` for the options."""
    async with fake_gitlab(root, **options) as gitlab:
        made = GitLabBench(gitlab, one)
        try:
            yield made
        finally:
            await made.close()


async def scanned(bank: GitLabBank, since: str | None = None) -> tuple[GitLabScan, list[Listing]]:
    """List a bank to its end; return the scan and what it has listed."""
    scan = bank.scan(since)
    found: list[Listing] = []
    async with asyncio.timeout(DEADLINE_S), aclosing(scan.__aiter__()) as slices:
        async for listings in slices:
            found += listings
    return scan, found


async def incomplete(bank: GitLabBank) -> tuple[str, list[Listing]]:
    """List a bank that cannot be listed to its end; return why, and what was listed before."""
    scan = bank.scan()
    found: list[Listing] = []
    try:
        async with asyncio.timeout(DEADLINE_S), aclosing(scan.__aiter__()) as slices:
            async for listings in slices:
                found += listings
    except BankUnavailableError as error:
        assert not scan.complete
        assert scan.cursor is None
        return str(error), found
    raise AssertionError("the listing came to its end")


async def nothing_in_flight(gitlab: FakeGitLab) -> None:
    """Wait until the fake has seen that nobody waits for an answer any more."""
    async with asyncio.timeout(DEADLINE_S):
        while gitlab.requests.in_flight:  # noqa: ASYNC110 - the fake tells by nothing else
            await asyncio.sleep(0.001)


def keys(found: Iterable[Listing]) -> list[str]:
    """Return the keys of entries, sorted by number."""
    return sorted((one.key for one in found), key=int)


def problems(found: Iterable[Listing]) -> dict[str, str]:
    """Return the kinds of the problems that entries have, by key."""
    return {one.key: one.problem.kind for one in found if one.problem is not None}


async def wanted_of(bank: GitLabBank, *, after: str | None = None) -> list[Wanted]:
    """Return what to read of every item, by ascending key."""
    _, found = await scanned(bank)
    return [
        Wanted(
            key=one.key,
            path=one.path,
            revision=one.revision or "",
            after=after,
            bank_id=one.bank_id,
            branch=one.branch,
        )
        for one in sorted(found, key=lambda one: int(one.key))
    ]


async def derived(bank: GitLabBank, wanted: list[Wanted]) -> list[Any]:
    """Derive items as the jobs do."""
    found: list[Any] = []
    async with asyncio.timeout(DEADLINE_S):
        changed = bank.read_changes(wanted, lambda history: derive(history, None))
        async with aclosing(changed) as slices:
            async for some in slices:
                found += some
    return found
