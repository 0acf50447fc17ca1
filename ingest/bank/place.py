"""Where one repository lies that holds all items, and whether it is there at all.

Everything here blocks, and belongs into a worker thread.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pygit2

from ingest.bank.repository import UNREADABLE, open_repository
from ingest.errors import BankUnavailableError


class Place:
    """The repository's folder.

    Args:
        root: The folder, bare or with a work tree.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def identity(self) -> tuple[int, ...]:
        """Return what tells this repository from another one put in its place.

        Raises:
            BankUnavailableError: There is none, or only a part of it.
        """
        git = self.root / ".git"
        try:
            folders = [self.root, git if git.exists() else self.root]
            if folders[-1].is_dir():
                folders.append(folders[-1] / "objects")
            found = [folder.stat() for folder in folders]
        except OSError as error:
            raise self.unavailable(error) from error
        return tuple(number for one in found for number in (one.st_dev, one.st_ino))

    def open(self) -> pygit2.Repository:
        """Open the repository.

        Raises:
            BankUnavailableError: It cannot be opened.
        """
        with self.reading():
            return open_repository(self.root)

    def head(self, repository: pygit2.Repository) -> pygit2.Commit:
        """Return the commit that the repository's own HEAD stands for.

        Raises:
            BankUnavailableError: It cannot be read, or there is none: a bank without a single
                commit is no empty bank, but one that has gone or is still to come.
        """
        with self.reading():
            if repository.head_is_unborn:
                raise BankUnavailableError(
                    f"The item bank git+file:{self.root} has no commit at its HEAD: push its "
                    "default branch, or make HEAD name the branch that there is"
                )
            return repository.head.peel(pygit2.Commit)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turn what libgit2 raises into a word about the whole bank."""
        try:
            yield
        except UNREADABLE as error:
            raise self.unavailable(error) from error

    def unavailable(self, error: Exception) -> BankUnavailableError:
        """Return what to raise where the repository cannot be read because of *error*."""
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return BankUnavailableError(
            f"The item bank git+file:{self.root} cannot be read: {reason}. Make the repository "
            "available, or name another bank with --bank"
        )
