"""Which names are items' in a bank that names its items by their ids, whatever it keeps them in."""

from collections.abc import Iterable

from ingest.model.item import ITEM_ID_MAX, Problem, ProblemKind


class Ignored:
    """What to pass over.

    Args:
        projects: Names of entries, whatever their case.
        items: Item ids.
    """

    def __init__(self, *, projects: Iterable[str], items: Iterable[int]) -> None:
        self._names = {name.casefold() for name in projects}
        self._keys = {str(item_id) for item_id in items}

    def passes(self, name: str, key: str) -> bool:
        """Return whether the entry of this name and key is not to be passed over."""
        return key not in self._keys and self._names.isdisjoint({name.casefold(), key.casefold()})


def is_key(key: str) -> bool:
    """Return whether a text is a number, and so may stand for an item."""
    return key.isascii() and key.isdigit()


def by_number(keys: Iterable[str]) -> list[str]:
    """Return keys by ascending number, without making numbers of them: they may be endless."""
    return sorted(keys, key=lambda key: (len(key), key))


def key_problem(key: str, name: str) -> Problem | None:
    """Say why the number of the entry *name* cannot be an item id; None if it can."""
    too_long = len(key) > len(str(ITEM_ID_MAX))
    if key.startswith("0") or too_long or int(key) > ITEM_ID_MAX:
        return Problem(
            ProblemKind.BAD_KEY,
            f"{name} cannot be an item id: ids are 1 to {ITEM_ID_MAX}, without leading zeros",
        )
    return None
