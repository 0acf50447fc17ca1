"""What an item is: its document, its history, its row, and why it may be none of these."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

from attrs import field, frozen

#: Counts the versions of the rules by which a row is derived from a document. Raise it with any
#: change to them: migration then re-derives every row, and problems are tried again.
DERIVATION_VERSION = 2

#: The largest item.json that is read.
DOCUMENT_LIMIT_BYTES = 5 * 1024 * 1024

#: The thirteen item types.
ITEM_TYPES = frozenset(
    ["ebsr", "eq", "gi", "htqo", "htqs", "mc", "mi", "ms", "sa", "stim", "ti", "tut", "wer"]
)

#: The largest item id: what a signed 64-bit column holds.
ITEM_ID_MAX = 2**63 - 1


class ProblemKind(StrEnum):
    """Why an item of the bank could not become a row; the values are what the database holds."""

    BAD_KEY = "BAD_KEY"  #: the folder's or project's name cannot be an item id
    NOT_A_REPOSITORY = "NOT_A_REPOSITORY"  #: a numeric folder without a repository in it
    NOT_A_FOLDER = "NOT_A_FOLDER"  #: in one repository for all: an item's name, and no folder
    UNREADABLE_REPOSITORY = "UNREADABLE_REPOSITORY"  #: damaged, forbidden, or of an unknown format
    NOT_ANSWERED = "NOT_ANSWERED"  #: the bank failed to hand it out; the next run asks again
    RENAMED = "RENAMED"  #: the project of a known item has another name or place now
    DOCUMENT_REMOVED = "DOCUMENT_REMOVED"  #: a known item whose item.json is gone
    NOT_A_FILE = "NOT_A_FILE"  #: item.json is a folder, a link or a submodule
    NO_DEFAULT_BRANCH = "NO_DEFAULT_BRANCH"  #: HEAD names a branch that is not there; others are
    NOT_UTF8 = "NOT_UTF8"
    BYTE_ORDER_MARK = "BYTE_ORDER_MARK"
    NOT_JSON = "NOT_JSON"
    NOT_AN_OBJECT = "NOT_AN_OBJECT"  #: JSON, but no object
    TOO_LARGE = "TOO_LARGE"
    LFS_POINTER = "LFS_POINTER"  #: the document itself is in Git LFS
    WRONG_ID = "WRONG_ID"  #: the document's id is not the repository's name
    DUPLICATE_ID = "DUPLICATE_ID"  #: two repositories for one item
    UNKNOWN_TYPE = "UNKNOWN_TYPE"
    UNMAPPABLE = "UNMAPPABLE"  #: of a shape the mapping cannot read


@frozen
class Problem:
    """Why one item cannot be ingested, in words its author can act on."""

    kind: ProblemKind
    message: str


@frozen
class Commit:
    """One commit of an item's repository."""

    hash: str
    #: The committer's date, in UTC.
    committed_at: datetime
    #: The author's name, as the commit has it.
    author: str


@frozen(kw_only=True)
class Document:
    """The state of an item's repository at one commit."""

    commit: Commit
    #: item.json as it stands in the commit; None where there is none, or where it was not read.
    #: Consecutive documents with the same blob hold the very same object.
    content: bytes | None = field(repr=False)
    #: Why `content` was not read although item.json is there (too large, an LFS pointer).
    problem: Problem | None = None
    #: Whether the marker file ``create`` lies beside it: the item is still being made.
    is_being_created: bool = False


@frozen(kw_only=True)
class History:
    """What happened to one item since the commit that was stored of it."""

    key: str
    #: Where the item lives in the bank: a folder, a project path.
    path: str
    #: The default branch's name.
    branch: str
    #: The revision whose state the last document has.
    revision: str
    #: True when the documents begin with the repository's first commit: nothing was stored, or
    #: what was stored is not in the history any more (a force-push).
    is_whole: bool
    #: Oldest first, along the first parents; at least one. May be an iterator, to be read once.
    documents: Iterable[Document]
    #: The bank's own number of the item; None where it has only the name.
    bank_id: int | None = None


@frozen(kw_only=True)
class HistoryFacts:
    """What only an item's history tells: people and dates (aware, UTC)."""

    workflow_status: str = ""
    workflow_status_set_at: datetime | None = None
    #: When the status last became exactly Operational; kept when it becomes something else. The
    #: last time and not the first, for it is what content is compared with: an item that was
    #: changed, reviewed and released again has not changed since its release.
    operational_at: datetime | None = None
    item_created_by: str = ""
    item_created_at: datetime | None = None
    updated_by: str = ""
    updated_at: datetime | None = None


@frozen
class Keyword:
    """A searchable text of an item and the section it stands in."""

    section: str
    content: str


@frozen
class Attachment:
    """A file that belongs to an item: sign language, braille or closed captions."""

    file_type: str
    file_name: str
    uploaded_at: datetime | None


@frozen(kw_only=True)
class Form:
    """A test form that an item stood in."""

    administration_id: str
    form_id: str
    form_type: str
    assessment_type: str
    #: How often it was seen there; None where that is no number.
    exposures: int | None


@frozen(kw_only=True)
class ContentUpdateNeed:
    """Something about an item's content that somebody wants changed."""

    content_update_need_create_date: datetime | None
    notes: str
    #: Blank for as long as it is unresolved.
    resolution: str
    resolution_date: datetime | None
    resolution_notes: str
    internal_resolution: str
    internal_resolution_date: datetime | None


@frozen(kw_only=True)
class Assignment:
    """Somebody who is to work on an item."""

    assigned_to: str
    assigned_by: str
    assigned_date: datetime | None


@frozen(kw_only=True)
class ItemRow:
    """An item as the database holds it: a row, and the rows of its lists in their order."""

    id: int
    #: Every column of the item table but ``key``, by name.
    values: dict[str, Any]
    keywords: tuple[Keyword, ...]
    attachments: tuple[Attachment, ...]
    forms: tuple[Form, ...] = ()
    content_update_needs: tuple[ContentUpdateNeed, ...] = ()
    assignments: tuple[Assignment, ...] = ()


@frozen(kw_only=True)
class Ingested:
    """An item read, mapped, and ready to be written."""

    key: str
    path: str
    branch: str
    revision: str
    commit: Commit
    row: ItemRow
    #: The commits to log: those since the stored one, or the one that was derived from again.
    log: tuple[Commit, ...]
    bank_id: int | None = None


@frozen(kw_only=True)
class Rejected:
    """An item of the bank that cannot be ingested as it is."""

    key: str
    path: str
    #: The revision that was read, so that it is read again only when it changes; None if unknown.
    revision: str | None
    problem: Problem


@frozen(kw_only=True)
class NoItemYet:
    """A repository that does not hold an item.json and never did."""

    key: str
    revision: str | None


#: What became of reading one item.
Derived = Ingested | Rejected | NoItemYet
