"""How many connections there is room for, and which of them goes when one more comes."""

import resource
from typing import Final, Protocol

import structlog
from attrs import define, evolve, field, frozen

from ingest.settings import ServerSettings

#: How long a connection is kept for the next request; proxies keep theirs for a minute.
KEEP_ALIVE_S: Final = 75.0

#: How long an answer may wait for its reader.
STALLED_S: Final = 60.0

#: Files that are no connections: the database's, the bank's, the log; and the connections that
#: asyncio accepts in one go before we can count them.
FILES_RESERVED: Final = 256

#: So many connections are accepted in one go, before any is counted or closed; fewer where few
#: files are left for them, for without a file asyncio accepts nothing at all for a second.
ACCEPTED_AT_ONCE: Final = 128
_FILES_LEFT_FOR_EACH: Final = 16

#: More open files than this are not asked for.
_FILES_MAX: Final = 65536

_log = structlog.get_logger(__name__)


@frozen(kw_only=True)
class ConnectionLimits:
    """What connections may take."""

    max_connections: int
    head_within_s: float
    keep_alive_s: float = KEEP_ALIVE_S
    stalled_s: float = STALLED_S
    accepted_at_once: int = ACCEPTED_AT_ONCE

    @classmethod
    def of(cls, settings: ServerSettings) -> "ConnectionLimits":
        """Return what the settings and the process's limit of open files allow."""
        files = allow_open_files()
        limits = cls(
            max_connections=settings.max_connections, head_within_s=settings.request_within_s
        )
        # Else a crowd of connections would take the files from the jobs.
        possible = max(files - FILES_RESERVED, files // 2)
        if possible < limits.max_connections:
            _log.warning(
                "few files may be open, so fewer connections are taken",
                open_files=files,
                connections=possible,
                remedy="raise the limit of open files (ulimit -n, LimitNOFILE)",
            )
            limits = evolve(limits, max_connections=possible)
        at_once = (files - limits.max_connections) // _FILES_LEFT_FOR_EACH
        return evolve(limits, accepted_at_once=max(1, min(at_once, ACCEPTED_AT_ONCE)))


def allow_open_files() -> int:
    """Let the process open as many files as it may, within reason; return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, _FILES_MAX)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return _FILES_MAX if soft == resource.RLIM_INFINITY else soft


class Closable(Protocol):
    """A connection, as far as a crowd has to do with it."""

    def give_way(self) -> None:
        """Close at once."""


@define(eq=False)
class Crowd:
    """The connections that are open.

    Where there is no more room, one on which no request is under way makes some: the one that has
    been like that for longest. So whoever holds connections to keep others out has to send requests
    on each of them, and no probe is turned away for connections that are left idle.
    """

    limit: int
    _open: int = field(default=0, init=False)
    #: Those without a request, longest first; the values mean nothing.
    _idle: dict[Closable, None] = field(factory=dict, init=False)

    def come(self, connection: Closable) -> bool:
        """Take one more, which waits for its first request; return False where there is no room."""
        if self._open >= self.limit:
            if not self._idle:
                return False
            idle = next(iter(self._idle))
            del self._idle[idle]
            idle.give_way()
        self._open += 1
        self._idle[connection] = None
        return True

    def works(self, connection: Closable) -> None:
        """Note that a request has come on a connection."""
        self._idle.pop(connection, None)

    def waits(self, connection: Closable) -> None:
        """Note that a connection has had its answer, and waits for another request."""
        self._idle[connection] = None

    def go(self, connection: Closable) -> None:
        """Forget a connection."""
        self._open -= 1
        self._idle.pop(connection, None)
