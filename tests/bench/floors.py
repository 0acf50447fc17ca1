"""The floors, each a process of its own: ``python -m tests.bench.floors NAME BANK DATABASE``.

``first``, ``unchanged`` and ``migration`` print the seconds that they took. ``bare`` and
``careful`` listen on PORT, with one bare asyncio task that ingests the bank: bare leaves at once
what is under way in a thread, careful waits for it and keeps batches whole, which is what the
service promises.
"""

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiosqlite
from aiohttp import web

from ingest.items.writing import BATCH_ITEMS
from ingest.model.item import Derived
from ingest.slices import SLICE_S
from tests.bench import straight, straight_migration

_ROW: Final = "INSERT INTO bench_row (at) VALUES (?)"
_INSTANCE: Final = "SELECT job_name FROM batch_job_instance WHERE job_instance_id = ?"
_SCRIPTS: Final = {
    "first": straight.first,
    "unchanged": straight.unchanged,
    "migration": straight_migration.migration,
}


class Floor:
    """A handler for each request that is measured, and the task it starts or cancels."""

    def __init__(self, bank: Path, database: Path, *, careful: bool) -> None:
        self._bank = bank
        self._database = database
        self._careful = careful
        self._stop = threading.Event()
        self._connection: aiosqlite.Connection
        self._work: asyncio.Task[None] | None = None

    async def opened(self, _app: web.Application) -> AsyncIterator[None]:
        """Hold the connection while the application runs."""
        async with aiosqlite.connect(self._database) as self._connection:
            for pragma in straight.PRAGMAS:
                await self._connection.execute(pragma)
            await self._connection.execute("CREATE TABLE IF NOT EXISTS bench_row (at TEXT)")
            await self._connection.commit()
            yield

    async def live(self, _request: web.Request) -> web.Response:
        """Answer."""
        return web.json_response({"status": "UP"})

    async def start(self, _request: web.Request) -> web.Response:
        """Commit one row: what a start cannot do without."""
        await self._commit_row()
        return web.json_response({"status": "STARTING"})

    async def run(self, _request: web.Request) -> web.Response:
        """Start the task."""
        self._stop.clear()
        self._work = asyncio.create_task(self._ingest())
        return web.json_response({"status": "STARTING"})

    async def abandon(self, _request: web.Request) -> web.Response:
        """Cancel the task, await it, commit one row."""
        if self._work is None or self._work.done():
            return web.json_response({"status": "NO JOB EXECUTIONS"})
        self._work.cancel()
        try:
            await self._work
        except asyncio.CancelledError:
            await self._commit_row()
        return web.json_response({"status": "ABANDONED"})

    async def nothing(self, _request: web.Request) -> web.Response:
        """Look one row up: what an answer that nothing runs cannot do without."""
        async with self._connection.execute(_INSTANCE, (1,)) as found:
            row = await found.fetchone()
        name = "" if row is None else row[0]
        return web.json_response({"status": "NO JOB EXECUTIONS", "name": name})

    async def _commit_row(self) -> None:
        await self._connection.execute(_ROW, (datetime.now(UTC).isoformat(),))
        await self._connection.commit()

    async def _ingest(self) -> None:
        loop = asyncio.get_running_loop()
        paths = await loop.run_in_executor(None, straight.repositories, self._bank)
        rows, key = straight.Rows(), 0
        while key < len(paths):
            reading = loop.run_in_executor(None, self._read_slice, paths, key)
            for derived in await self._whole(reading):
                key += 1
                rows.add(key, derived)
            if len(rows.items) >= BATCH_ITEMS:
                await self._whole(self._write(rows))
                rows = straight.Rows()
        await self._whole(self._write(rows))

    def _read_slice(self, paths: list[Path], begin: int) -> list[Derived]:
        end = time.monotonic() + SLICE_S
        results: list[Derived] = []
        for path in paths[begin:]:
            results.append(straight.read_item(path))
            if self._stop.is_set() or time.monotonic() >= end:
                break
        return results

    async def _write(self, rows: straight.Rows) -> None:
        for statement, values in rows.statements():
            await self._connection.executemany(statement, values)
        await self._connection.commit()

    async def _whole(self, work: "asyncio.Future[Any] | Coroutine[Any, Any, Any]") -> Any:
        if not self._careful:
            return await work
        future = asyncio.ensure_future(work)
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError:
            self._stop.set()
            await asyncio.wait({future})
            raise
        return future.result()


def listen(floor: Floor, port: int) -> None:
    """Serve until a signal comes."""
    app = web.Application()
    app.cleanup_ctx.append(floor.opened)
    app.add_routes(
        [
            web.get("/health/live", floor.live),
            web.post("/start", floor.start),
            web.post("/sync", floor.run),
            web.put("/abandon/1", floor.abandon),
            web.put("/nothing/1", floor.nothing),
        ]
    )
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


def main() -> None:
    """Be the floor that the arguments name."""
    name, bank, database = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    if name in ("bare", "careful"):
        listen(Floor(bank, database, careful=name == "careful"), int(sys.argv[4]))
    else:
        print(_SCRIPTS[name](bank, database))


if __name__ == "__main__":
    main()
