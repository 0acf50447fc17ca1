"""What tests ask of an item bank, in one call each."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from types import FrameType

import ingest
from ingest.bank.base import ItemBank, Listing, Wanted
from ingest.jobs.stack import thread_frames
from ingest.model.item import Document, History, Rejected

_OURS = str(Path(ingest.__file__).parent)
_FAKE = f"{_OURS}/bank/fake_gitlab"

#: The watchdogs of services, and what writes their log lines.
_ONLOOKERS = {"watchdog", "log lines"}

Read = tuple[History, list[Document]]


async def listed(bank: ItemBank) -> list[Listing]:
    """List the bank to its end."""
    found: list[Listing] = []
    async with aclosing(bank.scan().__aiter__()) as slices:
        async for listings in slices:
            found += listings
    return found


async def changes(bank: ItemBank, wanted: Sequence[Wanted]) -> list[Read | Rejected]:
    """Read histories with all their documents."""
    found: list[Read | Rejected] = []
    results = bank.read_changes(wanted, lambda history: (history, list(history.documents)))
    async with aclosing(results) as slices:
        async for derived in slices:
            found += derived
    return found


async def want(bank: ItemBank, key: str, after: str | None = None) -> Wanted:
    """Return what to read of an item: it, as it stands now."""
    listing = await bank.head(key)
    assert listing is not None
    assert listing.revision is not None
    return Wanted(key=key, path=listing.path, revision=listing.revision, after=after)


def threads_at_work() -> list[str]:
    """Return the names of the threads, other than this one, in which our code runs.

    But for those that only look on, and for what stands in for others.
    """
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    busy = []
    for ident, frame in thread_frames().items():
        if ident == threading.get_ident() or names.get(ident) in _ONLOOKERS:
            continue
        files = list(_files(frame))
        is_ours = any(name.startswith(_OURS) for name in files)
        if is_ours and not any(name.startswith(_FAKE) for name in files):
            busy.append(names.get(ident, str(ident)))
    return busy


def _files(frame: FrameType | None) -> Iterator[str]:
    while frame is not None:
        yield frame.f_code.co_filename
        frame = frame.f_back
