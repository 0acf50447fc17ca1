"""The item bank under the service, and what its authors do to it between rounds."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

import orjson
import pygit2
from attrs import define, field

from ingest.bank.sample import make_sample_bank

_PEOPLE: Final = ("Ada Okafor", "Bo Li", "Carmen Núñez")
_STATUSES: Final = ("Draft", "InternalReview", "FieldTest", "Operational")

#: The first commit of the soak is later than all of the sample's.
_BEGINS_S: Final = 1_900_000_000


@define
class SoakBank:
    """A folder of repositories, changed by real commits."""

    folder: Path
    _commits: int = 0
    #: Items whose latest document is broken.
    broken: set[str] = field(factory=set)
    #: Items taken away.
    gone: set[str] = field(factory=set)
    _next_id: int = 0

    @classmethod
    def made(cls, folder: Path, *, items: int) -> "SoakBank":
        """Make a sample bank."""
        summary = make_sample_bank(folder, items=items)
        bank = cls(folder)
        bank._next_id = summary.last_id + 1
        return bank

    def keys(self) -> list[str]:
        """Return the ids of all items."""
        return sorted(path.name.removesuffix(".git") for path in self.folder.iterdir())

    def heads(self) -> dict[str, str]:
        """Return the revision of each item."""
        return {key: str(self._open(key).head.target) for key in self.keys()}

    def change(self, rng: Random, *, edits: int, removals: Sequence[str]) -> None:
        """Do what authors do: edit, move on in the workflow, add, break, mend, take away."""
        keys = self.keys()
        for key in rng.sample(keys, min(edits, len(keys))):
            if key in self.broken:
                self._mend(key)
            elif rng.randrange(30) == 0:
                self._break(rng, key)
            else:
                self._edit(rng, key)
        for _ in range(rng.choice((0, 0, 1, 2))):
            self._add(rng, rng.choice(keys))
        for key in removals:
            self._remove(key)

    def mend(self) -> None:
        """Mend all that is broken."""
        for key in list(self.broken):
            self._mend(key)

    def _edit(self, rng: Random, key: str) -> None:
        document = self._document(key)
        if rng.randrange(3) == 0:
            document.setdefault("workflow", {})["workflowStatusCode"] = rng.choice(_STATUSES)
        else:
            content = document["core"].get("en", document["core"])
            name = "content" if "content" in content else "prompt"
            content[name] = f"<p>Word {rng.randrange(10**6)} of commit {self._commits}</p>"
        self._commit(self._open(key), document)

    def _break(self, rng: Random, key: str) -> None:
        self.broken.add(key)
        content = rng.choice((b"no JSON", b"[]", b'{"id":"1"}'))
        self._commit(self._open(key), content)

    def _mend(self, key: str) -> None:
        """Commit again what was there before it was broken."""
        repository = self._open(key)
        parent = repository[repository.head.target].peel(pygit2.Commit).parents[0]
        content = parent.tree["item.json"].peel(pygit2.Blob).data
        self._commit(repository, content)
        self.broken.discard(key)

    def _add(self, rng: Random, like: str) -> None:
        if like in self.broken:
            return
        key, self._next_id = f"{self._next_id}", self._next_id + 1
        document = self._document(like) | {"id": key}
        repository = pygit2.init_repository(str(self.folder / f"{key}.git"), bare=True)
        if rng.randrange(2):
            self._commit(repository, None)
        self._commit(repository, document)

    def _remove(self, key: str) -> None:
        shutil.rmtree(self._path(key))
        self.broken.discard(key)
        self.gone.add(key)

    def _path(self, key: str) -> Path:
        bare = self.folder / f"{key}.git"
        return bare if bare.exists() else self.folder / key

    def _open(self, key: str) -> pygit2.Repository:
        return pygit2.Repository(str(self._path(key)))

    def _document(self, key: str) -> dict[str, Any]:
        repository = self._open(key)
        tree = repository[repository.head.target].peel(pygit2.Commit).tree
        document: dict[str, Any] = orjson.loads(tree["item.json"].peel(pygit2.Blob).data)
        return document

    def _commit(self, repository: pygit2.Repository, what: dict[str, Any] | bytes | None) -> None:
        parents = [] if repository.head_is_unborn else [repository.head.target]
        tree = repository.TreeBuilder()
        if what is not None:
            content = what if isinstance(what, bytes) else orjson.dumps(what)
            tree.insert("item.json", repository.create_blob(content), pygit2.enums.FileMode.BLOB)
        self._commits += 1
        who = pygit2.Signature(
            _PEOPLE[self._commits % len(_PEOPLE)],
            "who@items.example",
            _BEGINS_S + self._commits * 60,
            0,
        )
        branch = "HEAD"
        repository.create_commit(branch, who, who, "Change it", tree.write(), parents)
