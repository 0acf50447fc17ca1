"""The rows: what is asked of the service and of its floor, in turn."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Any, Final

from attrs import frozen

from ingest.model.job import RUNNING
from tests.bench.processes import Place, Server, floor, script, service
from tests.bench.report import Measured

#: Wider than a probe takes under load, or they would queue up behind each other.
_PROBE_EVERY_S: Final = 0.025
_PROBE_S: Final = 4.0
_LATEST_ABANDON_S: Final = 0.7
_GOLDEN: Final = 0.618034


@frozen(kw_only=True)
class Plan:
    """How much is measured."""

    items: int
    abandons: int
    starts: int
    repetitions: int
    place: Place
    say: Callable[[str], None]


def abandon(plan: Plan) -> Iterable[Measured]:
    """PUT /abandon/1 while a first synchronization runs flat out, at various points of it."""
    with ExitStack() as stack:
        ours = stack.enter_context(service(plan.place))
        floors = [stack.enter_context(floor(name, plan.place)) for name in ("bare", "careful")]
        latest_s = min(_LATEST_ABANDON_S, 0.6 * ours.sync())
        ours.empty()
        took: list[list[float]] = [[], [], []]
        parts: defaultdict[str, list[float]] = defaultdict(list)
        for number in range(plan.abandons):
            # The golden ratio's multiples fall evenly, and the same in every run.
            after_s = 0.05 + latest_s * (number * _GOLDEN % 1.0)
            for server, times in zip([ours, *floors], took, strict=True):
                answer, took_s = _abandoned(server, after_s)
                times.append(took_s * 1000)
                if server is ours:
                    for name, ms in ours.parts_of_abandon(answer, took_s).items():
                        parts[name].append(ms)
                server.empty()
            plan.say(f"abandon {number + 1} of {plan.abandons}")
    for name, floor_is, times in (
        ("abandon", "bare handler and task, leaves its thread at work", took[1]),
        ("abandon, careful", "the same, waits for its thread, batches whole", took[2]),
    ):
        yield Measured(
            row=name,
            floor_is=floor_is,
            unit="ms",
            service=took[0],
            floor=times,
            goal="≤ 1.3",
            goal_p99="≤ 2",
            with_p99=True,
            parts=parts if times is took[2] else {},
        )


def _abandoned(server: Server, after_s: float) -> tuple[Any, float]:
    server.ask("POST", "/sync")
    time.sleep(after_s)
    return server.abandon()


def start(plan: Plan) -> Iterable[Measured]:
    """POST /sync, with nothing running."""
    with service(plan.place) as ours, floor("bare", plan.place) as bare:
        took: list[float] = []
        floor_took: list[float] = []
        for _ in range(plan.starts):
            took.append(ours.ask("POST", "/sync")[1] * 1000)
            ours.abandon()
            floor_took.append(bare.ask("POST", "/start")[1] * 1000)
    yield Measured(
        row="start",
        floor_is="bare handler and one commit",
        unit="ms",
        service=took,
        floor=floor_took,
        goal="≤ 2",
    )


def first(plan: Plan) -> Iterable[Measured]:
    """Synchronize a bank that the database knows nothing of."""
    rates: list[float] = []
    floor_rates: list[float] = []
    for number in range(plan.repetitions):
        with service(plan.place) as ours:
            rates.append(plan.items / ours.sync())
        database = plan.place.new_database("straight")
        floor_rates.append(plan.items / script("first", plan.place.bank, database))
        plan.say(f"first sync {number + 1} of {plan.repetitions}")
    yield Measured(
        row=f"first sync of {plan.items:,}",
        floor_is="one straight script, transactions of 500",
        unit="items/s",
        service=rates,
        floor=floor_rates,
        goal="≥ 1.0",
    )


def unchanged(plan: Plan) -> Iterable[Measured]:
    """Synchronize a bank where nothing has changed."""
    took: list[float] = []
    floor_took: list[float] = []
    with service(plan.place) as ours:
        ours.sync()
        for number in range(2 * plan.repetitions):
            took.append(ours.sync() * 1000)
            floor_took.append(script("unchanged", plan.place.bank, ours.database) * 1000)
            plan.say(f"unchanged sync {number + 1} of {2 * plan.repetitions}")
    yield Measured(
        row=f"sync of {plan.items:,} unchanged",
        floor_is="every HEAD read in one loop, and one SELECT",
        unit="ms",
        service=took,
        floor=floor_took,
        goal="≤ 1.5",
    )


def health(plan: Plan) -> Iterable[Measured]:
    """GET /health/live while a synchronization runs flat out, and while nothing does."""
    busy: list[float] = []
    idle: list[float] = []
    with service(plan.place) as ours:
        for number in range(plan.repetitions):
            idle += _probed(ours, lambda: False)
            execution_id = ours.ask("POST", "/sync")[0]["jobExecutionId"]
            busy += _probed(
                ours,
                lambda: ours.stored_status(execution_id) not in RUNNING,  # noqa: B023
            )
            ours.ask("PUT", "/abandon/1")
            ours.empty()
            plan.say(f"health under load {number + 1} of {plan.repetitions}")
    yield Measured(
        row="health under load",
        floor_is="the same process when idle",
        unit="ms",
        service=busy,
        floor=idle,
        goal_p99="≤ 5",
        with_p99=True,
    )


def _probed(server: Server, ended: Callable[[], bool]) -> list[float]:
    """Probe at an even pace for a while, or until it has ended; return the milliseconds of each.

    A probe that had to wait for the one before counts from when it was due: else a stall, however
    long, would be one slow probe only.
    """
    took: list[float] = []
    due = time.perf_counter()
    until = due + _PROBE_S
    while time.perf_counter() < until:
        ahead_s = due - time.perf_counter()
        waited_s = max(0.0, -ahead_s)
        if ahead_s > 0:
            time.sleep(ahead_s)
            waited_s = 0.0
        took.append((server.ask("GET", "/health/live")[1] + waited_s) * 1000)
        due += _PROBE_EVERY_S
        if len(took) % 10 == 0 and ended():
            break
    return took


ROWS: Final[dict[str, Callable[[Plan], Iterable[Measured]]]] = {
    "abandon": abandon,
    "start": start,
    "first": first,
    "unchanged": unchanged,
    "health": health,
}


def measure(plan: Plan, names: Sequence[str]) -> list[Measured]:
    """Measure these rows."""
    return [measured for name in names for measured in ROWS[name](plan)]
