"""Rounds in which a process dies: by SIGKILL in a chosen phase, or by SIGTERM and in order."""

import asyncio
import signal
import sqlite3
import time
from collections.abc import Collection
from contextlib import closing
from random import Random
from typing import Final

from attrs import define, evolve, field

from ingest.model.job import RUNNING
from ingest.storage.check import check_database
from tests.soak.arena import Arena, blows, draw
from tests.soak.clients import Crowd, Exchange, Heard, session
from tests.soak.phases import (
    ABANDON_SENT,
    AFTER_ABANDON,
    AFTER_START,
    ANY,
    READING,
    RECOVERY,
    SCHEMA,
    SHUTDOWN,
    TERM_EARLY,
)
from tests.soak.plan import RoundPlan
from tests.soak.processes import SHUTDOWN_BESIDE_S, SHUTDOWN_GRACE_S, Victim

#: The service has certainly read a request that was sent so long ago.
_SURELY_READ_S: Final = 0.25

#: The longest that the blow comes after its moment.
_MOMENT_S: Final = 0.05

_OK: Final = 200

RUNNING_SQL: Final = ", ".join(f"'{status}'" for status in sorted(RUNNING))


@define
class Life:
    """A process's life: what was asked of it, and how it ended."""

    record: list[Exchange] = field(factory=list)
    #: Whether the blow came where it was to come; when, if it is known.
    hit: bool = False
    hit_at: float | None = None
    #: The exit code, and whether it had to be killed because nothing else ended it.
    code: int | None = None
    wrong: list[str] = field(factory=list)


async def kill_round(arena: Arena, plan: RoundPlan) -> list[str]:
    """Let a process die by SIGKILL; return what was wrong beside what the observer says."""
    rng = draw(plan.seed)
    arena.change(rng, removals=plan.removals)
    wrong = []
    if plan.phase == RECOVERY:
        # Only a process that finds orphans recovers: one dies before, with a job running.
        before = evolve(plan, phase="read", steps=READING)
        life = await _life(arena, before)
        arena.look("read", life.record)
        wrong += life.wrong
    if plan.phase == SCHEMA:
        arena.renew(empty=True)
    life = await _life(arena, plan)
    arena.tally.tried[plan.phase] += 1
    arena.tally.hit[plan.phase] += life.hit and _was_winding_down(arena, plan)
    if life.code != -signal.SIGKILL and not (plan.phase == SHUTDOWN and life.code == 0):
        wrong.append(f"exit code {life.code} after SIGKILL")
    if plan.phase == SCHEMA:
        # The next process makes what is missing, and what it made is sound.
        life = await _life(arena, evolve(plan, steps=None, phase=ANY))
        wrong += [f"{one}" for one in check_database(arena.database).findings if one.is_fault]
        arena.renew()
    else:
        arena.look(plan.phase, life.record)
    return wrong + life.wrong


def _was_winding_down(arena: Arena, plan: RoundPlan) -> bool:
    """Tell whether the blow met what it was to: a job on record as running, which is an orphan."""
    if plan.phase != ABANDON_SENT:
        return True
    with closing(sqlite3.connect(arena.database)) as database:
        query = f"SELECT count(*) FROM batch_job_execution WHERE status IN ({RUNNING_SQL})"
        return bool(database.execute(query).fetchone()[0])


