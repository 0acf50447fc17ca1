"""The settings there are: their names, types, defaults and limits.

A value outside its limits is a ValueError that says what the value must be; its type is what
``ingest.settings.loading`` checks.
"""

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from attrs import Attribute, field, fields, frozen
from attrs.validators import optional

from ingest.model.item import ITEM_ID_MAX

LogFormat = Literal["auto", "console", "json"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

#: What a URL begins with; a single letter would be a Windows drive.
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")

#: SQLite counts milliseconds in 32 bits.
_BUSY_TIMEOUT_MAX_S = 2_147_483
_HOST = re.compile(r"[A-Za-z0-9._:%-]+")
_SQLITE = "sqlite:///"
_ONE_REPOSITORY = "git+file:"

_Validator = Callable[[Any, "Attribute[Any]", Any], None]


def _must(be: str, accepts: Callable[[Any], object]) -> _Validator:
    def validate(_: object, __: "Attribute[Any]", value: object) -> None:
        if not accepts(value):
            raise ValueError(f"must {be}")

    return validate


def _between(low: int, high: int) -> _Validator:
    return _must(f"be from {low} to {high}", lambda number: low <= number <= high)


_above_zero = _must("be a finite number above 0", lambda number: 0 < number < math.inf)
_not_negative = _must("be a finite number, 0 or above", lambda number: 0 <= number < math.inf)


def _can_be_a_path(text: str) -> bool:
    try:
        return bool(text.strip()) and b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


_path = _must("be a path that can exist", _can_be_a_path)


def _database_url(_: object, __: "Attribute[Any]", url: str) -> None:
    scheme = SCHEME.match(url)
    if scheme and scheme[1] != "sqlite":
        raise ValueError(
            f"{scheme[1]} is not supported by this version: give FILE or {_SQLITE}FILE"
        )
    file = url.removeprefix(_SQLITE)
    # Taken for file names, these would be a surprise to those who know them from SQLite.
    if file in ("", ":memory:") or (scheme and (file == url or "?" in file)):
        raise ValueError(f"must name a file, without options: give FILE or {_SQLITE}FILE")


def _bank_url(_: object, __: "Attribute[Any]", url: str) -> None:
    choice = f"DIR, a folder of git repositories, or {_ONE_REPOSITORY}DIR, one repository"
    if url.startswith(_ONE_REPOSITORY):
        directory = url.removeprefix(_ONE_REPOSITORY)
        # With two slashes a host would follow.
        if not directory.strip() or (directory[:2] == "//" and directory[:3] != "///"):
            raise ValueError(f"must name a local folder: give {choice}")
    elif scheme := SCHEME.match(url):
        raise ValueError(f"{scheme[1]} is not supported by this version: give {choice}")


def _casefolded(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name.casefold() for name in names)


@frozen(kw_only=True)
class ServerSettings:
    """Where the service listens, and how long it waits for jobs to wind down."""

    host: str = field(
        default="127.0.0.1",
        validator=_must("be a host name or an address, without a port", _HOST.fullmatch),
    )
    #: 0 takes any free port.
    port: int = field(default=9081, validator=_between(0, 65535))
    abandon_grace_s: float = field(default=20.0, validator=_above_zero)
    shutdown_grace_s: float = field(default=25.0, validator=_above_zero)


@frozen(kw_only=True)
class DatabaseSettings:
    """Where the database is, and how long to wait for it."""

    url: str = field(default="ingest.db", validator=[_path, _database_url])
    #: For another owner to let go of the database, at the start.
    wait_for_lock_s: float = field(default=0.0, validator=_not_negative)
    #: For another writer, at each transaction.
    busy_timeout_s: float = field(default=5.0, validator=_between(0, _BUSY_TIMEOUT_MAX_S))
    #: For a lock, a full disk or an I/O error to go away, before a job FAILS of it.
    retry_for_s: float = field(default=60.0, validator=_not_negative)

    @property
    def path(self) -> Path:
        """The database file, absolute and with symbolic links followed."""
        return Path(self.url.removeprefix(_SQLITE)).resolve()


@frozen(kw_only=True)
class BankSettings:
    """Where the item bank is, and what of it is read."""

    url: str = field(default="item-bank", validator=[_path, _bank_url])
    #: None reads as fast as the bank answers.
    max_items_per_second: float | None = field(default=None, validator=optional(_above_zero))
    #: Casefolded, whatever was given: compare with a casefolded name.
    ignore_projects: tuple[str, ...] = field(
        default=("itembankreports",),
        converter=_casefolded,
        validator=_must("hold no empty name", lambda names: all(map(str.strip, names))),
    )
    #: How many items a synchronization may delete, where its start does not say; None for the rule.
    allow_deletes: int | None = field(
        default=None, validator=optional(_must("be 0 or above", lambda number: number >= 0))
    )
    ignore_items: tuple[int, ...] = field(
        default=(),
        validator=_must(
            f"hold item ids, from 1 to {ITEM_ID_MAX}",
            lambda item_ids: all(1 <= item_id <= ITEM_ID_MAX for item_id in item_ids),
        ),
    )

    @property
    def is_one_repository(self) -> bool:
        """Whether the bank is one repository for all items, not a folder of repositories."""
        return self.url.startswith(_ONE_REPOSITORY)

    @property
    def path(self) -> Path:
        """The bank's folder."""
        return Path(self.url.removeprefix(_ONE_REPOSITORY))


@frozen(kw_only=True)
class LogSettings:
    """How the service logs."""

    #: "auto" is console on a terminal and JSON lines elsewhere.
    format: LogFormat = "auto"
    level: LogLevel = "INFO"


@frozen(kw_only=True)
class Settings:
    """Every setting of the service; built by hand, what is not given has its default."""

    server: ServerSettings = field(factory=ServerSettings)
    database: DatabaseSettings = field(factory=DatabaseSettings)
    bank: BankSettings = field(factory=BankSettings)
    log: LogSettings = field(factory=LogSettings)


def walk(settings: Settings) -> Iterator[tuple[str, "Attribute[Any]", Any]]:
    """Yield each setting's dotted key, its field and its value, in the order of the classes."""
    for section in fields(type(settings)):
        group = getattr(settings, section.name)
        for setting in fields(type(group)):
            yield f"{section.name}.{setting.name}", setting, getattr(group, setting.name)
