"""Who calls, by what their Authorization header holds."""

from typing import Protocol

from ingest.access.errors import NotAuthenticatedError
from ingest.access.tokens import PREFIX, OwnTokens
from ingest.errors import ConfigurationError
from ingest.model.access import Caller


class KnowsCallers(Protocol):
    """Something that tells callers by their tokens."""

    async def caller(self, token: str, /) -> Caller:
        """Return whose token it is, or raise `NotAuthenticatedError`."""


class Authentication:
    """Tells callers by bearer tokens (RFC 6750): the service's own, and those of an issuer."""

    def __init__(self, own: OwnTokens, issuer: KnowsCallers | None) -> None:
        self._own = own
        self._issuer = issuer

    async def caller(self, credentials: str) -> Caller | None:
        """Return who it is; None where no bearer token is shown, but something else.

        Raises:
            NotAuthenticatedError: The token does not count.
            IssuerUnavailableError: It cannot be checked now.
            DatabaseUnavailableError: It cannot be looked up now.
        """
        scheme, _, token = credentials.partition(" ")
        token = token.strip(" ")
        if scheme.lower() != "bearer":
            return None
        if self._issuer is not None and not token.startswith(PREFIX):
            return await self._issuer.caller(token)
        return await self._own.caller(token)


def no_token() -> NotAuthenticatedError:
    """Return what a caller is told who shows no token where one is needed."""
    return NotAuthenticatedError(
        "This takes a token: send one as Authorization: Bearer TOKEN (for the ingest command, by "
        "--token-file or INGEST_TOKEN). ingest token new NAME --scope SCOPE makes one",
        is_invalid=False,
    )


def nobody_known(host: str) -> ConfigurationError:
    """Return why a service does not start to listen there: there is no way to know its callers."""
    return ConfigurationError(
        f"server.host = {host}: others than this machine could start and abandon jobs, and there "
        "is no token to know callers by: make one with ingest token new NAME --scope "
        "ingest:operate, or set auth.jwt_issuer, or listen on 127.0.0.1, or let everybody in with "
        "--allow-unauthenticated"
    )
