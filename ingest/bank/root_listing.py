"""What lies at the root of one repository that holds all items.

Everything here blocks, and belongs into a worker thread.
"""

from typing import Final

import pygit2
from attrs import frozen
from pygit2.enums import FileMode

from ingest.bank.base import Listing
from ingest.bank.names import Ignored, by_number, is_key, key_problem
from ingest.bank.place import Place
from ingest.bank.root_tree import entries
from ingest.errors import BankUnavailableError
from ingest.model.item import Problem, ProblemKind
from ingest.slices import Slice

#: How many entries to read between two looks at whether to stop.
_CHECK_EVERY: Final = 1000


@frozen
class Pinned:
    """The listing as it is at one commit, whatever becomes of HEAD afterwards."""

    commit: pygit2.Oid
    identity: tuple[int, ...]
    #: By ascending number: an entry's key, and the id of the folder that it is; None if it is none.
    entries: list[tuple[str, bytes | None]]


class RootListing:
    """Lists the root folder of HEAD's commit.

    Args:
        place: Where the repository lies.
        ignored: What to pass over.
    """

    def __init__(self, place: Place, ignored: Ignored) -> None:
        self.place = place
        self._ignored = ignored
        self._last: tuple[pygit2.Oid, pygit2.Tree] | None = None

    def pin(self, piece: Slice) -> Pinned:
        """List all that have an item's name.

        Raises:
            BankUnavailableError: The repository, or its HEAD, cannot be read.
        """
        identity = self.place.identity()
        repository = self.place.open()
        commit = self.place.head(repository)
        found: dict[str, bytes | None] = {}
        with self.place.reading():
            raw = repository.odb.read(commit.tree_id)[1]
            for number, (entry, _) in enumerate(entries(raw)):
                if number % _CHECK_EVERY == 0:
                    piece.check()
                key = entry.name.decode("ascii", errors="replace")
                if is_key(key) and self._ignored.passes(key, key):
                    found[key] = entry.folder_id
        return Pinned(commit.id, identity, [(key, found[key]) for key in by_number(found)])

    def confirm(self, pinned: Pinned) -> None:
        """Return when the repository is still there, and still the same.

        Raises:
            BankUnavailableError: It is not.
        """
        self._still(pinned.identity)

    def find(self, key: str) -> tuple[pygit2.Oid, Listing | None]:
        """Return HEAD's commit, and one entry; None only when its absence is certain.

        Raises:
            BankUnavailableError: The repository, or its HEAD, cannot be read.
        """
        before = self.place.identity()
        repository = self.place.open()
        commit = self.place.head(repository)
        if is_key(key) and self._ignored.passes(key, key):
            with self.place.reading():
                tree = self._tree(commit)
                if key in tree:
                    entry = tree[key]
                    is_folder = entry.filemode == FileMode.TREE
                    return commit.id, self.listing(key, entry.id.raw if is_folder else None)
        self._still(before)
        return commit.id, None

    def listing(self, key: str, folder: bytes | None) -> Listing:
        """Return an entry in the bank's terms."""
        path = f"{self.place.root}/{key}"
        problem = key_problem(key, path)
        if problem is None and folder is None:
            problem = Problem(
                ProblemKind.NOT_A_FOLDER,
                f"{path} has an item's name but is no folder in the commit at HEAD: make it one "
                "that holds item.json, or remove it",
            )
        revision = folder.hex() if folder is not None and problem is None else None
        return Listing(key=key, path=path, revision=revision, problem=problem)

    def close(self) -> None:
        """Let go of the repository."""
        self._last = None

    def _tree(self, commit: pygit2.Commit) -> pygit2.Tree:
        # Asked for one item after the other, git would read all of a large tree for each.
        last = self._last
        if last is None or last[0] != commit.tree_id:
            last = self._last = (commit.tree_id, commit.tree)
        return last[1]

    def _still(self, identity: tuple[int, ...]) -> None:
        self.place.head(self.place.open())
        if self.place.identity() != identity:
            raise BankUnavailableError(
                f"The item bank git+file:{self.place.root} was replaced while it was read"
            )
