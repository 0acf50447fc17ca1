"""A text that must not be seen: a token, a password."""

from typing import NoReturn


class Secret:
    """Hides its text from logs, errors, reprs and copies; only `reveal` gives it away."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text, for whom it is meant and for nobody else."""
        return self._text

    def hide_in(self, text: str) -> str:
        """Return *text* with the secret made unreadable, where somebody has sent it back."""
        return text.replace(self._text, "***")

    def __repr__(self) -> str:
        return "***"

    def __format__(self, _spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not to be copied out of its process")
