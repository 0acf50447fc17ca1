"""Which commits touched which items' folders: for very many of both, in little memory."""

from collections.abc import Callable
from struct import Struct
from typing import Final

from attrs import frozen

from ingest.bank.names import is_key, key_problem

#: Position, commit, and folder of a touch; an item's touches lie one behind the other.
_TOUCH: Final = Struct(">i20s20s")
_GONE: Final = bytes(20)


@frozen
class Touch:
    """A commit that changed an item's folder."""

    commit: bytes
    #: The folder as it was then; None where the commit took it away.
    folder: bytes | None


class Touches:
    """Touches by item: 44 bytes each, and about 200 an item.

    The commits are known by their positions too: a commit's is one above its first parent's.
    """

    def __init__(self) -> None:
        self._packed: dict[int, bytearray] = {}

    def count(self, key: str) -> int:
        """Return how many touches of an item there are."""
        return len(self._of(key)) // _TOUCH.size

    def of(self, key: str) -> list[Touch]:
        """Return the touches of an item, oldest first."""
        return [
            Touch(commit, None if folder == _GONE else folder)
            for _, commit, folder in _TOUCH.iter_unpack(self._of(key))
        ]

    def add_older(self, key: str, position: int, touch: Touch) -> None:
        """Put a touch before all others of the item, if the key is an item id at all."""
        if _is_id(key):
            packed = self._packed.setdefault(int(key), bytearray())
            packed[:0] = _TOUCH.pack(position, touch.commit, touch.folder or _GONE)

    def add_newer(self, newer: "Touches", shift: int) -> None:
        """Put all of *newer* behind these, their positions raised by *shift*."""
        for key, packed in newer._packed.items():  # noqa: SLF001 - another one of this class
            moved = [
                _TOUCH.pack(position + shift, commit, folder)
                for position, commit, folder in _TOUCH.iter_unpack(packed)
            ]
            self._packed.setdefault(key, bytearray()).extend(b"".join(moved))

    def commits(self, check: Callable[[], None]) -> set[bytes]:
        """Return all commits that touched anything."""
        found: set[bytes] = set()
        for packed in self._packed.values():
            check()
            found.update(commit for _, commit, _ in _TOUCH.iter_unpack(packed))
        return found

    def position(self, commit: bytes, check: Callable[[], None]) -> int:
        """Return the position of a commit that touched something."""
        for packed in self._packed.values():
            check()
            for position, found, _ in _TOUCH.iter_unpack(packed) if commit in packed else ():
                if found == commit:
                    return int(position)
        raise ValueError(f"{commit.hex()} touched nothing")

    def up_to(self, position: int, check: Callable[[], None]) -> "Touches":
        """Return a copy without what is above this position."""
        kept = Touches()
        for key, packed in self._packed.items():
            check()
            end = len(packed)
            while end and _TOUCH.unpack_from(packed, end - _TOUCH.size)[0] > position:
                end -= _TOUCH.size
            if end:
                kept._packed[key] = packed[:end]
        return kept

    def _of(self, key: str) -> bytes | bytearray:
        return self._packed.get(int(key), b"") if _is_id(key) else b""


def _is_id(key: str) -> bool:
    return is_key(key) and key_problem(key, key) is None
