"""Which release this is, and which commit it was built from."""

import json
from importlib.metadata import version
from importlib.resources import files
from typing import Final

#: ``scripts/build`` puts it into the executable; nothing else has it.
_BUILD: Final = "build.json"


def number() -> str:
    """Return the version, such as ``0.1.0``."""
    return version("item-ingest-service")


def commit() -> str | None:
    """Return the commit that the executable was built from; None where it runs from its source.

    It ends with ``+`` where the files were not those of the commit.
    """
    try:
        text = files("ingest").joinpath(_BUILD).read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    found: str | None = json.loads(text)["commit"]
    return found


def words() -> str:
    """Return both, as people read them."""
    built_from = commit()
    return number() if built_from is None else f"{number()} (commit {built_from})"
