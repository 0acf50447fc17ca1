"""Processes of the service: forked from one that has imported it, or executed; all are victims."""

import asyncio
import itertools
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from attrs import define, field

ROOT: Final = Path(__file__).parent.parent.parent

#: A process that is not ready, or not gone, by then hangs.
READY_WITHIN_S: Final = 20.0

SHUTDOWN_GRACE_S: Final = 3.0
#: What a shutdown may take beside its grace: last answers, and a busy machine.
SHUTDOWN_BESIDE_S: Final = 6.0

_SETTINGS: Final = {
    "INGEST_SERVER_SHUTDOWN_GRACE_S": f"{SHUTDOWN_GRACE_S}",
    "INGEST_SERVER_ABANDON_GRACE_S": "8",
    "INGEST_LOG_FORMAT": "json",
}

Json = dict[str, Any]


class HungError(Exception):
    """A process did not do in time what it had to."""


@define(eq=False)
class Victim:
    """A process of the service."""

    pid: int
    log: Path
    #: Its exit code once it is over; the negative number of the signal that ended it.
    ended: "asyncio.Future[int]"

    def signal(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        if not self.ended.done():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return

    async def url(self) -> str | None:
        """Return where it listens, as soon as it does; None if it has ended before.

        Raises:
            HungError: It takes too long.
        """
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                while True:
                    over = self.ended.done()
                    for line in self.lines():
                        if line.get("event") == "service ready":
                            return str(line["url"])
                    if over:
                        return None
                    await asyncio.wait({self.ended}, timeout=0.01)
        except TimeoutError:
            raise HungError(f"process {self.pid} is not ready after {READY_WITHIN_S:g} s") from None

    async def end(self, *, within_s: float) -> int:
        """Wait for its end; return the exit code.

        Raises:
            HungError: It takes too long; it is killed then.
        """
        await asyncio.wait({self.ended}, timeout=within_s)
        if not self.ended.done():
            self.signal(signal.SIGKILL)
            await asyncio.wait({self.ended}, timeout=READY_WITHIN_S)
            raise HungError(f"process {self.pid} had not ended after {within_s:g} s")
        return self.ended.result()

    def complaints(self) -> list[str]:
        """Return what it has logged that no service in order would: errors, and no JSON."""
        try:
            whole = self.log.read_text().split("\n")[:-1]
        except FileNotFoundError:
            return []
        odd = [line for line in whole if not line.startswith("{") or '"level":"error"' in line]
        return [f"logged: {line}" for line in odd] + [
            f"logged after the job's end: {line}" for line in self._zombies()
        ]

    def _zombies(self) -> Iterator[Json]:
        """Yield what was logged by an execution that had ended."""
        over: set[int] = set()
        for line in self.lines():
            execution = line.get("job_execution_id")
            if execution in over:
                yield line
            if execution is not None and line["event"] == "job ended":
                over.add(execution)

    def lines(self) -> list[Json]:
        """Return what it has logged so far, where it is JSON."""
        try:
            written = self.log.read_bytes()
        except FileNotFoundError:
            return []
        return [
            json.loads(line) for line in written.split(b"\n")[:-1] if line[:1] + line[-1:] == b"{}"
        ]


@define(eq=False)
class Processes:
    """Starts victims."""

    _server: asyncio.subprocess.Process
    _numbers: "itertools.count[int]" = field(factory=itertools.count)
    _begun: "dict[int, asyncio.Future[tuple[int, asyncio.Future[int]]]]" = field(factory=dict)
    _ends: "dict[int, asyncio.Future[int]]" = field(factory=dict)
    _tasks: "set[asyncio.Task[None]]" = field(factory=set)

    async def fork(self, arguments: list[str], *, log: Path, fuse: Json | None = None) -> Victim:
        """Fork a victim that runs the command line with these arguments."""
        number = next(self._numbers)
        self._begun[number] = asyncio.get_running_loop().create_future()
        order = {"number": number, "arguments": arguments, "log": str(log), "fuse": fuse}
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(order | {"environment": _SETTINGS}).encode() + b"\n")
        async with asyncio.timeout(READY_WITHIN_S):
            pid, ended = await self._begun[number]
        return Victim(pid, log, ended)

    async def execute(self, arguments: list[str], *, log: Path) -> Victim:
        """Run ``python -m ingest`` with these arguments, as people do."""
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "ingest", *arguments),
                stderr=output,
                env=_environment(),
                cwd=ROOT,
            )
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def wait() -> None:
            ended.set_result(await process.wait())

        task = asyncio.create_task(wait())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return Victim(process.pid, log, ended)

    async def listen(self) -> None:
        """Take in what the server of forks tells, until it ends."""
        assert self._server.stdout is not None
        async for line in self._server.stdout:
            told = json.loads(line)
            if "number" in told:
                pid, ended = told["pid"], asyncio.get_running_loop().create_future()
                self._ends[pid] = ended
                self._begun.pop(told["number"]).set_result((pid, ended))
            else:
                self._ends.pop(told["pid"]).set_result(told["exit"])


@asynccontextmanager
async def processes() -> AsyncIterator[Processes]:
    """Run the server of forks; on leaving, it and all its victims are gone."""
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.soak.victim"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env=_environment(),
    )
    made = Processes(server)
    listening = asyncio.create_task(made.listen())
    try:
        yield made
    finally:
        assert server.stdin is not None
        server.stdin.close()
        await asyncio.wait({listening}, timeout=READY_WITHIN_S)
        if not listening.done():
            server.kill()
        await server.wait()


def _environment() -> dict[str, str]:
    # Nobody's own configuration may change what is tried.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INGEST_")}
    return kept | _SETTINGS | {"PYTHONPATH": str(ROOT)}
