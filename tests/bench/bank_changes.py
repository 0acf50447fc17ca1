"""New commits in a few of a bank's repositories, taken back at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import orjson
import pygit2
from attrs import define, field

from ingest.bank.document import DOCUMENT_NAME
from ingest.bank.repository import open_repository
from tests.bench.straight import repositories

CHANGED_ITEMS: Final = 10

#: In every run the same, so that the commits are.
_AUTHOR: Final = pygit2.Signature("Bench", "bench@items.example", 1_760_000_000, 0)


@define
class Changes:
    """The repositories that change."""

    repositories: list[pygit2.Repository]
    _number: int = field(default=0, init=False)

    def change(self) -> None:
        """Commit another document to each."""
        self._number += 1
        for repository in self.repositories:
            commit_change(repository, self._number)


def commit_change(repository: pygit2.Repository, number: int) -> str:
    """Commit a document that has this number in it, and is otherwise as before; return the hash."""
    tree = repository.head.peel(pygit2.Tree)
    document = orjson.loads(repository[tree[DOCUMENT_NAME].id].read_raw())
    document["bench"] = number
    builder = repository.TreeBuilder(tree)
    blob = repository.create_blob(orjson.dumps(document))
    builder.insert(DOCUMENT_NAME, blob, pygit2.enums.FileMode.BLOB)
    made = repository.create_commit(
        "HEAD",
        *(_AUTHOR, _AUTHOR, f"Change {number}"),
        builder.write(),
        [repository.head.target],
    )
    return str(made)


@contextmanager
def changing(bank: Path) -> Iterator[Changes]:
    """Let some items change, spread evenly over the bank; afterwards all is as it was."""
    paths = repositories(bank)
    step = max(1, len(paths) // CHANGED_ITEMS)
    chosen = [open_repository(path) for path in paths[step // 2 :: step][:CHANGED_ITEMS]]
    heads = [repository.head.target for repository in chosen]
    try:
        yield Changes(chosen)
    finally:
        for repository, head in zip(chosen, heads, strict=True):
            repository.head.set_target(head)
