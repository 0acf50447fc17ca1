"""The git repositories of a sample bank, written byte by byte.

Each is five small files: by measurement, a library that opens every one of them takes more than
ten times as long.
"""

import struct
import zlib
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Final

import pygit2
from attrs import define, field
from pygit2.enums import ResetMode

#: Who works on the items.
PEOPLE: Final = (
    *("Ada Okafor", "Carmen Núñez", "Dariusz Wójcik", "Grace O'Neill", "Liam Mbeki", "Bo Li"),
)
_KINDS = {b"commit": 1, b"tree": 2, b"blob": 3}
_PACKED_REFS = "# pack-refs with: peeled fully-peeled sorted \n"
_BEGINNING = datetime(2015, 1, 1, tzinfo=UTC)
_CONFIG = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tautocrlf = false\n\tbare = "


@define
class SampleHistory:
    """An item's commits as git objects: people take turns at them, and time goes on."""

    rng: Random
    #: Entries of a pack by object id.
    objects: dict[bytes, bytes] = field(factory=dict)
    commits: list[str] = field(factory=list)
    author: str = field(init=False)
    at: datetime = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.author = self.rng.choice(PEOPLE)
        self.at = _BEGINNING + timedelta(seconds=self.rng.randrange(9 * 365 * 86_400))

    def chance(self, percent: int) -> bool:
        """Return true so many times in a hundred."""
        return self.rng.randrange(100) < percent

    def add(self, kind: bytes, data: bytes) -> bytes:
        """Store an object; return its id."""
        object_id = sha1(b"%s %d\0%s" % (kind, len(data), data), usedforsecurity=False).digest()
        if object_id not in self.objects:
            # The head of an entry: four bits of the size, then seven a byte, the lowest first.
            head, rest = [_KINDS[kind] << 4 | len(data) & 15], len(data) >> 4
            while rest:
                head[-1] |= 128
                head.append(rest & 127)
                rest >>= 7
            self.objects[object_id] = bytes(head) + zlib.compress(data, 1)
        return object_id

    def commit(
        self, message: str, files: Mapping[str, bytes], *, links: Collection[str] = ()
    ) -> None:
        """Commit *files* as the whole tree; those named in *links* as symbolic links."""
        entries = (
            b"%s %s\0%s"
            % (
                b"120000" if name in links else b"100644",
                name.encode(),
                self.add(b"blob", files[name]),
            )
            for name in sorted(files)
        )
        tree = self.add(b"tree", b"".join(entries)).hex()
        parent = f"\nparent {self.commits[-1]}" if self.commits else ""
        login = self.author.split()[0].lower()
        who = f"{self.author} <{login}@items.example> {self.at.timestamp():.0f} +0000"
        text = f"tree {tree}{parent}\nauthor {who}\ncommitter {who}\n\n{message}\n"
        self.commits.append(self.add(b"commit", text.encode()).hex())
        self.author = self.rng.choice(PEOPLE)
        self.at += timedelta(seconds=self.rng.randint(60, 90 * 86_400))

    def write_pack(self, directory: Path) -> None:
        """Write the objects as one pack with its index."""
        pack = bytearray(struct.pack(">4sII", b"PACK", 2, len(self.objects)))
        offsets = {}
        for object_id, entry in self.objects.items():
            offsets[object_id] = len(pack)
            pack += entry
        checksum = sha1(pack, usedforsecurity=False)
        ids = sorted(self.objects)
        counts = [0] * 256
        for object_id in ids:
            counts[object_id[0]] += 1
        index = struct.pack(">4s257I", b"\xfftOc", 2, *accumulate(counts))
        index += b"".join(ids)
        index += struct.pack(f">{len(ids)}I", *(zlib.crc32(self.objects[i]) for i in ids))
        index += struct.pack(f">{len(ids)}I", *(offsets[i] for i in ids)) + checksum.digest()
        path = directory / f"pack-{checksum.hexdigest()}"
        path.with_suffix(".pack").write_bytes(pack + checksum.digest())
        path.with_suffix(".idx").write_bytes(index + sha1(index, usedforsecurity=False).digest())


def write_repository(path: Path, history: SampleHistory) -> None:
    """Write most repositories bare, some with a work tree; their refs packed, loose, or both."""
    git = history.rng.choices((path.with_suffix(".git"), path, path / ".git"), (88, 7, 5))[0]
    write_git_directory(git, history)


def write_git_directory(git: Path, history: SampleHistory) -> None:
    """Write a repository to exactly this path; with a work tree where it is named ``.git``."""
    rng, head = history.rng, history.commits[-1]
    branch = rng.choice(("main", "master"))
    # Where there are both, the packed ref is out of date: the loose one counts.
    refs = ((head, ""), ("", head), (head, history.commits[-2]))
    loose, packed = rng.choices(refs, (45, 45, 10))[0]
    git.mkdir(parents=True)
    for name in ("objects", "objects/pack", "refs", *(["refs/heads"] if loose else [])):
        (git / name).mkdir()
    history.write_pack(git / "objects/pack")
    (git / "HEAD").write_text(f"ref: refs/heads/{branch}\n")
    (git / "config").write_text(_CONFIG + ("false\n" if git.name == ".git" else "true\n"))
    if packed:
        (git / "packed-refs").write_text(f"{_PACKED_REFS}{packed} refs/heads/{branch}\n")
    if loose:
        (git / "refs/heads" / branch).write_text(f"{loose}\n")
    if git.name == ".git":
        pygit2.Repository(str(git)).reset(head, ResetMode.HARD)
