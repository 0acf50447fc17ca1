"""A sample item bank: a folder of git repositories with histories, the same for the same seed.

The repositories are written byte by byte, each as five small files: by measurement, a library
that opens every one of them takes more than ten times as long.
"""

import struct
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from itertools import accumulate
from pathlib import Path
from random import Random

import orjson
import pygit2
from attrs import define, field, frozen
from pygit2.enums import ResetMode

from ingest.bank.sample_documents import HINTS, JsonObject, administrations, new_document, types_at
from ingest.bank.sample_one_repository import ONE_REPOSITORY_ITEMS_MAX, OneRepositorySample
from ingest.errors import InvalidValueError

FIRST_ID = 100_001
ITEMS_MAX = 1_000_000
_PEOPLE = ("Ada Okafor", "Carmen Núñez", "Dariusz Wójcik", "Grace O'Neill", "Liam Mbeki", "Bo Li")
_STATUSES = ("InternalReview", "SmarterContentReview", "FieldTest", "OperationalReady")
_SECTIONS = {"asl": ("Asl", "ASL.mp4"), "braille": ("Braille", "enu.brf"), "cc": ("Cc", "cc.vtt")}
_KINDS = {b"commit": 1, b"tree": 2, b"blob": 3}
_PACKED_REFS = "# pack-refs with: peeled fully-peeled sorted \n"
_BEGINNING = datetime(2015, 1, 1, tzinfo=UTC)
_CONFIG = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tautocrlf = false\n\tbare = "


@frozen(kw_only=True)
class SampleSummary:
    """What a sample bank holds."""

    items: int
    by_type: Mapping[str, int]
    stimuli: int
    #: Items whose latest document has a Spanish translation.
    with_spanish: int
    first_id: int
    last_id: int


def make_sample_bank(
    directory: Path,
    *,
    items: int,
    seed: int = 1,
    one_repository: bool = False,
    progress: Callable[[int], None] | None = None,
) -> SampleSummary:
    """Make a bank of *items* repositories, and the directory if it is not there yet.

    With *one_repository* the directory becomes one repository with a folder for each item instead:
    the same documents, the same commits but for the empty ones.

    An item is the same in a bank of any size, but for a link to a stimulus that a smaller bank
    does not reach. *progress* is told after each item how many are done. When interrupted, it
    leaves the repositories made until then, the last of them possibly unfinished: remove the
    directory before trying again.

    Raises:
        InvalidValueError: The number of items is out of range, or the directory holds something.
        OSError: The directory cannot be written.
    """
    _refuse(directory, items, ONE_REPOSITORY_ITEMS_MAX if one_repository else ITEMS_MAX)
    directory.mkdir(parents=True, exist_ok=True)
    together = OneRepositorySample(directory) if one_repository else None
    by_type: Counter[str] = Counter()
    with_spanish = 0
    last_id = FIRST_ID + items - 1
    for item_id in range(FIRST_ID, last_id + 1):
        types = types_at(item_id - FIRST_ID, first_id=FIRST_ID, seed=seed)
        history = _History(Random(f"{seed}/{item_id}"))  # noqa: S311  # a sample is no secret
        stimulus_id = history.rng.choice([key for key, kind in types.items() if kind == "stim"])
        is_linked = history.chance(40) and types[item_id] not in ("stim", "tut")
        identity = {"id": f"{item_id}", "type": types[item_id]}
        # Drawn in any case, so that all the rest of the item is the same without a link.
        link = history.rng.choice((str, int))(stimulus_id)
        stimulus = link if is_linked and stimulus_id <= last_id else None
        item = _write_history(history, identity, stimulus)
        if together is None:
            _write_repository(directory / f"{item_id}", history)
        else:
            together.add(f"{item_id}", history.objects, history.commits)
        by_type[types[item_id]] += 1
        with_spanish += item.is_translated
        if progress is not None:
            progress(item_id - FIRST_ID + 1)
    if together is not None:
        together.finish()
    return SampleSummary(
        items=items,
        by_type=dict(sorted(by_type.items())),
        stimuli=by_type["stim"],
        with_spanish=with_spanish,
        first_id=FIRST_ID,
        last_id=last_id,
    )


def _refuse(directory: Path, items: int, items_max: int) -> None:
    if not 1 <= items <= items_max:
        raise InvalidValueError(
            f"A sample bank cannot have {items} items: ask for a number from 1 to {items_max}"
        )
    if directory.exists() and not (directory.is_dir() and not any(directory.iterdir())):
        raise InvalidValueError(
            f"{directory} is there already and is not an empty directory: "
            "name one that is not there yet, or empty it first"
        )


@define
class _History:
    """An item's commits as git objects: people take turns at them, and time goes on."""

    rng: Random
    #: Entries of a pack by object id.
    objects: dict[bytes, bytes] = field(factory=dict)
    commits: list[str] = field(factory=list)
    author: str = field(init=False)
    at: datetime = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.author = self.rng.choice(_PEOPLE)
        self.at = _BEGINNING + timedelta(seconds=self.rng.randrange(9 * 365 * 86_400))

    def chance(self, percent: int) -> bool:
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

    def commit(self, message: str, files: Mapping[str, bytes]) -> None:
        """Commit *files* as the whole tree."""
        blobs = ((name.encode(), self.add(b"blob", files[name])) for name in sorted(files))
        tree = self.add(b"tree", b"".join(b"100644 %s\0%s" % blob for blob in blobs)).hex()
        parent = f"\nparent {self.commits[-1]}" if self.commits else ""
        login = self.author.split()[0].lower()
        who = f"{self.author} <{login}@items.example> {self.at.timestamp():.0f} +0000"
        text = f"tree {tree}{parent}\nauthor {who}\ncommitter {who}\n\n{message}\n"
        self.commits.append(self.add(b"commit", text.encode()).hex())
        self.author = self.rng.choice(_PEOPLE)
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


