"""The tokens that callers show, by the hashes of their secrets."""

from datetime import datetime

from sqlalchemy import Connection, insert, or_, select, update

from ingest.model.access import AccessToken, scopes_in
from ingest.storage.database import AnyRow, Transactions
from ingest.storage.tables import access_token
from ingest.storage.transitions import utc_now

_COLUMNS = tuple(column for column in access_token.c if column.name != "hash")


class TokenStore:
    """The rows of the tokens. A hash goes in and is looked for; none ever comes out."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def add(self, token: AccessToken, *, hashed: str) -> bool:
        """Record a token; return whether its name was free. Revoked ones keep theirs."""
        query = select(access_token.c.name).where(access_token.c.name == token.name)
        row = {
            "name": token.name,
            "hash": hashed,
            "scopes": " ".join(sorted(token.scopes)),
            "created_at": token.created_at,
            "expires_at": token.expires_at,
            "revoked_at": token.revoked_at,
        }

        def record(connection: Connection) -> bool:
            is_free = connection.execute(query).first() is None
            if is_free:
                connection.execute(insert(access_token), row)
            return is_free

        return await self._database.write(record)

    async def revoke(self, name: str) -> AccessToken | None:
        """Let a token count no more; return its row, None if there is none of this name.

        One that is revoked already stays revoked since then.
        """
        is_it = access_token.c.name == name
        statement = update(access_token).where(is_it, access_token.c.revoked_at.is_(None))
        statement = statement.values(revoked_at=utc_now())
        query = select(*_COLUMNS).where(is_it)

        def record(connection: Connection) -> AnyRow | None:
            connection.execute(statement)
            return connection.execute(query).first()

        row = await self._database.write(record)
        return None if row is None else _token(row)

    async def all(self) -> list[AccessToken]:
        """Return every token there is or was, by name."""
        query = select(*_COLUMNS).order_by(access_token.c.name)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [_token(row) for row in rows]

    async def by_hash(self, hashed: str) -> AccessToken | None:
        """Return the token whose secret has this hash, whether or not it still counts."""
        query = select(*_COLUMNS).where(access_token.c.hash == hashed)
        row = await self._database.read(lambda connection: connection.execute(query).first())
        return None if row is None else _token(row)

    async def any_counts(self, now: datetime) -> bool:
        """Return whether there is a token that is neither expired nor revoked."""
        lasts = or_(access_token.c.expires_at.is_(None), access_token.c.expires_at > now)
        query = select(access_token.c.name).where(access_token.c.revoked_at.is_(None), lasts)
        row = await self._database.read(
            lambda connection: connection.execute(query.limit(1)).first()
        )
        return row is not None


def _token(row: AnyRow) -> AccessToken:
    return AccessToken(
        name=row.name,
        scopes=scopes_in(row.scopes.split()),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
