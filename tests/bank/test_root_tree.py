"""Trees that are told apart by their bytes."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.bank.root_tree import STRETCH_ENTRIES, CutTree, TreeEntry, entries

#: Names between which git's order is not that of the bytes: a folder sorts as if a slash followed.
NAMES = [b"%d%s" % (number, tail) for number in range(40) for tail in (b"", b"-a", b"0a")]

#: What a tree has by name: whether it is a folder, and the last byte of its id.
Tree = dict[bytes, tuple[bool, int]]

trees = st.dictionaries(
    st.sampled_from(NAMES), st.tuples(st.booleans(), st.integers(0, 3)), max_size=len(NAMES)
)
edits = st.dictionaries(
    st.sampled_from(NAMES), st.none() | st.tuples(st.booleans(), st.integers(0, 3)), max_size=5
)


def entry(name: bytes, *, is_folder: bool, number: int) -> TreeEntry:
    """Return an entry, its id of bytes that might be taken for the beginning of another."""
    return TreeEntry(
        b"40000" if is_folder else b"100644", name, b"40000 7\0" * 2 + b"xxx%d" % number
    )


def folders(tree: Tree) -> dict[bytes, bytes]:
    """Return the ids of the folders by name."""
    made = {
        name: entry(name, is_folder=is_folder, number=n) for name, (is_folder, n) in tree.items()
    }
    return {name: one.id for name, one in made.items() if one.folder_id is not None}


def raw(tree: Tree) -> bytes:
    """Return a tree as git writes it."""
    made = [entry(name, is_folder=is_folder, number=n) for name, (is_folder, n) in tree.items()]
    ordered = sorted(made, key=lambda one: one.name + (b"/" if one.mode == b"40000" else b""))
    return b"".join(b"%s %s\0%s" % one for one in ordered)


def changed(ours: CutTree, theirs: bytes) -> tuple[CutTree, dict[bytes, tuple[object, object]]]:
    """Return the folders that differ, ours first."""
    other, changes = ours.compare(theirs, lambda: None)
    assert other.raw == theirs
    assert other.cuts == sorted({0, *other.cuts, len(theirs)})
    found: dict[bytes, tuple[object, object]] = {}
    for name, our_entry, their_entry in changes:
        pair = tuple(None if one is None else one.folder_id for one in (our_entry, their_entry))
        if pair[0] != pair[1]:
            assert name not in found
            found[name] = (pair[0], pair[1])
    return other, found


def expected(ours: Tree, theirs: Tree) -> dict[bytes, tuple[object, object]]:
    """Return the same without any cleverness."""
    mine, others = folders(ours), folders(theirs)
    return {
        name: (mine.get(name), others.get(name))
        for name in mine.keys() | others.keys()
        if mine.get(name) != others.get(name)
    }


@settings(deadline=None, max_examples=60)
@example(first={b"7": (True, 0)}, second={b"7": (True, 0), b"7-a": (True, 0)})
@given(first=trees, second=trees)
def test_trees_that_have_nothing_to_do_with_each_other(first: Tree, second: Tree) -> None:
    """Whatever the two hold, each folder that differs is told once, and no other."""
    cut = CutTree.cut(raw(first), lambda: None)
    assert changed(cut, raw(second))[1] == expected(first, second)


@settings(deadline=None, max_examples=60)
@given(tree=trees, steps=st.lists(edits, max_size=4))
def test_trees_that_follow_each_other(
    tree: Tree, steps: list[dict[bytes, tuple[bool, int] | None]]
) -> None:
    """A tree that was cut by comparing it serves for the next comparison."""
    cut = CutTree.cut(raw(tree), lambda: None)
    for step in steps:
        after = {name: at for name, at in (tree | step).items() if at is not None}
        cut, found = changed(cut, raw(after))
        assert found == expected(tree, after)
        tree = after


def test_a_stretch_that_stays_is_not_read() -> None:
    """Of a large tree in which one entry changes, one stretch is looked at."""
    tree: Tree = {b"%d" % number: (True, 0) for number in range(STRETCH_ENTRIES * 20)}
    cut = CutTree.cut(raw(tree), lambda: None)
    looks: list[None] = []
    _, changes = cut.compare(raw(tree | {b"77": (True, 1)}), lambda: looks.append(None))
    assert [name for name, _, _ in changes] == [b"77"]
    assert len(looks) == 1


def test_bytes_that_are_no_tree() -> None:
    """They are refused, and not taken for fewer entries."""
    whole = raw({b"7": (True, 0), b"8": (True, 0)})
    with pytest.raises(ValueError, match="damaged"):
        list(entries(whole[:-1]))
