"""How what was configured is named in a message: on one line, and without secrets."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

from ingest.settings.validators import SCHEME

_URL_SECRETS = re.compile(r"(?<=:)/{0,2}[^/].*(?=@)|(?<=\?).*", re.DOTALL)
_SHOWN_LENGTH = 200


def shown(value: object) -> str:
    """Return a value for a message: on one line, not too long, a URL without its secrets."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, str) and SCHEME.match(value):
        value = _URL_SECRETS.sub("***", value)
    try:
        text = repr(list(value) if isinstance(value, tuple) else value)
    except ValueError:
        return "a number of thousands of digits"
    return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}…"


def reason(error: Exception) -> str:
    """Return what the system or a parser says is wrong, on one line."""
    return " ".join(str(getattr(error, "strerror", None) or error).split())


def printable(text: str) -> str:
    """Return a name as it is, or quoted and escaped if it would not fit on a line."""
    return text if text.isprintable() else repr(text)


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the way out of an unknown name: those it is close to, or all there are."""
    candidates = sorted(known)
    stems = get_close_matches(_stem(name), map(_stem, candidates), n=1)
    close = [candidate for candidate in candidates if _stem(candidate) in stems]
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"take it out; there are {', '.join(candidates)}"


def _stem(name: str) -> str:
    # What names have in common would make any two of them close.
    return name.removeprefix("INGEST_").rpartition(".")[2].casefold()
