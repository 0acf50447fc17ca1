"""The histories of all items of one repository, walked together.

Reading them item by item would walk all commits for each item. They are walked once instead, from
a commit back along the first parents, comparing each root tree with the one before it.
"""

from collections.abc import Callable
from typing import Final

import pygit2
from attrs import define, field, frozen

from ingest.bank.root_tree import Change, CutTree, TreeEntry
from ingest.bank.touches import Touch, Touches

#: After so many commits that another chain does not end with, look into all of it.
MISSES: Final = 16


@frozen
class Found:
    """Touches of an item, oldest first, the last of them the one that was looked for."""

    touches: tuple[Touch, ...]
    #: True when they begin with the item's first.
    is_whole: bool


@define(eq=False)
class Chain:
    """The first parents of one commit, as far as they have been walked.

    Of the trees it keeps only the one it has come to. Blocks, and is not safe from several threads
    at once.
    """

    #: The commit to walk from.
    tip: bytes
    #: What has been walked from another commit, to go on from there where the two meet.
    older: "Chain | None" = None
    touches: Touches = field(factory=Touches, init=False)
    #: The commits that it or a chain it has taken over was begun at, by their positions.
    tips: dict[bytes, int] = field(init=False)
    #: The position of the last commit that was walked, and the one to be walked next.
    lowest: int = field(default=1, init=False)
    next: bytes | None = field(init=False)
    #: The root tree of `next`.
    tree: tuple[pygit2.Oid, CutTree] | None = field(default=None, init=False)
    #: The commits of `older`, once they are wanted.
    _landmarks: set[bytes] | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.next = self.tip
        self.tips = {self.tip: 0}

    @property
    def is_walked(self) -> bool:
        """Whether it has been walked to the first commit of all."""
        return self.next is None

    def known_of(self, key: str) -> object:
        """Return a value that changes when more of an item has been found out."""
        return self.touches.count(key), self.is_walked

    def find(self, key: str, folder: bytes, after: bytes | None) -> Found | None:
        """Return the touches behind *after* up to the newest one that made the folder this one.

        Where *after* is no touch of the item, or None, they are all up to that one. At least one
        is returned: the newest itself where *after* is that. None where what has been walked does
        not tell; once all has been walked, where there is none.
        """
        touches = self.touches.of(key)
        found = [index for index, one in enumerate(touches) if one.folder == folder]
        if not found:
            return None
        newest = found[-1]
        for index in range(newest, -1, -1):
            if touches[index].commit == after:
                begin = min(index + 1, newest)
                return Found(tuple(touches[begin : newest + 1]), is_whole=False)
        if not self.is_walked:
            return None
        return Found(tuple(touches[: newest + 1]), is_whole=True)

    def find_newest(self, key: str, folder: bytes) -> Found | None:
        """Return the newest touch that made the folder this one, alone."""
        for one in reversed(self.touches.of(key)):
            if one.folder == folder:
                return Found((one,), is_whole=False)
        return None

    def step(self, repository: pygit2.Repository, check: Callable[[], None]) -> None:
        """Walk one commit further back. Stands where it stood if *check* raises.

        Raises:
            One of `UNREADABLE`.
        """
        here = self.next
        if here is None:
            return
        if self.older is not None and self._meets(self.older, here, check):
            self._join(self.older, here, check)
            return
        commit = repository[pygit2.Oid(raw=here)].peel(pygit2.Commit)
        tree_id, tree = self.tree or (
            commit.tree_id,
            CutTree.cut(_read_tree(repository, commit.tree_id), check),
        )
        parents = commit.parent_ids
        changes: list[Change] = []
        if parents:
            parent_tree_id = repository[parents[0]].peel(pygit2.Commit).tree_id
            if parent_tree_id != tree_id:
                tree, changes = tree.compare(_read_tree(repository, parent_tree_id), check)
            self.next, self.tree = parents[0].raw, (parent_tree_id, tree)
        else:
            _, changes = tree.compare(b"", check)
            self.next = self.tree = self.older = self._landmarks = None
        self.lowest -= 1
        for name, newer, older in changes:
            folder = _folder(newer)
            if folder != _folder(older):
                key = name.decode("ascii", errors="replace")
                self.touches.add_older(key, self.lowest, Touch(here, folder))

    def _meets(self, older: "Chain", commit: bytes, check: Callable[[], None]) -> bool:
        if commit == older.tip:
            return True
        if self.lowest > 1 - MISSES:
            return False
        if self._landmarks is None:
            self._landmarks = older.touches.commits(check)
        return commit in self._landmarks

    def _join(self, older: "Chain", commit: bytes, check: Callable[[], None]) -> None:
        """Go on from where *older* has come to; both have the commit."""
        if commit == older.tip:
            # All its tips are this chain's from now on: nobody asks it any more.
            at, touches = older.tips[commit], older.touches
        else:
            at = older.touches.position(commit, check)
            touches = older.touches.up_to(at, check)
        shift = at + 1 - self.lowest
        touches.add_newer(self.touches, shift)
        self.touches = touches
        self.tips = {tip: position + shift for tip, position in self.tips.items()} | {
            tip: position for tip, position in older.tips.items() if position <= at
        }
        self.lowest, self.next, self.tree = older.lowest, older.next, older.tree
        self.older, self._landmarks = older.older, None


def _folder(entry: TreeEntry | None) -> bytes | None:
    return None if entry is None else entry.folder_id


def _read_tree(repository: pygit2.Repository, tree: pygit2.Oid) -> bytes:
    return repository.odb.read(tree)[1]
