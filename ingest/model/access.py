"""Who calls, and what they may do."""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

from attrs import field, frozen


class Scope(StrEnum):
    """What a token allows; the values are what tokens and the database hold."""

    READ = "ingest:read"  #: to look
    OPERATE = "ingest:operate"  #: to start and abandon, and to look


@frozen(kw_only=True)
class Caller:
    """Somebody who has shown a token."""

    #: A token's name, or the subject of an issuer's.
    name: str
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Return whether the caller has this scope, or one that includes it."""
        return scope in self.scopes or Scope.OPERATE in self.scopes


@frozen(kw_only=True)
class AccessToken:
    """A token of the service's own, as it is on record: without its secret. Times are UTC."""

    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None = field(default=None)
    revoked_at: datetime | None = field(default=None)

    def counts(self, now: datetime) -> bool:
        """Return whether the token is neither expired nor revoked."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def scopes_in(names: Collection[object]) -> frozenset[Scope]:
    """Return the scopes that are named; other names are other services'."""
    return frozenset(scope for scope in Scope if scope.value in names)
