"""Who may ask: tokens, their scopes, and what becomes of them."""

import hmac
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from aiohttp import web
from attrs import define, field

from ingest.bank.fake_gitlab.refusals import Refusal, forbidden, insufficient_scope, unauthorized

READ: Final = "read_api"
WRITE: Final = "api"


class Standing(StrEnum):
    """What a token is worth."""

    VALID = "valid"  #: it sees the group and its projects
    UNKNOWN = "unknown"  #: as if it had never been
    REVOKED = "revoked"
    EXPIRED = "expired"
    FORBIDDEN = "forbidden"  #: its owner is blocked: everything is refused
    NO_GROUP = "no_group"  #: its owner is no member any more: the group and all in it are not found
    NO_PROJECTS = "no_projects"  #: the group is seen, none of its projects


_DESCRIPTIONS: Final = {
    Standing.REVOKED: "Token was revoked. You have to re-authorize from the user.",
    Standing.EXPIRED: ("Token is expired. You can either do re-authorization or token refresh."),
}


@define(eq=False)
class Token:
    """One access token."""

    value: str = field(repr=False)
    scopes: frozenset[str] = frozenset({WRITE})
    standing: Standing = Standing.VALID
    #: Whether its owner may see and make hooks.
    is_maintainer: bool = True

    @property
    def sees_group(self) -> bool:
        """Return whether the group is found."""
        return self.standing is not Standing.NO_GROUP

    @property
    def sees_projects(self) -> bool:
        """Return whether the group's projects are found."""
        return self.standing not in {Standing.NO_GROUP, Standing.NO_PROJECTS}

    def require(self, scope: str) -> None:
        """Go on only if the token's scopes cover this one; ``api`` covers all.

        Raises:
            Refusal: They do not.
        """
        if self.scopes.isdisjoint({scope, WRITE}):
            raise insufficient_scope(scope)


class Tokens:
    """The tokens there are."""

    def __init__(self) -> None:
        self._tokens: list[Token] = []

    def add(self, value: str, *, scopes: Iterable[str] = (WRITE,)) -> Token:
        """Make a token known."""
        token = Token(value, frozenset(scopes))
        self._tokens.append(token)
        return token

    def of(self, request: web.Request) -> Token:
        """Return the token a request comes with.

        A real GitLab answers some requests for what is private, when they come without a token,
        by 404; here all of them are refused.

        Raises:
            Refusal: It has none, or none that is known.
        """
        given = _given(request)
        for token in self._tokens:
            if given and hmac.compare_digest(token.value.encode(), given.encode()):
                _check(token)
                return token
        raise unauthorized()


def _given(request: web.Request) -> str:
    if private := request.headers.get("PRIVATE-TOKEN"):
        return private
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.casefold() == "bearer" else ""


def _check(token: Token) -> None:
    if token.standing is Standing.UNKNOWN:
        raise unauthorized()
    if token.standing is Standing.FORBIDDEN:
        raise forbidden()
    if token.standing in _DESCRIPTIONS:
        description = _DESCRIPTIONS[token.standing]
        raise Refusal(401, {"error": "invalid_token", "error_description": description})
