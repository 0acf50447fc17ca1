"""Which names are items' in a bank that names its items by their ids, whatever it keeps them in."""

from collections.abc import Callable, Iterable

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


def by_number(names: Iterable[str], *, key_of: Callable[[str], str] = str) -> list[str]:
    """Return names, each of which begins with its key, by the keys' ascending number.

    Without making numbers of the keys, which may be endless. Names of one key stand together.
    """
    # Sorting is stable; sorting once, by length and name, would need a tuple a name.
    return sorted(sorted(names), key=lambda name: len(key_of(name)))


def key_problem(key: str, name: str) -> Problem | None:
    """Say why the number of the entry *name* cannot be an item id; None if it can."""
    too_long = len(key) > len(str(ITEM_ID_MAX))
    if key.startswith("0") or too_long or int(key) > ITEM_ID_MAX:
        return Problem(
            ProblemKind.BAD_KEY,
            f"{name} cannot be an item id: ids are 1 to {ITEM_ID_MAX}, without leading zeros",
        )
    return None
