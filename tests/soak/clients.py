"""The clients: they ask for things at random, hang up at times, and keep a record of it all."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout
from attrs import define, field

from tests.soak.phases import Mix

#: An answer that has not come by then will not come.
ANSWER_WITHIN_S: Final = 20.0

JOBS: Final = {"/sync": 1, "/migrate": 2}


@define(eq=False, kw_only=True)
class Exchange:
    """A request, and what came of it. Times are of the machine's monotonic clock."""

    client: str
    method: str
    path: str
    headers: dict[str, str]
    sent: float
    #: The same by the wall clock, for the comparison with rows.
    sent_at: datetime
    answered: float | None = None
    status: int | None = None
    body: str = ""
    location: str | None = None
    #: Why there is no answer.
    failure: str | None = None

    @property
    def route(self) -> str:
        """The path without what differs from request to request."""
        path = self.path.partition("?")[0]
        parts = ["{}" if part.isdigit() else part for part in path.split("/")]
        return f"{self.method} {'/'.join(parts)}"

    @property
    def is_start(self) -> bool:
        """Whether it asked for a job to be started."""
        return self.route in ("POST /sync", "POST /migrate")

    @property
    def is_abandon(self) -> bool:
        """Whether it asked for a job to be abandoned."""
        return self.route == "PUT /abandon/{}"

    @property
    def document(self) -> dict[str, Any]:
        """The answer's JSON; empty where it has none."""
        return orjson.loads(self.body) if self.body.startswith("{") else {}

    @property
    def kind(self) -> str:
        """What it came to, for the histogram."""
        what = self.route.replace("/abandon/{}", "/abandon")
        if self.status is None:
            return f"{what}: {self.failure}"
        said = self.document.get("status") if self.is_abandon else None
        return f"{what}: {self.status}{f' {said}' if said else ''}"


#: Is told of every answer at once, before its client goes on.
Heard = Callable[[Exchange], None]


@define(eq=False, kw_only=True)
class Crowd:
    """Several clients of one process, and their common record."""

    session: ClientSession
    heard: Heard
    keys: list[str]
    mix: Mix
    #: Is told of every request in the moment before it is sent.
    sent: Heard = field(default=lambda _: None)
    record: list[Exchange] = field(factory=list)
    #: The execution last started, for those who name one.
    last_started: int = 1
    #: Set when nobody is to begin anything any more.
    over: asyncio.Event = field(factory=asyncio.Event)

    async def ask(
        self,
        client: str,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        hang_up_after_s: float | None = None,
    ) -> Exchange:
        """Send a request; return it with its answer, or with the reason why there is none."""
        exchange = Exchange(
            client=client,
            method=method,
            path=path,
            headers=headers or {},
            sent=time.monotonic(),
            sent_at=datetime.now(UTC),
        )
        self.record.append(exchange)
        self.sent(exchange)
        try:
            async with asyncio.timeout(hang_up_after_s):
                async with self.session.request(method, path, headers=headers) as response:
                    exchange.body = (await response.read()).decode()
                    exchange.location = response.headers.get("Location")
                    exchange.status = response.status
        except TimeoutError:
            hung_up = hang_up_after_s is not None
            exchange.failure = "hung up" if hung_up else "no answer in time"
        except (ClientError, OSError):
            exchange.failure = "connection lost"
        else:
            exchange.answered = time.monotonic()
            if exchange.is_start and exchange.status == 200:
                self.last_started = exchange.document["jobExecutionId"]
            self.heard(exchange)
        return exchange

    async def live(self, name: str, rng: Random) -> None:
        """Ask for one thing after the other, until it is over or nobody answers."""
        mix = self.mix
        acts: list[tuple[Callable[[str, Random, float | None], Awaitable[Exchange]], int]] = [
            (self._start, mix.start),
            (self._abandon, mix.abandon),
            (self._look, mix.look),
            (self._single, mix.single),
        ]
        while not self.over.is_set():
            act = rng.choices([one for one, _ in acts], [weight for _, weight in acts])[0]
            impatient = rng.randrange(100) < mix.hang_up_percent
            done = await act(name, rng, rng.uniform(0.0, 0.03) if impatient else None)
            if done.failure == "connection lost":
                return
            if rng.randrange(3):
                await asyncio.sleep(rng.uniform(0.0, 0.04))

    async def _start(self, name: str, rng: Random, hang_up_after_s: float | None) -> Exchange:
        path = rng.choice(("/sync", "/sync", "/migrate"))
        options = ["?reason=soak", "", ""]
        options.append("?source=stored" if path == "/migrate" else "?dry-run=true")
        path += rng.choice(options)
        return await self.ask(name, "POST", path, hang_up_after_s=hang_up_after_s)

    async def _abandon(self, name: str, rng: Random, hang_up_after_s: float | None) -> Exchange:
        path = f"/abandon/{rng.choice((1, 1, 2))}"
        if rng.randrange(4) == 0:
            path += f"?execution={self.last_started}"
        elif rng.randrange(4) == 0:
            path += "?reason=enough"
        headers = None
        if rng.randrange(100) < self.mix.no_wait_percent:
            headers = {"Prefer": "wait=0"}
        elif rng.randrange(7) == 0:
            headers = {"Prefer": f"wait={rng.randrange(1, 3)}"}
        return await self.ask(name, "PUT", path, headers=headers, hang_up_after_s=hang_up_after_s)

    async def _look(self, name: str, rng: Random, hang_up_after_s: float | None) -> Exchange:
        path = rng.choice(
            (
                "/jobs",
                "/executions?limit=5",
                f"/executions/{self.last_started}",
                f"/executions/{self.last_started}/history",
                "/items?limit=5",
                "/items?q=word&limit=3",
                f"/items/{rng.choice(self.keys)}",
                "/problems",
                "/health",
                "/health/ready",
            )
        )
        return await self.ask(name, "GET", path, hang_up_after_s=hang_up_after_s)

    async def _single(self, name: str, rng: Random, hang_up_after_s: float | None) -> Exchange:
        path = f"{rng.choice(('/sync', '/sync', '/migrate'))}/{rng.choice(self.keys)}"
        return await self.ask(name, "POST", path, hang_up_after_s=hang_up_after_s)


def session(url: str) -> ClientSession:
    """Return a session that gives up on an answer that does not come."""
    return ClientSession(url, timeout=ClientTimeout(total=ANSWER_WITHIN_S))
