"""A database for jobs: what is refused for now is tried again, within bounds."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import stamina
from sqlalchemy import Connection

from ingest.errors import DatabaseUnavailableError
from ingest.storage.database import Transactions

T = TypeVar("T")

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0


class Patience:
    """How long one execution goes on trying what the database refuses.

    A lock that somebody else holds, a full disk or an I/O error is no reason to lose hours of
    work at once; it is one when it lasts.

    Args:
        retry_for_s: How long a transaction is tried before its error is let through.
    """

    def __init__(self, retry_for_s: float) -> None:
        self._retry_for_s = retry_for_s
        self._is_over = False

    def end(self) -> None:
        """Let errors through at once from now on: the job was told to stop."""
        self._is_over = True

    async def keep_trying(self, call: Callable[[], Awaitable[T]]) -> T:
        """Await *call* until it succeeds, or fails for good.

        *call* may be repeated although a transaction in it was committed: a COMMIT that was
        answered with an error may have been carried out all the same.
        """
        async for attempt in stamina.retry_context(
            on=self._may_pass,
            attempts=None if self._retry_for_s else 1,
            timeout=self._retry_for_s or None,
            wait_initial=_FIRST_PAUSE_S,
            wait_max=_LONGEST_PAUSE_S,
            wait_jitter=_FIRST_PAUSE_S,
        ):
            with attempt:
                return await call()
        raise AssertionError("a retry ends with a result or an error")

    def _may_pass(self, error: Exception) -> bool:
        return (
            isinstance(error, DatabaseUnavailableError) and error.is_passing and not self._is_over
        )


class PatientDatabase:
    """A database whose transactions are tried for as long as an execution's patience lasts."""

    def __init__(self, database: Transactions, patience: Patience) -> None:
        self._database = database
        self._patience = patience

    async def read(self, query: Callable[[Connection], T]) -> T:
        """See `Database.read`; raises only what lasts."""
        return await self._patience.keep_trying(lambda: self._database.read(query))

    async def write(self, work: Callable[[Connection], T]) -> T:
        """See `Database.write`; raises only what lasts.

        *work* has to see for itself whether an earlier attempt of it was committed after all.
        """
        return await self._patience.keep_trying(lambda: self._database.write(work))