async def term_round(arena: Arena, plan: RoundPlan) -> list[str]:
    """Let a process end by a signal that it handles; return what was wrong."""
    rng = draw(plan.seed)
    arena.change(rng)
    is_polite, is_early = len(plan.signals) == 1, plan.phase == TERM_EARLY
    life = await _life(arena, evolve(plan, mix=evolve(plan.mix, hang_up_percent=0)))
    phase = f"{signal.Signals(plan.signals[0][0]).name}{'' if is_polite else ' twice'}"
    phase += " at start" if is_early else ""
    arena.tally.tried[phase] += 1
    arena.tally.hit[phase] += life.hit
    arena.tally.exit_codes[f"{phase}: {life.code}"] += 1
    arena.look(phase, life.record)
    wrong = life.wrong
    codes = {0} if is_polite else {0, *(128 + one for one, _ in plan.signals)}
    if not is_polite:
        # The second may come when the handlers are gone already.
        codes |= {-one for one, _ in plan.signals}
    if life.code not in codes:
        wrong.append(f"exit code {life.code} after {phase}")
    if is_polite and life.code == 0:
        if arena.observer.orphans and not is_early:
            wrong.append(f"left running after {phase}: {arena.observer.orphans}")
        wrong += _unanswered(life)
        if plan.in_mid_abandon and life.hit and not _answered_then(life):
            wrong.append(f"the abandon that was under way at {life.hit_at} was not answered")
    return wrong


def _unanswered(life: Life) -> list[str]:
    """Return the abandons that the service had read, and did not answer."""
    if life.hit_at is None:
        return []
    return [
        f"abandon in progress was not answered: {one}"
        for one in life.record
        if one.is_abandon and one.status is None and one.sent < life.hit_at - _SURELY_READ_S
    ]


def _answered_then(life: Life) -> bool:
    """Tell whether an abandon that was sent before the blow was answered about then, or later."""
    at = life.hit_at or 0.0
    return any(
        one.is_abandon and one.answered is not None and one.sent < at < one.answered + _MOMENT_S
        for one in life.record
    )


async def _life(arena: Arena, plan: RoundPlan) -> Life:
    """Run a process under the clients until its plan, or its time, is over."""
    life, report = Life(), arena.report()
    arguments = ["serve", "--port", "0", "--database", str(arena.database)]
    arguments += ["--bank", str(arena.bank.folder)]
    if plan.items_per_second is not None:
        arguments += ["--max-items-per-second", f"{plan.items_per_second}"]
    if plan.is_executed:
        victim = await arena.processes.execute(arguments, log=arena.new_log())
    else:
        victim = await arena.processes.fork(
            arguments, log=arena.new_log(), fuse=plan.fuse(str(report))
        )
    try:
        url = await victim.url()
        if url is not None:
            if arena.has_evidence:
                arena.observer.recovered()
            await _lived(arena, plan, victim, url, life)
        elif plan.phase not in (RECOVERY, SCHEMA, TERM_EARLY):
            life.wrong.append(f"the process ended before it was ready: {victim.log.read_text()}")
    finally:
        victim.signal(signal.SIGKILL)
    life.code = await victim.end(within_s=SHUTDOWN_BESIDE_S)
    if told := blows(report):
        life.hit, life.hit_at = True, told[0]["at"]
    life.wrong += victim.complaints()
    return life


async def _lived(arena: Arena, plan: RoundPlan, victim: Victim, url: str, life: Life) -> None:
    rng = draw(f"{plan.seed}/life")
    heard: Heard = arena.observer.heard if arena.has_evidence else _unheard
    if plan.phase in (AFTER_ABANDON, AFTER_START):
        heard = _killer(plan, rng, victim, life, then=arena.observer.heard)
    async with session(url) as opened:
        crowd = Crowd(
            session=opened, heard=heard, keys=_keys(arena, rng), mix=plan.mix, record=life.record
        )
        if plan.phase == ABANDON_SENT:
            crowd.sent = _killer_in_wind_down(plan, rng, victim, life)
        life.wrong += await _open(crowd, rng, may_be_told=plan.by_signal)
        names = [f"client {number}" for number in range(plan.clients)]
        living = [
            asyncio.create_task(crowd.live(name, Random(f"{plan.seed}/{name}")))  # noqa: S311
            for name in names
        ]
        await _until_the_end(plan, victim, life)
        crowd.over.set()
        await asyncio.gather(*living)


