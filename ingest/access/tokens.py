"""Tokens of the service's own: what their secrets are, and whether one that is shown counts."""

import hashlib
import re
import secrets
from datetime import UTC, datetime
from typing import Final

from ingest.access.errors import NotAuthenticatedError
from ingest.model.access import Caller
from ingest.storage.tokens import TokenStore

#: By it people and secret scanners tell what such a text is.
PREFIX: Final = "ingest_"

#: 256 bits, in 43 characters.
_SECRET_BYTES: Final = 32
_SECRET: Final = re.compile(PREFIX + "[A-Za-z0-9_-]{43}", re.ASCII)

NAME: Final = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


def new_secret() -> str:
    """Return the secret of a new token."""
    return PREFIX + secrets.token_urlsafe(_SECRET_BYTES)


def hash_of(secret: str) -> str:
    """Return what is stored of a secret.

    A plain SHA-256: the slow, salted hashes are for passwords, which can be guessed. Nobody guesses
    256 random bits, however fast each try is.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


class OwnTokens:
    """Knows callers by tokens that ``ingest token new`` has made.

    Asks the database each time, so that a token counts, and ceases to, from the next request on.
    It is found by its hash: how long that takes tells about the hash of what the caller sent, from
    which no secret follows, so that nothing has to be compared in constant time.
    """

    def __init__(self, store: TokenStore) -> None:
        self._store = store

    async def caller(self, secret: str) -> Caller:
        """Return whose token it is.

        Raises:
            NotAuthenticatedError: It is none, or does not count any more.
            DatabaseUnavailableError: That cannot be found out now.
        """
        token = None
        if _SECRET.fullmatch(secret):
            token = await self._store.by_hash(hash_of(secret))
        if token is None:
            raise NotAuthenticatedError("The token is not known here", is_invalid=True)
        if not token.counts(datetime.now(UTC)):
            end = "expired" if token.revoked_at is None else "was revoked"
            raise NotAuthenticatedError(f"The token {token.name} {end}", is_invalid=True)
        return Caller(name=token.name, scopes=token.scopes)
