"""Waiting for what can only be looked at."""

import time
from collections.abc import Callable
from typing import Final

#: What has not come about by then will not come about.
WITHIN_S: Final = 60.0

_LOOK_EVERY_S: Final = 0.005


def until(
    condition: Callable[[], bool],
    what: str,
    *,
    within_s: float = WITHIN_S,
    look_every_s: float = _LOOK_EVERY_S,
) -> None:
    """Wait until a condition holds.

    Raises:
        RuntimeError: It does not in time; *what* says what was waited for.
    """
    end = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"not within {within_s:g} s: {what}")
        time.sleep(look_every_s)
