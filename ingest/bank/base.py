"""The interface that every kind of item bank serves.

One suite of contract tests (``tests/bank/test_contract.py``) holds for all of them.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from attrs import frozen

from ingest.model.item import Commit, Document, History, Problem, Rejected

T = TypeVar("T")


@frozen(kw_only=True)
class Listing:
    """One entry of the bank's listing."""

    #: The item id as the bank has it: the folder's name without ``.git``, the project's path.
    key: str
    path: str
    #: Opaque, compared for equality only; None where nothing was committed yet.
    revision: str | None
    #: Why this entry cannot be read at all.
    problem: Problem | None = None
    #: The bank's own number of it, which no rename changes; None where it has only the name.
    bank_id: int | None = None
    #: The default branch's name; None where the bank finds it out when it reads.
    branch: str | None = None
    #: True where the bank did not look for the revision, for nothing has happened there since the
    #: scan that *since* is the cursor of; `revision` is None then, and `head` tells it. It is said
    #: of what has this `bank_id`, whatever had the key before.
    is_unchanged: bool = False


@frozen(kw_only=True)
class Wanted:
    """An item to read, and the commit up to which its history is known already."""

    key: str
    path: str
    revision: str
    #: The stored commit's hash; None to read the whole history.
    after: str | None = None
    bank_id: int | None = None
    branch: str | None = None


@frozen(kw_only=True)
class Log:
    """Commits of an item, oldest first, along the first parents."""

    commits: tuple[Commit, ...]
    #: True when they begin with the first commit, for `after` was None or not in the history.
    is_whole: bool


@frozen(kw_only=True)
class Push:
    """Something was pushed to an item."""

    key: str
    bank_id: int | None = None


@frozen
class Unrelated:
    """A notification that is not this service's business."""

    reason: str


class Scan(Protocol):
    """A listing of the bank under way: iterate it once, then ask whether it was complete."""

    @property
    def total(self) -> int | None:
        """How many entries there are; None as long as the bank has not told."""

    @property
    def complete(self) -> bool:
        """True once the listing has ended without a gap; only then may absence mean deletion."""

    @property
    def cursor(self) -> str | None:
        """Where the next scan may go on from, once this one is complete; None for nowhere."""

    # A generator, not just an iterator: whoever leaves early must be able to close it.
    def __aiter__(self) -> AsyncGenerator[Sequence[Listing], None]:  # noqa: PYI058
        """Yield the entries in slices.

        Raises:
            BankUnavailableError: The bank went away, or a part of the listing cannot be had.
        """


class ItemBank(Protocol):
    """Where the items live. Cancelling any of these leaves no thread and no request at work."""

    async def check(self) -> None:
        """Return when the bank can be reached and read.

        Raises:
            BankUnavailableError: It cannot; the message says what is wrong with what.
        """

    def scan(self, since: str | None = None) -> Scan:
        """List every item present; *since* is the cursor of an earlier complete scan.

        With *since* entries may be told to be unchanged; see `Listing.is_unchanged`.
        """

    async def head(self, key: str, bank_id: int | None = None) -> Listing | None:
        """Return the entry of one item; None only when its absence is certain.

        Where the item is known by its number and has another name now, that is its problem: an
        item that was renamed or moved is not absent.

        Raises:
            BankUnavailableError: The bank cannot tell.
        """

    async def read(self, key: str, revision: str) -> Document:
        """Return the item's document as it is at a revision.

        Raises:
            BankUnavailableError: The bank cannot be read.
            ItemNotFoundError: There is no such item or revision.
        """

    async def log(self, key: str, after: str | None = None) -> Log:
        """Return the commits since *after*.

        Raises:
            BankUnavailableError: The bank cannot be read.
            ItemNotFoundError: There is no such item.
        """

    def read_changes(
        self, wanted: Sequence[Wanted], derive: Callable[[History], T]
    ) -> AsyncGenerator[Sequence[T | Rejected], None]:
        """Read what happened to many items, and hand each history to *derive*.

        *derive* runs where the reading runs (for local banks in a worker thread), so that bytes
        do not pile up between the two. Results come in slices, in the order of *wanted*. An item
        that cannot be read is a `Rejected`; one that has vanished meanwhile is left out, or is read
        as it was listed where the bank still has that.

        Raises:
            BankUnavailableError: The bank went away.
        """

    def parse_event(self, headers: Mapping[str, str], body: bytes) -> Push | Unrelated:
        """Return which item a notification of the bank's is about, or why it is about none.

        Raises:
            InvalidValueError: It is no notification of this kind of bank.
        """

    async def aclose(self) -> None:
        """Release threads and connections; waits for a slice that is being read."""


class PushNotices(Protocol):
    """How a bank is made to tell this service of pushes."""

    async def ensure(self, key: str, bank_id: int) -> bool:
        """See to it that the bank tells of pushes to an item; return whether it did not before.

        Twice is the same as once.

        Raises:
            HookRefusedError: The bank does not let this service see to that.
            ItemNotFoundError: There is no such item any more.
            BankUnavailableError: The bank cannot be reached.
        """
