"""The schema's version: bring a database up to it, or say why not."""

from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import Connection, inspect, text

from ingest.errors import DatabaseVersionError
from ingest.storage.database import Database
from ingest.storage.lock import DatabaseLock

_log = structlog.get_logger(__name__)

#: The newest version there is in ``migrations/versions``. Named here as well, so that a start
#: with an up-to-date database need not import Alembic (0.75 s).
NEWEST: Final = "0006"


async def upgrade(database: Database) -> str | None:
    """Make the tables, or bring them to the newest version. Only for the database's owner.

    Returns:
        The version it was of before; None for a new one.

    Raises:
        DatabaseVersionError: The database is of a newer version, or not one of ours.
        DatabaseUnavailableError: It cannot be read or written.
    """
    # Only read yet: a file of somebody else's must be refused as it was found.
    version = await database.read(_version)
    if version == NEWEST:
        return version
    if version is not None and version > NEWEST:
        raise DatabaseVersionError(
            f"The database {database.path} was made by a newer version of the service (its schema "
            f"is {version}, and this program's {NEWEST}): run that version, or name another file"
        )
    _log.info("upgrading the database", version=version, to=NEWEST)
    await database.write(lambda connection: _migrate(connection, database))
    return version


async def upgrade_file(path: Path, *, busy_timeout_s: float) -> str | None:
    """Bring the database at *path* to the newest version; return the one it was of.

    Raises:
        DatabaseInUseError: A service has it.
        DatabaseVersionError: See `upgrade`.
        DatabaseUnavailableError: See `upgrade`.
    """
    lock = DatabaseLock(path)
    await lock.acquire()
    try:
        database = Database(path, busy_timeout_s=busy_timeout_s)
        try:
            return await upgrade(database)
        finally:
            await database.close()
    finally:
        lock.release()


async def is_newest(database: Database) -> bool:
    """Return whether a database is of the newest version; only reads.

    Raises:
        DatabaseVersionError: It is not one of ours.
        DatabaseUnavailableError: It cannot be read.
    """
    return await database.read(_version) == NEWEST


def _version(connection: Connection) -> str | None:
    tables = set(inspect(connection).get_table_names())
    if not tables:
        return None
    if "alembic_version" not in tables:
        raise DatabaseVersionError(
            f"The database holds tables of something else ({', '.join(sorted(tables)[:3])}): "
            "name another file"
        )
    version: str | None = connection.execute(
        text("SELECT version_num FROM alembic_version")
    ).scalar()
    return version


def _migrate(connection: Connection, database: Database) -> None:
    # Here and not above: see NEWEST.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "ingest.storage:migrations")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise DatabaseVersionError(
            f"The database {database.path} is of no version that this program knows ({error}): "
            "run the version of the service that made it, or name another file"
        ) from error
