"""Bad items for a sample bank: of every kind of problem that a bank can have."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import orjson

from ingest.bank.sample_documents import new_document
from ingest.bank.sample_git import SampleHistory, write_git_directory
from ingest.model.item import DOCUMENT_LIMIT_BYTES, ProblemKind

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 5342\n"

#: What the last commit makes of a good document; None: it takes the document away.
_BROKEN: Final[Mapping[ProblemKind, Callable[[bytes], bytes | None]]] = MappingProxyType(
    {
        ProblemKind.DOCUMENT_REMOVED: lambda _: None,
        # As an editor that knows no UTF-8 would save it.
        ProblemKind.NOT_UTF8: lambda good: good.replace(b'"core":', b'"notes":"caf\xe9","core":'),
        ProblemKind.BYTE_ORDER_MARK: lambda good: _BYTE_ORDER_MARK + good,
        ProblemKind.NOT_JSON: lambda good: good[: len(good) // 2],
        ProblemKind.NOT_AN_OBJECT: lambda good: b"[" + good + b"]",
        ProblemKind.TOO_LARGE: lambda good: good.ljust(DOCUMENT_LIMIT_BYTES + 1),
        ProblemKind.LFS_POINTER: lambda good: _POINTER % len(good),
        ProblemKind.WRONG_ID: lambda good: good.replace(b'"id":"', b'"id":"9', 1),
        ProblemKind.UNKNOWN_TYPE: lambda good: good.replace(b'"type":"mc"', b'"type":"essay"', 1),
    }
)

#: Kinds that no repository of an item's own can have: a document that can be parsed but not mapped
#: would be a fault of the service, and the others belong to other kinds of bank.
_NOT_HERE: Final = frozenset(
    {
        ProblemKind.UNMAPPABLE,
        ProblemKind.NOT_A_FOLDER,
        ProblemKind.NOT_ANSWERED,
        ProblemKind.RENAMED,
    }
)
BAD_KINDS: Final = tuple(kind for kind in ProblemKind if kind not in _NOT_HERE)


def write_bad_item(
    directory: Path, item_id: int, number: int, history: SampleHistory
) -> tuple[str, ProblemKind]:
    """Write a bad item, whose kind goes by its *number*; return its key in the bank and its kind.

    Where the document is what is bad, an earlier commit of it was good.
    """
    kind = BAD_KINDS[number % len(BAD_KINDS)]
    key = f"0{item_id}" if kind is ProblemKind.BAD_KEY else f"{item_id}"
    path = directory / f"{key}.git"
    if kind is ProblemKind.NOT_A_REPOSITORY:
        path = directory / key
        path.mkdir()
        (path / "item.xml").write_text("<item/>\n")
        return key, kind
    identity = {"id": f"{item_id}", "type": "mc"}
    document, _ = new_document(history.rng, identity, None, by=history.author, year=history.at.year)
    good = orjson.dumps(document)
    history.commit("Create the project", {})
    history.commit("Create the item", {"item.json": good})
    if kind in _BROKEN:
        content = _BROKEN[kind](good)
        history.commit("Break the item", {} if content is None else {"item.json": content})
    if kind is ProblemKind.NOT_A_FILE:
        history.commit("Link the item", {"item.json": b"../elsewhere"}, links=["item.json"])
    write_git_directory(path, history)
    if kind is ProblemKind.NO_DEFAULT_BRANCH:
        (path / "HEAD").write_text("ref: refs/heads/trunk\n")
    if kind is ProblemKind.UNREADABLE_REPOSITORY:
        config = path / "config"
        version = "repositoryformatversion = "
        config.write_text(config.read_text().replace(f"{version}0", f"{version}99"))
    if kind is ProblemKind.DUPLICATE_ID:
        write_git_directory(directory / key, history)
    return key, kind
