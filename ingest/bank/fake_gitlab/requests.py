"""What was asked of the server: counted without end, and the last of it in detail."""

import asyncio
import time
from collections import Counter, deque
from typing import Final

from aiohttp import web
from attrs import define, field

#: How many requests are kept in detail.
DETAILS: Final = 10_000


@define(eq=False)
class Request:
    """One request; never its token."""

    method: str
    path: str
    query: str
    #: The method and the route's template, such as ``GET /projects/{id}``.
    kind: str
    #: When it came, by the event loop's clock.
    at: float = field(factory=time.monotonic)
    #: The answer's status; None as long as there is none, and where the connection was cut.
    status: int | None = None
    #: What was done to it on order.
    fault: str | None = None


class Requests:
    """The record of all requests, other than those of the server's own controls."""

    def __init__(self) -> None:
        self.total = 0
        self.kinds: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.faults: Counter[str] = Counter()
        #: How many wait for their answers.
        self.in_flight = 0
        #: The most that ever waited at once.
        self.most_in_flight = 0
        self.last: deque[Request] = deque(maxlen=DETAILS)
        self._came = asyncio.Event()

    def clear(self) -> None:
        """Count from nought again; what is in flight stays."""
        self.total = 0
        self.kinds.clear()
        self.statuses.clear()
        self.faults.clear()
        self.last.clear()
        self.most_in_flight = self.in_flight

    def begin(self, request: web.Request) -> Request:
        """Take note of a request that has come."""
        resource = request.match_info.route.resource
        template = resource.canonical if resource is not None else request.path
        one = Request(
            method=request.method,
            path=request.rel_url.raw_path,
            query=request.rel_url.raw_query_string,
            kind=f"{request.method} {template.removeprefix('/api/v4')}",
        )
        self.total += 1
        self.kinds[one.kind] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        self.last.append(one)
        self._came.set()
        return one

    def end(self, request: Request) -> None:
        """Take note of a request that was answered, or given up."""
        self.in_flight -= 1
        if request.status is not None:
            self.statuses[request.status] += 1
        if request.fault is not None:
            self.faults[request.fault] += 1

    async def reached(self, total: int) -> None:
        """Wait until so many requests have come."""
        while self.total < total:
            self._came.clear()
            await self._came.wait()
