"""Which points a test goes through, and the lines that it tells of them in the end."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Coroutine, Iterator
from itertools import count
from typing import Any, Final, TypeVar

import pytest
from attrs import define, field

T = TypeVar("T")

#: Set to a number: go through each n-th point instead of each that a test has chosen; 1 for all.
STRIDE_VARIABLE: Final = "PROJECT_POINTS_STRIDE"

#: So many violations are shown; the others are most likely of the same kind.
SHOWN: Final = 25

#: After so many runs that broke off there is no use in going on.
BROKEN_MAX: Final = 10

#: A test of an enumeration may take so long, when it goes through all points.
LONG_S: Final = 900


def stride(default: int) -> int:
    """Return at every how-manieth point a run is to be interrupted."""
    return int(os.environ.get(STRIDE_VARIABLE) or default)


@define
class Enumeration:
    """The points of one kind, as far as they are gone through, and what was seen there.

    Args:
        title: What is enumerated.
        every: Only each so-manieth point is gone through.
    """

    title: str
    every: int
    runs: int = 0
    statuses: Counter[str] = field(factory=Counter)
    wrong: list[str] = field(factory=list)
    broken: int = 0
    began: float = field(factory=time.monotonic)

    def numbers(self) -> Iterator[int]:
        """Yield the points' numbers without an end: there is one when a run comes to no such."""
        # Which points a stride passes over differs from title to title.
        return count(1 + sum(map(ord, self.title)) % self.every, self.every)

    def attempt(self, at: str, run: Coroutine[Any, Any, T]) -> T | None:
        """Do one run, from its event loop to its end; None where it broke off with an error."""
        try:
            return asyncio.run(run)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is told
            self.note(at, "broken off", [f"broken off: {error!r}"])
        self.broken += 1
        if self.broken >= BROKEN_MAX:
            self.judge()
        return None

    def note(self, at: str, status: str | None, wrong: list[str]) -> None:
        """Take in what one run showed."""
        self.runs += 1
        self.statuses[status or "no execution"] += 1
        self.wrong += [f"{self.title}, {at}: {one}" for one in wrong]

    def summary(self, points: int) -> str:
        """Return the line to tell; *points* is how many there are."""
        ends = ", ".join(f"{number} {status}" for status, number in sorted(self.statuses.items()))
        every = "all" if self.every == 1 else f"every {self.every}th"
        took_s = time.monotonic() - self.began
        return (
            f"{self.title}: {points} points, {every} gone through in {self.runs} runs "
            f"({ends}), {len(self.wrong)} violations, {took_s:.1f} s"
        )

    def judge(self) -> None:
        """Fail the test, with the violations as its message, if there are any."""
        more = len(self.wrong) - SHOWN
        rest = [f"and {more} more"] if more > 0 else []
        if self.wrong:
            pytest.fail("\n".join([*self.wrong[:SHOWN], *rest]), pytrace=False)
