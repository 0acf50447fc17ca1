"""How asking GitLab can fail. No message of these holds the token, nor does anything they carry.

aiohttp's own errors carry the request's headers, which logs and reprs show: none of them leaves
the client.
"""

from typing import Final


class AskError(Exception):
    """An answer cannot be had. The message says what was asked and what came."""


class TryAgainError(AskError):
    """It may well be had at the next try: no answer, an overload, half an answer.

    Attributes:
        after_s: When, as GitLab itself says; None where it does not.
        is_counted: Tells the log that the execution counts what is tried again.
    """

    is_counted: Final = True

    def __init__(self, message: str, *, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


class RefusedError(AskError):
    """GitLab does not do it: forbidden, not there, or not understood.

    Attributes:
        status: The HTTP status.
    """

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class NoGraphqlError(AskError):
    """This GitLab does not serve what is asked for by GraphQL."""


class GaveUpError(AskError):
    """So many requests have failed one after the other that it is no use to go on."""