def _keys(arena: Arena, rng: Random) -> list[str]:
    keys = arena.bank.keys()
    return [*rng.sample(keys, 12), *sorted(arena.bank.gone)[-3:], "999999"]


async def _open(crowd: Crowd, rng: Random, *, may_be_told: bool) -> list[str]:
    """Start at once what nobody runs: that is refused only by a service that was told to end."""
    wrong = []
    fine = {None, _OK, 503} if may_be_told else {None, _OK}
    path = rng.choice(("/sync", "/sync", "/migrate"))
    wrong += _refused(await crowd.ask("opening", "POST", path), fine)
    if rng.randrange(4) == 0:
        number = 1 if path == "/sync" else 2
        done = await crowd.ask("opening", "PUT", f"/abandon/{number}")
        if done.status not in fine:
            wrong.append(f"abandon was answered {done.status}: {done}")
        wrong += _refused(await crowd.ask("opening", "POST", path), fine)
    return wrong


def _refused(start: Exchange, fine: Collection[int | None]) -> list[str]:
    if start.status in fine:
        return []
    return [f"nothing ran, and a start was answered {start.status}: {start}"]


def _killer(plan: RoundPlan, rng: Random, victim: Victim, life: Life, *, then: Heard) -> Heard:
    """Return what kills the process in the moment in which a client has read its answer."""
    left = rng.randint(1, 3)

    def heard(exchange: Exchange) -> None:
        nonlocal left
        if plan.phase == AFTER_ABANDON:
            fits = exchange.is_abandon and exchange.document.get("status") == "ABANDONED"
        else:
            fits = exchange.is_start and exchange.status == _OK
        left -= fits
        if fits and left == 0:
            victim.signal(signal.SIGKILL)
            life.hit = True
        then(exchange)

    return heard


def _killer_in_wind_down(plan: RoundPlan, rng: Random, victim: Victim, life: Life) -> Heard:
    """Return what kills the process a moment after an abandon was sent of what was started."""
    left = rng.randint(1, 3)

    def kill(exchange: Exchange) -> None:
        # With the answer read it would be another phase: then it is the next abandon's turn.
        if exchange.status is None and not life.hit:
            victim.signal(signal.SIGKILL)
            life.hit = True

    def sent(exchange: Exchange) -> None:
        nonlocal left
        if exchange.is_abandon:
            left -= 1
            if left <= 0:
                asyncio.get_running_loop().call_later(plan.delay_s, kill, exchange)

    return sent


def _unheard(_: Exchange) -> None:
    """Take no notice."""


async def _until_the_end(plan: RoundPlan, victim: Victim, life: Life) -> None:
    """Wait for the blow, or strike it."""
    if plan.phase in (ANY, SHUTDOWN) or (plan.by_signal and plan.steps is None):
        await asyncio.wait({victim.ended}, timeout=plan.after_s)
        first = signal.SIGTERM if plan.phase == SHUTDOWN else plan.signals[0][0]
        life.hit_at = time.monotonic()
        victim.signal(first)
        life.hit = plan.phase != SHUTDOWN
        for number, after_s in plan.signals[1:]:
            await asyncio.wait({victim.ended}, timeout=after_s)
            victim.signal(number)
    elif plan.by_signal:
        await asyncio.wait({victim.ended}, timeout=plan.within_s + SHUTDOWN_GRACE_S)
        if not victim.ended.done():
            # Its moment never came: it is told from outside.
            life.hit_at = time.monotonic()
            victim.signal(plan.signals[0][0])
    else:
        await asyncio.wait({victim.ended}, timeout=plan.within_s)
        victim.signal(signal.SIGKILL)
    if plan.by_signal:
        life.code = await victim.end(within_s=SHUTDOWN_GRACE_S + SHUTDOWN_BESIDE_S)
    elif plan.phase == SHUTDOWN:
        await asyncio.wait({victim.ended}, timeout=SHUTDOWN_GRACE_S + SHUTDOWN_BESIDE_S)
