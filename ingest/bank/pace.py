"""How hard a job may press on the item bank."""

from typing import Final

from aiolimiter import AsyncLimiter

#: A paced slice holds what may be read in this time, so that progress stays even.
SLICE_S: Final = 0.05


class Pace:
    """Caps the documents read per second, with a burst of one second's worth at most.

    Args:
        items_per_second: The cap; None for none.
    """

    def __init__(self, items_per_second: float | None) -> None:
        self._limiter: AsyncLimiter | None = None
        #: The most that may be read at once; None for any number.
        self.at_once: int | None = None
        if items_per_second is not None:
            # Below one a second, one item's worth is the least that the bucket must hold.
            period_s = max(1.0, 1.0 / items_per_second)
            self._limiter = AsyncLimiter(max(1.0, items_per_second), period_s)
            self.at_once = max(1, int(items_per_second * SLICE_S))

    async def take(self, items: int) -> None:
        """Wait until this many items (at most `at_once`) may be read."""
        if self._limiter is not None:
            await self._limiter.acquire(items)
