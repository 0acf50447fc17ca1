"""What lies in a bank's folder: which entries are items', and what is wrong with the others.

Everything here blocks, and belongs into a worker thread.
"""

import os
import re
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

from ingest.bank.base import Listing
from ingest.bank.names import Ignored, by_number, is_key, key_problem
from ingest.bank.repository import UNREADABLE, dangling, head_revision, open_repository
from ingest.errors import BankUnavailableError, ItemNotFoundError
from ingest.model.item import Problem, ProblemKind

_ENTRY: Final = re.compile(r"([0-9]+)(\.git)?", re.ASCII)


@frozen
class Entry:
    """A folder that has an item's name."""

    key: str
    name: str
    problem: Problem | None = None


class Entries:
    """The entries that have an item's name, by ascending number.

    Kept as names, each made an `Entry` only when it is asked for: a bank may have very many.

    Args:
        names: The folders' names, in any order.
    """

    def __init__(self, names: Iterable[str]) -> None:
        #: One name for each item.
        self._names: list[str] = []
        #: All of its names, by its key, where an item has more than one.
        self._several: dict[str, list[str]] = {}
        for name in by_number(names, key_of=_key):
            before = self._names[-1] if self._names else ""
            if _key(before) == _key(name):
                self._several.setdefault(_key(name), [before]).append(name)
            else:
                self._names.append(name)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> Entry:
        name = self._names[index]
        key = _key(name)
        return _entry(key, self._several.get(key, [name]))


class Directory:
    """The folder that holds the repositories.

    Args:
        root: The folder.
        ignore_projects: Names of entries to pass over, whatever their case.
        ignore_items: Item ids to pass over.
    """

    def __init__(
        self, root: Path, *, ignore_projects: Iterable[str], ignore_items: Iterable[int]
    ) -> None:
        self.root = root
        self._ignored = Ignored(projects=ignore_projects, items=ignore_items)

    def identity(self) -> tuple[int, int]:
        """Return what tells this folder from another one put in its place.

        Raises:
            BankUnavailableError: It cannot be read.
        """
        try:
            with os.scandir(self.root):
                found = self.root.stat()
        except OSError as error:
            raise BankUnavailableError(
                f"The item bank {self.root} cannot be read: {error.strerror}. "
                "Make the folder available, or name another one with --bank"
            ) from error
        return found.st_dev, found.st_ino

    def entries(self) -> Entries:
        """Return the entries that have an item's name.

        Raises:
            BankUnavailableError: The folder cannot be listed to its end.
        """
        names: list[str] = []
        try:
            with os.scandir(self.root) as found:
                for entry in found:
                    match = _ENTRY.fullmatch(entry.name)
                    if match is None or not self._ignored.passes(entry.name, match[1]):
                        continue
                    if _is_folder(self.root / entry.name):
                        names.append(entry.name)
        except OSError as error:
            raise BankUnavailableError(
                f"The item bank {self.root} cannot be listed: {error.strerror}"
            ) from error
        return Entries(names)

    def find(self, key: str) -> Entry | None:
        """Return the entry of one item; None only when its absence is certain.

        Raises:
            BankUnavailableError: The folder cannot be read.
        """
        before = self.identity()
        if not is_key(key) or not self._ignored.passes(key, key):
            return None
        try:
            paths = (self.root / key, self.root / f"{key}.git")
            names = [path.name for path in paths if _is_folder(path)]
        except OSError as error:
            raise BankUnavailableError(
                f"The item bank {self.root} cannot tell whether it has {key}: {error.strerror}"
            ) from error
        if names:
            return _entry(key, names)
        if self.identity() != before:  # a bank that went away meanwhile proves nothing
            raise BankUnavailableError(f"The item bank {self.root} was replaced while it was read")
        return None

    def listing(self, entry: Entry) -> Listing | None:
        """Return where an entry's repository stands; None where it has gone meanwhile.

        Raises:
            BankUnavailableError: It is the whole bank that has gone.
        """
        path = self.root / entry.name
        revision, problem = None, entry.problem
        if problem is None:
            try:
                repository = open_repository(path)
                revision = head_revision(repository)
                if revision is None:
                    problem = dangling(repository)
            except UNREADABLE as error:
                problem = self.fault(path, error)
                if problem is None:
                    return None
        return Listing(key=entry.key, path=str(path), revision=revision, problem=problem)

    def locate(self, key: str) -> Path:
        """Return where an item's repository is.

        Raises:
            ItemNotFoundError: There is no such folder.
        """
        entry = self.find(key)
        if entry is None:
            raise ItemNotFoundError(key, where="the item bank")
        return self.root / entry.name

    def fault(self, path: Path, error: Exception) -> Problem | None:
        """Say why a repository cannot be read; None where it has gone meanwhile.

        Raises:
            BankUnavailableError: It is the whole bank that has gone.
        """
        self.identity()
        try:
            if not _is_folder(path):
                return None
        except OSError as denied:
            raise BankUnavailableError(
                f"The item bank {self.root} cannot be entered: {denied.strerror}"
            ) from denied
        if _looks_like_a_repository(path):
            return Problem(
                ProblemKind.UNREADABLE_REPOSITORY,
                f"{path} cannot be read ({error}): repair the repository or its permissions",
            )
        return Problem(
            ProblemKind.NOT_A_REPOSITORY,
            f"{path} has an item's name but is no git repository ({error}): "
            "make it one, or move it out of the bank",
        )


def _is_folder(path: Path) -> bool:
    """Return whether there is a folder, or a link that may lead to one.

    A link that leads nowhere now may lead to what is not mounted: that is no absence.

    Raises:
        OSError: The bank does not tell.
    """
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISDIR(mode) or stat.S_ISLNK(mode)


def _looks_like_a_repository(path: Path) -> bool:
    try:
        return (path / "HEAD").exists() or (path / ".git").exists()
    except OSError:  # what may not be entered may well be one
        return True


def _key(name: str) -> str:
    return name.removesuffix(".git")


def _entry(key: str, names: Sequence[str]) -> Entry:
    return Entry(key, min(names), _name_problem(key, names))


def _name_problem(key: str, names: Sequence[str]) -> Problem | None:
    if len(names) > 1:
        return Problem(
            ProblemKind.DUPLICATE_ID,
            f"{' and '.join(sorted(names))} both claim item {key}: remove one of them",
        )
    return key_problem(key, names[0])
