"""Many callers at once, and a job that does not obey."""

import asyncio
import signal
import socket
import time
from typing import Final

from aiohttp import ClientSession, ClientTimeout, TCPConnector

from tests.soak.arena import Arena, draw
from tests.soak.clients import ANSWER_WITHIN_S, Crowd, Exchange
from tests.soak.evidence import reading
from tests.soak.phases import BUSY
from tests.soak.processes import SHUTDOWN_BESIDE_S, SHUTDOWN_GRACE_S, HungError, Victim
from tests.soak.victim import STUBBORN

_CALLERS: Final = 100
_OK: Final = 200
#: So slow that a storm passes over a job that is at work.
_ITEMS_PER_S: Final = 100.0


async def storm_rounds(arena: Arena, storms: int) -> list[str]:
    """Send 100 starts and 100 abandons at once, again and again, to one service."""
    arguments = ["serve", "--port", "0", "--database", str(arena.database)]
    arguments += ["--bank", str(arena.bank.folder), "--max-items-per-second", f"{_ITEMS_PER_S}"]
    victim = await arena.processes.fork(arguments, log=arena.new_log())
    wrong: list[str] = []
    record: list[Exchange] = []
    try:
        url = await victim.url()
        if url is None:
            return [f"the process ended before it was ready: {victim.log.read_text()}"]
        async with _wide_session(url) as session:
            crowd = Crowd(
                session=session, heard=arena.observer.heard, keys=[], mix=BUSY, record=record
            )
            for number in range(storms):
                wrong += await _storm(arena, crowd, number)
                arena.say(f"storm {number + 1} of {storms}")
        wrong += await _ended(victim)
    finally:
        victim.signal(signal.SIGKILL)
    arena.look("storm", record)
    arena.tally.tried["storm"] += storms
    arena.tally.hit["storm"] += storms
    return wrong


async def _storm(arena: Arena, crowd: Crowd, number: int) -> list[str]:
    rng = draw(f"{arena.seed}/storm/{number}")
    asks = []
    for caller in range(_CALLERS):
        name = f"storm {number}/{caller}"
        asks.append(crowd.ask(name, "POST", rng.choice(("/sync", "/migrate"))))
        asks.append(crowd.ask(name, "PUT", f"/abandon/{rng.choice((1, 2))}"))
    rng.shuffle(asks)
    answers = await asyncio.gather(*asks)
    wrong = [
        f"a storm was answered {one.status} {one.failure}: {one}"
        for one in answers
        if one.status not in (_OK, 409)
    ]
    for instance, path in ((1, "/sync"), (2, "/migrate")):
        await crowd.ask("after", "PUT", f"/abandon/{instance}")
        again = await crowd.ask("after", "POST", path)
        if again.status != _OK:
            wrong.append(f"nothing ran after a storm, and a start was answered {again}")
    return wrong


async def stubborn_rounds(arena: Arena, rounds: int) -> list[str]:
    """Abandon a job that goes on trying to write; nothing is written after any answer."""
    port = _free_port()
    arguments = [STUBBORN, str(arena.database), str(arena.bank.folder), f"{port}"]
    victim = await arena.processes.fork(arguments, log=arena.new_log())
    wrong: list[str] = []
    record: list[Exchange] = []
    try:
        url = f"http://127.0.0.1:{port}"
        async with _wide_session(url) as session:
            crowd = Crowd(
                session=session, heard=arena.observer.heard, keys=[], mix=BUSY, record=record
            )
            wrong += await _until_up(crowd)
            record.clear()
            for number in range(rounds):
                wrong += await _stubborn(arena, crowd, number)
                arena.say(f"stubborn {number + 1} of {rounds}")
        wrong += await _ended(victim)
    finally:
        victim.signal(signal.SIGKILL)
    arena.look("stubborn", record)
    arena.tally.tried["stubborn"] += rounds
    return wrong


async def _stubborn(arena: Arena, crowd: Crowd, number: int) -> list[str]:
    rng = draw(f"{arena.seed}/stubborn/{number}")
    instance, path = rng.choice(((1, "/sync"), (2, "/migrate")))
    start = await crowd.ask("stubborn", "POST", path)
    if start.status != _OK:
        return [f"nothing ran, and a start was answered {start}"]
    execution = start.document["jobExecutionId"]
    await asyncio.sleep(rng.uniform(0.0, 0.05))
    headers = {"Prefer": "wait=0"} if rng.randrange(4) else {"Prefer": "wait=1"}
    told = await crowd.ask("stubborn", "PUT", f"/abandon/{instance}", headers=headers)
    at_answer = _written(arena, execution)
    wrong = []
    if told.status not in (_OK, 503):
        wrong.append(f"abandon was answered {told}")
    # It tries on for a while, then gives up; the second abandon waits for that.
    if told.status == 503:
        arena.tally.hit["stubborn"] += 1
        refused = await crowd.ask("stubborn", "POST", path)
        # 200 if it has just given up: that the two did not run at once, the rows tell.
        if refused.status not in (_OK, 409):
            wrong.append(f"a start beside a job that goes on was answered {refused}")
    last = await crowd.ask("stubborn", "PUT", f"/abandon/{instance}")
    later = _written(arena, execution)
    if later[0] != at_answer[0]:
        wrong.append(f"execution {execution} wrote {later[0] - at_answer[0]} rows after {told}")
    if told.answered is not None and later[1] > told.answered:
        wrong.append(f"execution {execution} wrote at {later[1]}, after {told}")
    if last.status != _OK or later[2] != later[0]:
        wrong.append(f"in the end: {last}, {later[0]} rows and {later[2]} counted")
    return wrong


def _written(arena: Arena, execution: int) -> tuple[int, float, int]:
    """Return how many rows an execution has written, when the last, and how many it counts."""
    with reading(arena.database) as connection:
        count, last = connection.execute(
            "SELECT count(*), max(CAST(cursor AS REAL)) FROM bank_scan WHERE job_execution_id = ?",
            (execution,),
        ).fetchone()
        counted = connection.execute(
            "SELECT total(read) FROM batch_job_execution_progress WHERE job_execution_id = ?",
            (execution,),
        ).fetchone()[0]
    return count, last or 0.0, int(counted)


async def _until_up(crowd: Crowd) -> list[str]:
    until = time.monotonic() + ANSWER_WITHIN_S
    while time.monotonic() < until:
        if (await crowd.ask("stubborn", "GET", "/health/ready")).status == _OK:
            return []
        await asyncio.sleep(0.02)
    return ["the service with the stubborn job did not come up"]


async def _ended(victim: Victim) -> list[str]:
    victim.signal(signal.SIGTERM)
    try:
        code = await victim.end(within_s=SHUTDOWN_GRACE_S + SHUTDOWN_BESIDE_S)
    except HungError as error:
        return [str(error)]
    return [] if code == 0 else [f"exit code {code} after SIGTERM"]


def _wide_session(url: str) -> ClientSession:
    return ClientSession(
        url,
        connector=TCPConnector(limit=2 * _CALLERS),
        timeout=ClientTimeout(total=ANSWER_WITHIN_S),
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
