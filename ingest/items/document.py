"""From the bytes of an item.json to a document, and how to read one without tripping over it.

`parse` vouches for two things only: the document is the item's own, and of a known type. Any other
field may be absent or of any shape; the accessors here take that in their stride.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import orjson

from ingest.model.item import DOCUMENT_LIMIT_BYTES, ITEM_ID_MAX, ITEM_TYPES, Problem, ProblemKind

JsonObject = dict[str, Any]

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
#: No number that fits in 64 bits is longer, but for leading zeros.
_INTEGER_LENGTH = 40
_INTEGER_MIN, _INTEGER_MAX = -(2**63), 2**63 - 1
_SHOWN_LENGTH = 60


class DocumentError(Exception):
    """An item.json that cannot be ingested; it never leaves this package."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def parse(key: str, content: bytes) -> JsonObject:
    """Return the document of the item that the bank calls *key*.

    Raises:
        DocumentError: It is no item.json, or another item's, or of an unknown type.
    """
    if len(content) > DOCUMENT_LIMIT_BYTES:
        raise _error(
            ProblemKind.TOO_LARGE,
            f"item.json has {len(content):,} bytes, and at most {DOCUMENT_LIMIT_BYTES:,} are read: "
            "move what is embedded in it into files of their own",
        )
    if content.startswith(_LFS_POINTER):
        raise _error(
            ProblemKind.LFS_POINTER,
            "item.json is a pointer of Git LFS, not the document: "
            "take it out of LFS and commit the document itself",
        )
    if content.startswith(_BYTE_ORDER_MARK):
        raise _error(
            ProblemKind.BYTE_ORDER_MARK,
            "item.json begins with a byte order mark (EF BB BF): save it as UTF-8 without one",
        )
    document = _load(content)
    if not isinstance(document, dict):
        raise _error(
            ProblemKind.NOT_AN_OBJECT,
            f"item.json holds {shown(document)} where an object is due: put the item there",
        )
    _check_id(key, document)
    _check_type(document)
    return document


def id_of(document: JsonObject) -> int:
    """Return the id of a document that was parsed."""
    return int(document["id"])


def type_of(document: JsonObject) -> str:
    """Return the type of a document that was parsed."""
    return str(document["type"]).strip()


def lookup(document: object, path: str) -> Any:
    """Return what stands at a path such as ``core.metadata.subject``; None if nothing does."""
    return walk(document, path.split("."))


def walk(document: object, steps: Iterable[str]) -> Any:
    """Return what stands at the end of these steps; None if nothing does."""
    found: Any = document
    for step in steps:
        if not isinstance(found, dict):
            return None
        found = found.get(step)
    return found


def objects(value: object) -> list[JsonObject]:
    """Return the objects in a list; none if it is no list."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def english_of(document: JsonObject) -> object:
    """Return the English content, wherever a document of its age has it.

    The oldest documents have no languages, and their content directly under core.
    """
    english = lookup(document, "core.en")
    return english if isinstance(english, dict) and english else lookup(document, "core")


def as_text(value: object) -> str:
    """Return a scalar as text: strings as they are, numbers and booleans as JSON writes them.

    Blank strings, null, lists and objects are the empty text. NUL characters are left out: no
    text column of PostgreSQL takes them, and SQLite's functions stop at them. (Lone surrogates
    cannot occur: a document that holds one is not JSON to `parse`.)
    """
    if isinstance(value, str):
        text = value.replace("\0", "")
        return "" if text.isspace() else text
    if isinstance(value, (bool, int, float)):
        return orjson.dumps(value).decode()
    return ""


def as_integer(value: object) -> int | None:
    """Return a whole number of at most 64 bits, also out of a string; otherwise None."""
    number: int | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, float) and value.is_integer():
        number = int(value)
    elif isinstance(value, str):
        text = value.strip()
        number = _number(text.removeprefix("-").removeprefix("+"))
        if number is not None and text.startswith("-"):
            number = -number
    return number if number is not None and _INTEGER_MIN <= number <= _INTEGER_MAX else None


def as_boolean(value: object) -> bool:
    """Return whether a flag is set: true, or as old documents have it, "true" or "Yes"."""
    return value is True or (isinstance(value, str) and value.strip().lower() in {"true", "yes"})


def as_timestamp(value: object) -> datetime | None:
    """Return an ISO-8601 date or time as aware UTC, which it is where it does not say; or None."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip().upper())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def shown(value: object) -> str:
    """Return a value as a message may quote it: short, and without control characters."""
    if isinstance(value, str):
        return repr(value if len(value) <= _SHOWN_LENGTH else value[:_SHOWN_LENGTH] + "…")
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "an object"
    return orjson.dumps(value).decode()


def _error(kind: ProblemKind, message: str) -> DocumentError:
    return DocumentError(Problem(kind, message))


def _load(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        not_json = error
    # orjson calls both faults by one name; the bytes tell which it was.
    try:
        content.decode()
    except UnicodeDecodeError as error:
        raise _error(
            ProblemKind.NOT_UTF8,
            f"item.json is not UTF-8: byte 0x{content[error.start]:02X} at offset {error.start} "
            "belongs to no character: save it as UTF-8",
        ) from None
    raise _error(
        ProblemKind.NOT_JSON,
        f"item.json is not JSON: line {not_json.lineno}, column {not_json.colno}: "
        f"{not_json.msg}: correct it there",
    )


def _check_id(key: str, document: JsonObject) -> None:
    value = document.get("id")
    number = _number(value.strip()) if isinstance(value, str) else value
    if "id" not in document:
        fault = "item.json has no id"
    elif not isinstance(number, int) or isinstance(number, bool):
        fault = f"id is {shown(value)}, which is no whole number"
    elif not 0 < number <= ITEM_ID_MAX:
        fault = f"id is {shown(value)}, which is not between 1 and {ITEM_ID_MAX}"
    elif str(number) != key:
        fault = f"id is {shown(value)}, but the repository is that of item {shown(key)}"
    else:
        return
    raise _error(
        ProblemKind.WRONG_ID, f"{fault}: give the two the same number, without leading zeros"
    )


def _check_type(document: JsonObject) -> None:
    value = document.get("type")
    if not isinstance(value, str) or value.strip() not in ITEM_TYPES:
        fault = f"type is {shown(value)}" if "type" in document else "item.json has no type"
        raise _error(
            ProblemKind.UNKNOWN_TYPE, f"{fault}: make it one of {', '.join(sorted(ITEM_TYPES))}"
        )


def _number(digits: str) -> int | None:
    # int() takes more than digits, and raises on more than 4300 of them.
    if len(digits) <= _INTEGER_LENGTH and digits.isascii() and digits.isdigit():
        return int(digits)
    return None
