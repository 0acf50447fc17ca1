"""Item banks made with the real git: repositories with the commits that a test wants."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Protocol

from ingest.bank.base import ItemBank
from ingest.bank.folder import FolderBank
from ingest.bank.pace import Pace

#: The first commit's time; each commit of a repository is a day after the one before.
FIRST_COMMIT_S: Final = 1_577_880_000
DAY_S: Final = 86_400

_ENVIRONMENT: Final = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}


class Repository:
    """One item's repository: ``<name>.git`` is made bare, any other name with a work tree."""

    def __init__(self, path: Path, *, branch: str = "main", object_format: str = "sha1") -> None:
        self.path = path
        self.branch = branch
        self._commits = 0
        bare = ["--bare"] if path.suffix == ".git" else []
        options = [f"--initial-branch={branch}", f"--object-format={object_format}", *bare]
        path.mkdir(parents=True)
        self.git("init", "--quiet", *options)

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        """Run git here; return what it prints."""
        done = subprocess.run(
            ["git", "-C", str(self.path), *arguments],
            input=stdin,
            env=_ENVIRONMENT,
            capture_output=True,
            check=True,
        )
        return done.stdout.decode().strip()

    def commit(
        self,
        content: bytes | None,
        *,
        author: str = "Ada",
        beside: Mapping[str, bytes] | None = None,
        anew: bool = False,
    ) -> str:
        """Commit item.json (None: none) and what lies beside it; return the commit's hash.

        *anew* forgets the history, as a forced push does.
        """
        at = f"{author} <author@items.example> {FIRST_COMMIT_S + self._commits * DAY_S} +0000"
        files = {**(beside or {})} | ({} if content is None else {"item.json": content})
        lines = [f"commit refs/heads/{self.branch}", f"author {at}", f"committer {at}", "data 0"]
        if self._commits and not anew:
            lines.append(f"from refs/heads/{self.branch}^0")
        stream = "\n".join([*lines, "deleteall\n"]).encode()
        for name, data in files.items():
            stream += inline(name, data)
        self.git("fast-import", "--quiet", "--force", stdin=stream)
        self._commits += 1
        return self.git("rev-parse", "HEAD")

    def revision(self) -> str:
        """Return the item's revision as the bank is to have it."""
        return self.git("rev-parse", "HEAD")


def inline(path: str, data: bytes) -> bytes:
    """Return the line of a fast import that sets a file."""
    return b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(data), data)


class Item(Protocol):
    """An item under test."""

    def commit(
        self,
        content: bytes | None,
        *,
        author: str = "Ada",
        beside: Mapping[str, bytes] | None = None,
        anew: bool = False,
    ) -> str:
        """Commit item.json (None: none) and what lies beside it; return the commit's hash.

        *anew* forgets the history, as a forced push does.
        """

    def revision(self) -> str:
        """Return the item's revision as the bank is to have it."""


class BankKind(Protocol):
    """A kind of item bank under test: it makes what the bank is to hold, and the bank."""

    def item(self, key: str) -> Item:
        """Make an item without a commit."""

    def remove(self, key: str) -> None:
        """Take an item away."""

    def go_away(self) -> None:
        """Make the bank unavailable."""

    def bank(
        self,
        *,
        pace: Pace | None = None,
        ignore_projects: Iterable[str] = (),
        ignore_items: Iterable[int] = (),
    ) -> ItemBank:
        """Return the bank; whoever asks closes it."""


class FolderKind:
    """The bank that is a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()

    def item(self, key: str) -> Repository:
        """See `BankKind.item`."""
        return Repository(self.root / f"{key}.git")

    def remove(self, key: str) -> None:
        """See `BankKind.remove`."""
        shutil.rmtree(self.root / f"{key}.git")

    def go_away(self) -> None:
        """See `BankKind.go_away`."""
        self.root.rename(self.root.with_name("away"))

    def bank(
        self,
        *,
        pace: Pace | None = None,
        ignore_projects: Iterable[str] = (),
        ignore_items: Iterable[int] = (),
    ) -> FolderBank:
        """See `BankKind.bank`."""
        return FolderBank(
            self.root, pace=pace, ignore_projects=ignore_projects, ignore_items=ignore_items
        )
