"""The rows of the tokens, and databases that are opened beside a service."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from ingest.errors import DatabaseInUseError
from ingest.model.access import AccessToken, Scope
from ingest.storage.beside import open_beside
from ingest.storage.database import Database
from ingest.storage.lock import DatabaseLock
from ingest.storage.schema import is_newest
from ingest.storage.tokens import TokenStore
from tests.support.old_databases import make_database

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def token(name: str, *, expires_at: datetime | None = None) -> AccessToken:
    """Return a token to be recorded."""
    return AccessToken(
        name=name, scopes=frozenset({Scope.READ}), created_at=NOW, expires_at=expires_at
    )


async def test_a_token_is_found_by_its_hash_alone(database: Database) -> None:
    """What was recorded comes back, but for the hash."""
    store = TokenStore(database)
    made = AccessToken(name="a", scopes=frozenset(Scope), created_at=NOW, expires_at=NOW + HOUR)
    assert await store.add(made, hashed="aa")
    assert await store.add(token("b"), hashed="bb")
    assert await store.by_hash("aa") == made
    assert await store.by_hash("AA") is None
    assert await store.by_hash("a") is None
    assert await store.all() == [made, token("b")]


async def test_a_name_is_given_once(database: Database) -> None:
    """A second token of a name is not recorded, not after the first was revoked either."""
    store = TokenStore(database)
    assert await store.add(token("a"), hashed="1")
    assert not await store.add(token("a"), hashed="2")
    await store.revoke("a")
    assert not await store.add(token("a"), hashed="3")
    assert await store.by_hash("2") is None
    with pytest.raises(IntegrityError):
        await store.add(token("b"), hashed="1")


async def test_revoking(database: Database) -> None:
    """The first word counts: the time of a revocation stays; of an unknown name nothing happens."""
    store = TokenStore(database)
    await store.add(token("a"), hashed="1")
    first = await store.revoke("a")
    assert first is not None
    assert first.revoked_at is not None
    assert not first.counts(NOW)
    assert await store.revoke("a") == first
    assert await store.revoke("b") is None


@pytest.mark.parametrize(
    ("expires_at", "counts"), [(None, True), (NOW + HOUR, True), (NOW, False), (NOW - HOUR, False)]
)
async def test_a_token_counts_until_it_expires(
    database: Database, expires_at: datetime | None, *, counts: bool
) -> None:
    """At the moment of its expiry it counts no more."""
    store = TokenStore(database)
    assert not await store.any_counts(NOW)
    one = token("a", expires_at=expires_at)
    await store.add(one, hashed="1")
    assert one.counts(NOW) is counts
    assert await store.any_counts(NOW) is counts
    await store.revoke("a")
    assert not await store.any_counts(NOW)


async def test_beside_a_service_nothing_but_rows_is_touched(empty_database: Path) -> None:
    """A database of the newest version is opened while another owns it."""
    lock = DatabaseLock(empty_database)
    await lock.acquire()
    try:
        async with open_beside(empty_database, busy_timeout_s=1.0) as database:
            assert await TokenStore(database).all() == []
    finally:
        lock.release()


@pytest.mark.parametrize("version", [None, "0001", "0004"])
async def test_an_earlier_version_is_brought_up(tmp_path: Path, version: str | None) -> None:
    """A database that is not there, or of an earlier version, is made or upgraded first."""
    path = tmp_path / "ingest.db"
    if version is not None:
        await asyncio.to_thread(make_database, path, version)
    async with open_beside(path, busy_timeout_s=1.0) as database:
        assert await is_newest(database)
        assert await TokenStore(database).add(token("a"), hashed="1")


async def test_an_earlier_version_that_is_in_use_is_left_alone(tmp_path: Path) -> None:
    """While a service of an earlier version runs, its database is not upgraded under it."""
    path = tmp_path / "ingest.db"
    await asyncio.to_thread(make_database, path, "0004")
    lock = DatabaseLock(path)
    await lock.acquire()
    try:
        with pytest.raises(DatabaseInUseError):
            async with open_beside(path, busy_timeout_s=1.0):
                pass
    finally:
        lock.release()
