"""The items' histories in one repository: what is known of them, and how more is found out.

Everything here blocks, and belongs into a worker thread.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from typing import Final

import pygit2

from ingest.bank.chain import Chain, Found
from ingest.bank.place import Place
from ingest.bank.repository import UNREADABLE
from ingest.slices import Slice

#: How many commits are remembered at which the bank was listed, the newest of them first.
TIPS: Final = 4

#: How many chains are kept: the one in use, and the one before a forced push.
CHAINS: Final = 2

#: How many commits to walk with a repository before it is opened anew: libgit2 keeps what it read.
REOPEN_AFTER: Final = 5000

#: How long to wait for another thread's search between two looks at whether to stop.
_TURN_S: Final = 0.01


class Sought(Enum):
    """What a search has come to that has found nothing."""

    PENDING = auto()  #: nothing as yet; search again
    ABSENT = auto()  #: there is none


class Histories:
    """Searches the commits at which the bank was listed, the newest first. Safe from any thread.

    Args:
        place: Where the repository lies.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._identity: tuple[int, ...] = ()
        #: Open only as long as there is a walk under way.
        self._repository: pygit2.Repository | None = None
        self._steps = 0
        self._tips: list[bytes] = []
        self._chains: list[Chain] = []

    def refresh(self, piece: Slice) -> None:
        """Forget everything if the repository is another one than before.

        Raises:
            BankUnavailableError: It is not there.
        """
        identity = self._place.identity()
        with self._turn(piece):
            if identity != self._identity:
                self._identity = identity
                self._forget()

    def note(self, tip: pygit2.Oid, piece: Slice) -> None:
        """Remember a commit at which the bank was listed."""
        with self._turn(piece):
            self._note(tip.raw)

    def search(
        self, key: str, ask: Callable[[Chain], Found | None], piece: Slice
    ) -> Found | Sought:
        """Ask the chains about an item, and walk them further until one of them tells.

        Raises:
            BankUnavailableError: The repository's history cannot be read.
        """
        with self._turn(piece):
            for tip in self._candidates():
                try:
                    found = self._search_from(tip, key, ask, piece)
                except UNREADABLE as error:
                    # What was pushed away may be gone for good; HEAD's history may not.
                    self._give_up(tip, error)
                    continue
                if found is Sought.PENDING:
                    return found
                self._repository = None
                if found is not Sought.ABSENT:
                    return found
            return Sought.ABSENT

    def close(self) -> None:
        """Let go of the repository."""
        self._forget()

    def _search_from(
        self, tip: bytes, key: str, ask: Callable[[Chain], Found | None], piece: Slice
    ) -> Found | Sought:
        chain = self._chain(tip)
        found = ask(chain)
        while found is None and not chain.is_walked:
            known = chain.known_of(key)
            chain.step(self._opened(), piece.check)
            self._steps += 1
            if chain.known_of(key) != known:
                found = ask(chain)
            if found is None and piece.over():
                return Sought.PENDING
        return Sought.ABSENT if found is None else found

    def _candidates(self) -> Iterator[bytes]:
        tips = list(self._tips)
        yield from tips
        head = self._head()
        if head not in tips:
            self._note(head)
            yield head

    def _give_up(self, tip: bytes, error: Exception) -> None:
        self._repository = None
        if tip == self._head():
            raise self._place.unavailable(error) from error
        self._tips.remove(tip)
        self._chains = [chain for chain in self._chains if tip not in chain.tips]

    def _head(self) -> bytes:
        return self._place.head(self._opened()).id.raw

    def _chain(self, tip: bytes) -> Chain:
        for chain in self._chains:
            if tip in chain.tips:
                return chain
        made = Chain(tip, self._chains[0] if self._chains else None)
        self._chains = [made, *self._chains][:CHAINS]
        return made

    def _note(self, tip: bytes) -> None:
        self._tips = [tip, *(other for other in self._tips if other != tip)][:TIPS]

    def _opened(self) -> pygit2.Repository:
        if self._repository is None or self._steps >= REOPEN_AFTER:
            self._repository, self._steps = self._place.open(), 0
        return self._repository

    def _forget(self) -> None:
        self._repository, self._tips, self._chains = None, [], []

    @contextmanager
    def _turn(self, piece: Slice) -> Iterator[None]:
        while not self._lock.acquire(timeout=_TURN_S):
            piece.check()
        try:
            yield
        finally:
            self._lock.release()
