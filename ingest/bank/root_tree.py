"""A tree of very many entries, told apart from another without taking either of them to pieces.

Two trees that follow each other in a history differ in few of their entries. Both are kept as git
has them, as bytes, cut into stretches of some entries each: a stretch that stands in the other
tree too, which is one comparison of bytes, need not be read.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from attrs import frozen

#: How many entries a stretch has, about.
STRETCH_ENTRIES: Final = 64

_ENTRY: Final = re.compile(rb"([0-7]+) ([^\0]+)\0(.{20})", re.DOTALL)
_FOLDER: Final = b"40000"


class TreeEntry(NamedTuple):
    """One entry of a tree."""

    mode: bytes
    name: bytes
    id: bytes

    @property
    def folder_id(self) -> bytes | None:
        """The id of the folder it is; None for all else."""
        return self.id if self.mode == _FOLDER else None

    @property
    def order(self) -> bytes:
        """By what git sorts the entries of a tree."""
        return self.name + b"/" if self.mode == _FOLDER else self.name


#: An entry's name, what the one tree has under it, and what the other has.
Change = tuple[bytes, TreeEntry | None, TreeEntry | None]


def entries(raw: bytes, begin: int = 0, end: int | None = None) -> Iterator[tuple[TreeEntry, int]]:
    """Yield the entries from one place to another, each with the place behind it.

    Raises:
        ValueError: These bytes are no tree.
    """
    end = len(raw) if end is None else end
    while begin < end:
        found = _ENTRY.match(raw, begin, end)
        if found is None:
            raise ValueError("a tree object is damaged")
        begin = found.end()
        yield TreeEntry._make(found.groups()), begin


@frozen
class CutTree:
    """A tree's bytes, and where its stretches begin and end, from 0 to the length."""

    raw: bytes
    cuts: list[int]

    @classmethod
    def cut(cls, raw: bytes, check: Callable[[], None]) -> "CutTree":
        """Cut a tree of which nothing is known; *check* is called at each cut."""
        cuts = [0]
        for place in _cuts(raw, 0, len(raw)):
            check()
            cuts.append(place)
        return CutTree(raw, cuts)

    def compare(self, raw: bytes, check: Callable[[], None]) -> tuple["CutTree", list[Change]]:
        """Return another tree, cut, and what differs: this tree's entry first, then the other's.

        An entry that is a folder in one tree only may come twice, once with either.
        *check* is called between the stretches that have to be read.
        """
        changes: list[Change] = []
        cuts = [0]
        at = 0
        for begin, end in pairwise(self.cuts):
            if raw.startswith(self.raw[begin:end], at):
                at += end - begin
                cuts.append(at)
                continue
            check()
            ours = [entry for entry, _ in entries(self.raw, begin, end)]
            theirs, behind = _up_to(raw, at, ours[-1].order)
            changes += _differences(ours, theirs)
            cuts += _cuts(raw, at, behind)
            at = behind
        changes += _differences([], [entry for entry, _ in entries(raw, at)])
        cuts += _cuts(raw, at, len(raw))
        return CutTree(raw, cuts), changes


def _cuts(raw: bytes, begin: int, end: int) -> Iterator[int]:
    for number, (_, behind) in enumerate(entries(raw, begin, end), start=1):
        if number % STRETCH_ENTRIES == 0 or behind == end:
            yield behind


def _up_to(raw: bytes, begin: int, last: bytes) -> tuple[list[TreeEntry], int]:
    """Return the entries that sort no later than *last*, and the place behind them."""
    found: list[TreeEntry] = []
    for entry, behind in entries(raw, begin):
        if entry.order > last:
            break
        found.append(entry)
        begin = behind
    return found, begin


def _differences(ours: Iterable[TreeEntry], theirs: Iterable[TreeEntry]) -> Iterator[Change]:
    mine = {entry.name: entry for entry in ours}
    others = {entry.name: entry for entry in theirs}
    for name in {**mine, **others}:
        if mine.get(name) != others.get(name):
            yield name, mine.get(name), others.get(name)
