"""The limit of requests in a minute, and the headers that tell of it."""

import math
import time
from collections.abc import Callable
from typing import Final

from aiohttp import web

#: Without a limit of their own, the headers tell one that nobody reaches.
NO_LIMIT: Final = 10_000_000


class RateLimit:
    """Counts requests by token in windows that begin with each full minute.

    Args:
        per_window: How many are answered in a window.
        window_s: How long a window is.
        clock: Seconds since 1970.
    """

    def __init__(
        self,
        per_window: int = NO_LIMIT,
        *,
        window_s: float = 60.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.per_window = per_window
        self.window_s = window_s
        self._clock = clock
        self._window = 0
        self._observed: dict[str, int] = {}

    def count(self, who: str) -> tuple[dict[str, str], web.Response | None]:
        """Count a request; return the headers of its answer, and a refusal if it is one too many.

        What is refused counts too.
        """
        now = self._clock()
        window = int(now // self.window_s)
        if window != self._window:
            self._window, self._observed = window, {}
        observed = self._observed[who] = self._observed.get(who, 0) + 1
        ends_at = (window + 1) * self.window_s
        headers = {
            "RateLimit-Limit": str(self.per_window),
            "RateLimit-Name": "throttle_authenticated_api",
            "RateLimit-Observed": str(observed),
            "RateLimit-Remaining": str(max(self.per_window - observed, 0)),
            "RateLimit-Reset": str(int(ends_at)),
        }
        if observed <= self.per_window:
            return headers, None
        headers["Retry-After"] = str(max(math.ceil(ends_at - now), 1))
        refusal = web.Response(text="Retry later\n", status=429, content_type="text/plain")
        return headers, refusal
