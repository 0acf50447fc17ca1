"""What must be so in the end: the database equals the bank, and one synchronized at once."""

import asyncio
import signal
from pathlib import Path
from typing import Final

from tests.soak.arena import Arena
from tests.soak.clients import Crowd, Exchange, session
from tests.soak.evidence import content
from tests.soak.phases import BUSY
from tests.soak.processes import SHUTDOWN_BESIDE_S, SHUTDOWN_GRACE_S

#: A synchronization of the bank takes a second.
_COMPLETED_WITHIN_S: Final = 30.0
_ENDED: Final = frozenset({"COMPLETED", "FAILED", "STOPPED", "ABANDONED"})


async def settle(arena: Arena) -> list[str]:
    """Synchronize to the end, and compare; return what was wrong."""
    arena.bank.mend()
    record, wrong = await _synchronize(arena, arena.database)
    arena.look("after a last synchronization", record)
    fresh = arena.new_database("fresh")
    _, more = await _synchronize(arena, fresh)
    wrong += more
    ours, theirs = content(arena.database), content(fresh)
    for table, rows in theirs.items():
        if ours[table] != rows:
            rows_odd = sorted({*map(str, ours[table])} ^ {*map(str, rows)})[:4]
            wrong.append(
                f"{table} differs from a fresh synchronization's: {rows_odd or 'its order'}"
            )
    heads = arena.bank.heads()
    stored = {row[1]: row[6] for row in ours["item_git"]}
    if stored != heads:
        odd = sorted({*stored.items()} ^ {*heads.items()})[:4]
        wrong.append(f"the database is not at the bank's revisions: {odd}")
    arena.tally.comparisons += 1
    return wrong


async def _synchronize(arena: Arena, database: Path) -> tuple[list[Exchange], list[str]]:
    arguments = ["serve", "--port", "0", "--database", str(database)]
    arguments += ["--bank", str(arena.bank.folder)]
    victim = await arena.processes.fork(arguments, log=arena.new_log())
    wrong: list[str] = []
    record: list[Exchange] = []
    try:
        url = await victim.url()
        if url is None:
            return record, [f"the process ended before it was ready: {victim.log.read_text()}"]
        if database == arena.database:
            arena.observer.recovered()
        async with session(url) as opened, asyncio.timeout(_COMPLETED_WITHIN_S):
            crowd = Crowd(session=opened, heard=lambda _: None, keys=[], mix=BUSY, record=record)
            start = await crowd.ask("last", "POST", "/sync?allow-deletes=1000")
            status = f"{start.status}"
            while start.document and status not in _ENDED:
                await asyncio.sleep(0.02)
                path = f"/executions/{start.document['jobExecutionId']}"
                status = (await crowd.ask("last", "GET", path)).document["status"]
        if status != "COMPLETED":
            wrong.append(f"the last synchronization is {status}: {record[0]} {record[-1]}")
        victim.signal(signal.SIGTERM)
        code = await victim.end(within_s=SHUTDOWN_GRACE_S + SHUTDOWN_BESIDE_S)
        if code != 0:
            wrong.append(f"exit code {code} after SIGTERM with nothing running")
    finally:
        victim.signal(signal.SIGKILL)
    return record, wrong
