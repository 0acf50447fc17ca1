"""The least number of requests that could bring a database in step with a bank.

By REST, which is how items are read: a page of a hundred projects at a time; for each item that
has changed one page of its log for every hundred commits, its root folder, and item.json at each
commit that changed it. By GraphQL a page of projects also tells where each of them stands; by
REST that is a request for each project of which its last activity does not prove it.
"""

import math
from pathlib import Path
from typing import Final

import pygit2

from ingest.bank.document import DOCUMENT_NAME
from ingest.bank.repository import first_parents, head_revision, open_repository
from tests.bench.straight import repositories

_PAGE: Final = 100


def pages(items: int) -> int:
    """Return how many pages list so many."""
    return math.ceil(items / _PAGE)


def reading_all(bank: Path) -> int:
    """Return how many requests read every item of a bank with its whole history."""
    return sum(_reading(path) for path in repositories(bank))


#: An item to which one commit was pushed that changed item.json: log, folder, document.
READING_A_PUSH: Final = 3


def _reading(path: Path) -> int:
    repository = open_repository(path)
    commits, _ = first_parents(repository, head_revision(repository) or "", None, _go_on)
    changes, before = 0, None
    for commit in commits:
        blob = _document(commit)
        changes += blob is not None and blob != before
        before = blob
    return pages(len(commits)) + 1 + changes


def _document(commit: pygit2.Commit) -> pygit2.Oid | None:
    return commit.tree[DOCUMENT_NAME].id if DOCUMENT_NAME in commit.tree else None


def _go_on() -> None:
    """Never give up."""