@define
class _Item:
    """An item under way: its document, and who works on it when."""

    history: _History
    document: JsonObject
    spanish: JsonObject
    is_translated: bool = False

    @property
    def now(self) -> str:
        return self.history.at.strftime("%Y-%m-%dT%H:%M:%S.558Z")

    @property
    def english(self) -> JsonObject:
        english: JsonObject = self.document["core"].get("en", self.document["core"])
        return english

    def files(self) -> dict[str, bytes]:
        """The item's files, a stand-in for each attachment."""
        attachments = (a for section in _SECTIONS for a in self.document[section]["attachments"])
        files = dict.fromkeys((a["fileName"] for a in attachments), b"A recording.\n")
        options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        return files | {"item.json": orjson.dumps(self.document, option=options)}

    def edit(self) -> str:
        """Change something other than the workflow status; say what, for the commit's message."""
        edits = [self.reword, self.reword, self.attach]
        edits += [] if self.is_translated else [self.translate]
        edits += [] if self.document["type"] == "tut" else [self.report]
        edits += [self.assign] if "assignments" in self.document else []
        return self.history.rng.choice(edits)()

    def reword(self) -> str:
        english = self.english
        name = "content" if "content" in english else "prompt"
        hint = self.history.rng.choice([hint for hint in HINTS if hint[0] not in english[name]])
        for content, text in zip((english, self.spanish), hint, strict=True):
            content[name] += f"\n<p>{text}</p>"
            self.touch(content)
        return f"Reword the {name}"

    def touch(self, content: JsonObject) -> None:
        """Date a content, if documents of this age have such dates."""
        if "assignments" in self.document:
            content["updatedDate"] = self.now

    def translate(self) -> str:
        self.spanish |= {flag: self.english[flag] for flag in ("isRequired", "isProvided")}
        self.touch(self.spanish)
        self.document["translations"] = {"esp": self.spanish}
        self.is_translated = True
        return "Add the Spanish translation"

    def attach(self) -> str:
        section, (flag, ending) = self.history.rng.choice(tuple(_SECTIONS.items()))
        attachment = {"fileName": f"item_{self.document['id']}_{ending}", "uploadedDate": self.now}
        # The authors' tools enter a file twice at times, and so does a second upload.
        self.document[section]["attachments"] += [attachment] * self.history.rng.choice((1, 1, 2))
        flags = {f"is{flag}Required": "Yes", f"is{flag}Provided": self.english["isProvided"]}
        self.document[section] |= flags
        return f"Upload to {section}"

    def report(self) -> str:
        need = {"createDate": self.now, "notes": f"{self.history.author} doubts the key."}
        need |= dict.fromkeys(("internalResolution", "internalResolutionDate"), "")
        resolved = ("Key confirmed", self.now) if self.history.chance(50) else ("", "")
        need |= zip(("resolution", "resolutionDate"), resolved, strict=True)
        self.document["core"].setdefault("contentUpdateNeeds", []).append(need)
        return "Report a content update need"

    def assign(self) -> str:
        by = {"assignedBy": self.history.author, "assignedDate": self.now}
        names = self.history.rng.sample(_PEOPLE, self.history.rng.choice((1, 1, 2)))
        self.document["assignments"] = [by | {"assignedTo": name} for name in names]
        return "Assign the item"

    def move_to(self, status: str) -> str:
        """Set the workflow status; items that were in tests have numbers to show for it."""
        self.document["workflow"]["workflowStatusCode"] = status
        if status == "Operational" and self.document["type"] not in ("stim", "tut"):
            self.document["core"]["testAdministration"] = administrations(self.history.rng)
        return f"Set the status to {status}"


def _write_history(history: _History, identity: JsonObject, stimulus: str | int | None) -> _Item:
    rng = history.rng
    if history.chance(90):
        history.commit("Create the project", {})
    begun = new_document(rng, identity, stimulus, by=history.author, year=history.at.year)
    item = _Item(history, *begun)
    marker = {"create": b""} if history.chance(90) else {}
    last = rng.randint(2, 6)
    published = rng.randint(1, last) if history.chance(85) else None
    operational = rng.randint(2, last) if published and history.chance(50) else None
    message, upcoming = "Create the item", list(_STATUSES)
    for number in range(1, last + 1):
        if number == operational:
            message, upcoming = item.move_to("Operational"), []
        elif number > 1 and upcoming and history.chance(50):
            message = item.move_to(upcoming.pop(0))
        elif number > 1:
            message = item.edit()
        history.commit(message, item.files() | marker)
        if number == published and marker:
            marker = {}
            history.commit("Publish the item", item.files())
    return item


def _write_repository(path: Path, history: _History) -> None:
    """Write most repositories bare, some with a work tree; their refs packed, loose, or both."""
    rng, head = history.rng, history.commits[-1]
    git = rng.choices((path.with_suffix(".git"), path, path / ".git"), (88, 7, 5))[0]
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
