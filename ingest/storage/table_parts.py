"""What the tables are made of: their naming, their times, their keys."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Integer,
    MetaData,
    TypeDecorator,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


#: What a time that cannot be read is taken for: plainly absurd, and before any other.
UNREADABLE_TIME: Final = datetime.min.replace(tzinfo=UTC)

#: How long SQLAlchemy's own text of a time is.
_TEXT_CHARACTERS: Final = len("2020-01-31 23:59:59.123456")


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in Python, SQLAlchemy's own DateTime text in the database (so text order holds).

    Rows that somebody has edited by hand may hold other things. They are read as far as they can
    be, and never raise: one such row must not keep the service from starting.
    """

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Drop the zone, after converting to UTC."""
        del dialect
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any] | None:
        """Write SQLite's text at once: the general way costs a batch half of its time."""
        if dialect.name != "sqlite":
            return super().bind_processor(dialect)
        return _sqlite_text

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Put the zone back."""
        del dialect
        return None if value is None else value.replace(tzinfo=UTC)

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[Any], datetime | None] | None:
        """Read SQLite's text at once, and whatever else is there."""
        if dialect.name != "sqlite":
            return super().result_processor(dialect, coltype)
        return _read


def _read(value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        if len(value) == _TEXT_CHARACTERS:
            # With its zone read along: replacing it afterwards would cost ten times as much.
            return datetime.fromisoformat(value + "+00:00")
    except (TypeError, ValueError):
        pass
    return _read_odd(value)


def _read_odd(value: Any) -> datetime:
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        read = datetime.fromisoformat(value)
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return UNREADABLE_TIME


def _sqlite_text(value: datetime | None) -> str | None:
    # Just what SQLAlchemy's DateTime would write: 26 characters, without the zone.
    return None if value is None else value.astimezone(UTC).isoformat(" ", "microseconds")[:26]


def identity(name: str) -> Column[int]:
    """Return a primary key that the database counts up."""
    # SQLite counts up by itself only for a column declared exactly INTEGER PRIMARY KEY.
    return Column(name, BigInteger().with_variant(Integer, "sqlite"), primary_key=True)


def reference(name: str, target: str, *, cascade: bool = False, **options: Any) -> Column[int]:
    """Return a reference to another table's column; with *cascade* the row goes with that one."""
    rule = "CASCADE" if cascade else None
    return Column(name, BigInteger, ForeignKey(target, ondelete=rule), **options)


def count(name: str) -> Column[int]:
    """Return a column that counts something, from zero on."""
    return Column(name, BigInteger, nullable=False, server_default="0")


#: What a row of a job's execution is referred to by.
EXECUTION: Final = "batch_job_execution.job_execution_id"
