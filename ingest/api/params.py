"""What callers write, read strictly: every refusal names the thing, the value and the way out."""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final, TypeVar

from aiohttp import web

from ingest.api.keys import CALLER
from ingest.errors import InvalidValueError
from ingest.model.item import ITEM_ID_MAX
from ingest.model.job import Ask

E = TypeVar("E", bound=StrEnum)

INTEGER_MIN: Final = -(2**63)
INTEGER_MAX: Final = 2**63 - 1

#: The longest page, and the usual one.
LIMIT_MAX: Final = 1000
LIMIT_DEFAULT: Final = 100

#: As much of a value or a reason is kept; more is no reason any more.
REASON_MAX_CHARACTERS: Final = 1000
_SHOWN_CHARACTERS: Final = 60

_INTEGER: Final = re.compile(r"-?[0-9]+", re.ASCII)
_WAIT: Final = re.compile(r'\s*wait\s*=\s*"?([0-9]{1,9})"?\s*(?:;.*)?', re.ASCII | re.IGNORECASE)


def shown(value: str) -> str:
    """Return a caller's value as a message can hold it: on one line, printable, not too long."""
    cut = value if len(value) <= _SHOWN_CHARACTERS else value[:_SHOWN_CHARACTERS] + "…"
    return ascii(cut) if any(not character.isprintable() for character in cut) else repr(cut)


def integer(text: str, name: str, *, low: int = INTEGER_MIN, high: int = INTEGER_MAX) -> int:
    """Return the integer that *text* is.

    Raises:
        InvalidValueError: It is none: ASCII digits with an optional minus, from *low* to *high*.
    """
    # Without its leading zeros, and compared by length first: Python refuses to parse thousands of
    # digits, and zeros are digits to it.
    digits = text.lstrip("-").lstrip("0")
    if _INTEGER.fullmatch(text) and len(digits) <= len(str(INTEGER_MAX)):
        value = int(f"-{digits}" if digits and text.startswith("-") else digits or "0")
        if low <= value <= high:
            return value
    raise InvalidValueError(f"{name} must be an integer from {low} to {high}, not {shown(text)}")


def path_integer(request: web.Request, key: str, name: str) -> int:
    """Return a path segment as an integer of 64 bits.

    Raises:
        InvalidValueError: It is none.
    """
    return integer(request.match_info[key], name)


def item_id(request: web.Request) -> int:
    """Return the item id in the path.

    Raises:
        InvalidValueError: It is none.
    """
    text = request.match_info["item_id"]
    value = integer(text, "Item id", low=1, high=ITEM_ID_MAX)
    if str(value) != text:
        raise InvalidValueError(f"Item id must be written without leading zeros, not {shown(text)}")
    return value


def only(request: web.Request, names: Iterable[str]) -> None:
    """Refuse query parameters that mean nothing here, so that a slip of the pen is not ignored.

    Raises:
        InvalidValueError: There is one, or one is given twice.
    """
    known = list(names)
    for name in request.query:
        if name not in known:
            choice = f"there are {', '.join(known)}" if known else "there are none"
            raise InvalidValueError(f"Unknown query parameter {shown(name)}; {choice}")
        if len(request.query.getall(name)) > 1:
            raise InvalidValueError(f"Query parameter {name} is given more than once")


def query_integer(
    request: web.Request, name: str, *, low: int = INTEGER_MIN, high: int = INTEGER_MAX
) -> int | None:
    """Return a query parameter as an integer, None where it is not given.

    Raises:
        InvalidValueError: It is no integer from *low* to *high*.
    """
    text = request.query.get(name)
    return None if text is None else integer(text, f"Query parameter {name}", low=low, high=high)


def query_boolean(request: web.Request, name: str) -> bool:
    """Return a query parameter as a truth value, False where it is not given.

    Raises:
        InvalidValueError: It is neither true nor false.
    """
    text = request.query.get(name, "false")
    if text not in ("true", "false"):
        raise InvalidValueError(f"Query parameter {name} must be true or false, not {shown(text)}")
    return text == "true"


def query_choice(request: web.Request, name: str, choices: type[E]) -> E | None:
    """Return a query parameter as one of *choices*, None where it is not given.

    Raises:
        InvalidValueError: It is none of them.
    """
    text = request.query.get(name)
    if text is None:
        return None
    try:
        return choices(text)
    except ValueError:
        names = ", ".join(choices)
        raise InvalidValueError(
            f"Query parameter {name} must be one of {names}, not {shown(text)}"
        ) from None


def limit(request: web.Request) -> int:
    """Return how many rows the caller wants on a page.

    Raises:
        InvalidValueError: Not from 1 to the longest page there is.
    """
    return query_integer(request, "limit", low=1, high=LIMIT_MAX) or LIMIT_DEFAULT


def ask(request: web.Request) -> Ask:
    """Return who asks, by the name of their token if they show one, and why if they say so.

    Raises:
        InvalidValueError: The reason is too long.
    """
    reason = request.query.get("reason")
    if reason is not None and len(reason) > REASON_MAX_CHARACTERS:
        raise InvalidValueError(
            f"Query parameter reason has {len(reason)} characters, "
            f"more than the {REASON_MAX_CHARACTERS} that are kept"
        )
    # It ends up in messages of one line, which terminals and sqlite3 show.
    printable = "".join(c if c.isprintable() else " " for c in reason or "")
    caller, address = request.get(CALLER), request.remote or "unknown"
    by = address if caller is None else f"{caller.name} ({address})"
    return Ask(by, " ".join(printable.split()) or None)


def preferred_wait_s(request: web.Request) -> int | None:
    """Return the ``wait`` of the Prefer header (RFC 7240); an invalid one is ignored."""
    for header in request.headers.getall("Prefer", ()):
        for preference in header.split(","):
            if preference.partition("=")[0].strip().lower() == "wait":
                match = _WAIT.fullmatch(preference)
                return None if match is None else int(match[1])
    return None
