"""The banks under the fake GitLab, and those who push to them."""

import itertools
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pygit2
from attrs import define, field

from ingest.bank.repository import open_repository
from ingest.bank.sample import make_sample_bank
from tests.bench.bank_changes import commit_change
from tests.bench.processes import Place
from tests.bench.straight import repositories

#: When everything was pushed that nobody pushes to while this runs: long enough ago for the time
#: of a project's last activity to prove that nothing has happened since.
_AGE_S: Final = 86_400.0


def bank_of(folder: Path, items: int) -> Path:
    """Return the sample bank of so many items in a folder of banks; make it if it is not there."""
    bank = folder / f"{items}"
    if not bank.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f"{items}.{os.getpid()}"
        make_sample_bank(unfinished, items=items)
        for path in repositories(unfinished):
            _age(path)
        unfinished.rename(bank)
    return bank


def part_of(bank: Path, items: int, folder: Path) -> Path:
    """Return a bank that has only the first items of another one, and shares them."""
    return Place(folder, bank, folder / "none").part(items).bank


def keys_of(bank: Path) -> list[str]:
    """Return the ids of a bank's items, ascending."""
    return [path.name.removesuffix(".git") for path in repositories(bank)]


def spread(keys: list[str], count: int) -> list[str]:
    """Return so many of the keys, evenly spread."""
    step = max(1, len(keys) // count)
    return keys[step // 2 :: step][:count]


@define
class Authors:
    """Those who push to a bank; several threads may."""

    bank: Path
    _repositories: dict[str, pygit2.Repository] = field(factory=dict)
    _first_heads: dict[str, str] = field(factory=dict)
    _locks: "defaultdict[str, threading.Lock]" = field(factory=lambda: defaultdict(threading.Lock))
    _numbers: "itertools.count[int]" = field(factory=lambda: itertools.count(1))

    def lock(self, key: str) -> threading.Lock:
        """Return what keeps others from pushing to an item."""
        return self._locks[key]

    def commit(self, key: str) -> str:
        """Commit another document of an item; return the commit's hash."""
        if key not in self._repositories:
            bare = self.bank / f"{key}.git"
            repository = open_repository(bare if bare.exists() else self.bank / key)
            self._first_heads[key] = str(repository.head.target)
            self._repositories[key] = repository
        return commit_change(self._repositories[key], next(self._numbers))

    def heads(self) -> dict[str, str]:
        """Return where the items stand that were pushed to."""
        return {key: str(one.head.target) for key, one in self._repositories.items()}

    def take_back(self) -> None:
        """Let all be as it was."""
        for key, repository in self._repositories.items():
            repository.head.set_target(pygit2.Oid(hex=self._first_heads[key]))
            _age(Path(repository.path))


@contextmanager
def authors(bank: Path) -> Iterator[Authors]:
    """Let authors work; afterwards all is as it was."""
    made = Authors(bank)
    try:
        yield made
    finally:
        made.take_back()


def _age(path: Path) -> None:
    """Let a repository be one that nobody has pushed to lately."""
    then = time.time() - _AGE_S
    git = path / ".git" if (path / ".git").exists() else path
    for name in ("packed-refs", "HEAD", *(f"refs/heads/{one}" for one in ("main", "master"))):
        if (git / name).exists():
            os.utime(git / name, (then, then))
