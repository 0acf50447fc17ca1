"""A sample bank that is one git repository: the items' commits by their times, in one history.

Written as one pack, byte by byte. Every commit has a root tree that names all items there are by
then: it is written as what differs from the one before.
"""

import struct
import zlib
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from hashlib import sha1
from itertools import accumulate
from pathlib import Path
from typing import Final, NamedTuple

#: Every commit's tree names every item, so both time and room go with the square of their number.
ONE_REPOSITORY_ITEMS_MAX: Final = 20_000

#: After so many trees that are differences comes a whole one, as git itself packs them.
_DELTAS: Final = 50
_TYPES: Final = {b"commit": 1, b"tree": 2}
_DELTA: Final = 6
_EMPTY_TREE: Final = bytes.fromhex("4b825dc642cb6eb9a060e54bf8d69288fbee4904")
_CONFIG: Final = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"


class _Step(NamedTuple):
    """One commit of one item; they sort by time."""

    at: int
    key: bytes
    number: int
    tree: bytes
    #: The commit's lines behind tree and parent.
    text: bytes


class OneRepositorySample:
    """Takes the histories of items, and makes one of them.

    Args:
        directory: Becomes a bare repository.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        for name in ("objects/pack", "refs/heads"):
            (directory / name).mkdir(parents=True)
        self._pack = _Pack(directory / "objects/pack")
        self._steps: list[_Step] = []

    def add(self, key: str, objects: Mapping[bytes, bytes], commits: Sequence[str]) -> None:
        """Add an item whose ids all have the same length.

        Args:
            key: The item's id.
            objects: Its objects as a pack has them, by object id.
            commits: The hashes of its commits, oldest first.
        """
        own = [bytes.fromhex(commit) for commit in commits]
        for object_id in objects.keys() - own:
            self._pack.add(object_id, objects[object_id])
        for number, commit in enumerate(own):
            lines = _content(objects[commit]).split(b"\n")
            tree = bytes.fromhex(lines[0].removeprefix(b"tree ").decode())
            text = b"\n".join(lines[2 if lines[1].startswith(b"parent ") else 1 :])
            # There is no empty folder in git.
            if tree != _EMPTY_TREE:
                at = int(text.split(b"\n", 1)[0].split()[-2])
                self._steps.append(_Step(at, key.encode(), number, tree, text))

    def finish(self) -> None:
        """Write the history, and close."""
        root = _Root(self._pack)
        parent = b""
        for step in sorted(self._steps):
            tree = root.put(step.key, step.tree).hex().encode()
            commit = b"tree %s\n%s%s" % (tree, parent, step.text)
            parent = b"parent %s\n" % self._pack.write(b"commit", commit).hex().encode()
        self._pack.close()
        (self._directory / "refs/heads/main").write_bytes(parent.removeprefix(b"parent "))
        (self._directory / "config").write_text(_CONFIG)
        (self._directory / "HEAD").write_text("ref: refs/heads/main\n")


class _Root:
    """The root tree as items come and change."""

    def __init__(self, pack: "_Pack") -> None:
        self._pack = pack
        self._keys: list[bytes] = []
        self._raw = b""
        self._id = b""
        self._deltas = _DELTAS

    def put(self, key: bytes, tree: bytes) -> bytes:
        """Give an item another folder; return the root tree's id."""
        entry = b"40000 %s\0%s" % (key, tree)
        index = bisect_left(self._keys, key)
        begin = end = index * len(entry)
        if index < len(self._keys) and self._keys[index] == key:
            end += len(entry)
        else:
            self._keys.insert(index, key)
        before, base = self._raw, self._id
        self._raw = before[:begin] + entry + before[end:]
        self._id = _object_id(b"tree", self._raw)
        if self._deltas < _DELTAS and len(before) > len(entry):
            self._deltas += 1
            sizes = _varint(len(before)) + _varint(len(self._raw))
            delta = sizes + _copy(0, begin) + bytes([len(entry)]) + entry
            self._pack.add_delta(self._id, base, delta + _copy(end, len(before) - end))
        else:
            self._deltas = 0
            self._pack.write(b"tree", self._raw)
        return self._id


class _Pack:
    """A pack under way, with what its index will say."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file = (directory / "unfinished").open("w+b")
        self._file.write(struct.pack(">4sII", b"PACK", 2, 0))
        #: Offset and checksum by object id.
        self._entries: dict[bytes, tuple[int, int]] = {}

    def add(self, object_id: bytes, entry: bytes) -> None:
        """Add an entry, unless the object is there."""
        if object_id not in self._entries:
            self._entries[object_id] = self._file.tell(), zlib.crc32(entry)
            self._file.write(entry)

    def write(self, kind: bytes, data: bytes) -> bytes:
        """Add an object; return its id."""
        object_id = _object_id(kind, data)
        self.add(object_id, _head(_TYPES[kind], len(data)) + zlib.compress(data, 1))
        return object_id

    def add_delta(self, object_id: bytes, base: bytes, delta: bytes) -> None:
        """Add an object as what differs from one that was added before."""
        distance = self._file.tell() - self._entries[base][0]
        encoded = [distance & 127]
        while distance := distance >> 7:
            distance -= 1
            encoded.append(128 | distance & 127)
        head = _head(_DELTA, len(delta)) + bytes(reversed(encoded))
        self.add(object_id, head + zlib.compress(delta, 1))

    def close(self) -> None:
        """Complete the pack, and write its index."""
        self._file.seek(8)
        self._file.write(struct.pack(">I", len(self._entries)))
        self._file.seek(0)
        hashed = sha1(usedforsecurity=False)
        while block := self._file.read(1 << 20):
            hashed.update(block)
        self._file.write(hashed.digest())
        self._file.close()
        path = self._directory / f"pack-{hashed.hexdigest()}"
        (self._directory / "unfinished").rename(path.with_suffix(".pack"))
        ids = sorted(self._entries)
        counts = [0] * 256
        for object_id in ids:
            counts[object_id[0]] += 1
        index = struct.pack(">4s257I", b"\xfftOc", 2, *accumulate(counts)) + b"".join(ids)
        index += struct.pack(f">{len(ids)}I", *(self._entries[i][1] for i in ids))
        index += struct.pack(f">{len(ids)}I", *(self._entries[i][0] for i in ids))
        index += hashed.digest()
        path.with_suffix(".idx").write_bytes(index + sha1(index, usedforsecurity=False).digest())


def _object_id(kind: bytes, data: bytes) -> bytes:
    hashed = sha1(b"%s %d\0" % (kind, len(data)), usedforsecurity=False)
    hashed.update(data)
    return hashed.digest()


def _content(entry: bytes) -> bytes:
    """Return what an entry of a pack holds that is no difference."""
    begin = next(index for index, byte in enumerate(entry) if not byte & 128) + 1
    return zlib.decompress(entry[begin:])


def _head(kind: int, size: int) -> bytes:
    """Return the head of an entry: four bits of the size, then seven a byte, the lowest first."""
    first = kind << 4 | size & 15
    size >>= 4
    return bytes([first | 128]) + _varint(size) if size else bytes([first])


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 127:  # noqa: PLR2004 - seven bits a byte
        encoded.append(128 | number & 127)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _copy(begin: int, size: int) -> bytes:
    """Return the instruction to copy from the base; sizes below 16 MiB."""
    where = begin.to_bytes(4, "little") + size.to_bytes(3, "little")
    return b"\xff" + where if size else b""
