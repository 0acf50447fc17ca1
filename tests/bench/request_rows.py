"""The rows about requests: what is asked of the service and of its floor, in turn."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any, Final

from ingest.model.job import RUNNING
from tests.bench.load import requests_per_s
from tests.bench.plan import Plan
from tests.bench.processes import COLD_STARTS, Server, cold_start_s, floor, service
from tests.bench.report import Measured

#: Wider than a probe takes under load, or they would queue up behind each other.
_PROBE_EVERY_S: Final = 0.025
_PROBE_S: Final = 4.0
_LATEST_ABANDON_S: Final = 0.7
_GOLDEN: Final = 0.618034
_LOAD_S: Final = 0.5


def abandon(plan: Plan) -> Iterable[Measured]:
    """PUT /abandon/1 while a first synchronization runs flat out, at various points of it."""
    with ExitStack() as stack:
        ours = stack.enter_context(service(plan.place))
        floors = [stack.enter_context(floor(name, plan.place)) for name in ("bare", "careful")]
        latest_s = min(_LATEST_ABANDON_S, 0.6 * ours.run("/sync"))
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


def live(plan: Plan) -> Iterable[Measured]:
    """GET /health/live, as often as it is answered."""
    yield _rates(
        plan,
        row="GET /health/live",
        request=("GET", "/health/live"),
        floor_request=("GET", "/health/live"),
        floor_is="bare handler",
        goal="≥ 0.8",
    )


def nothing(plan: Plan) -> Iterable[Measured]:
    """PUT /abandon/1 with nothing running, as often as it is answered."""
    yield _rates(
        plan,
        row="abandon, nothing running",
        request=("PUT", "/abandon/1"),
        floor_request=("PUT", "/nothing/1"),
        floor_is="bare handler and one indexed SELECT",
        goal="≥ 0.7",
    )


def _rates(
    plan: Plan,
    *,
    row: str,
    request: tuple[str, str],
    floor_request: tuple[str, str],
    floor_is: str,
    goal: str,
) -> Measured:
    rates: list[float] = []
    floor_rates: list[float] = []
    with service(plan.place) as ours, floor("bare", plan.place) as bare:
        for number in range(2 * plan.repetitions):
            rates.append(requests_per_s(ours.port, *request, for_s=_LOAD_S))
            floor_rates.append(requests_per_s(bare.port, *floor_request, for_s=_LOAD_S))
            plan.say(f"{row} {number + 1} of {2 * plan.repetitions}")
    return Measured(
        row=row,
        floor_is=floor_is,
        unit="requests/s",
        service=rates,
        floor=floor_rates,
        goal=goal,
    )


def ready(plan: Plan) -> Iterable[Measured]:
    """Start the process, on a database that is there, until it is ready."""
    took: dict[str, list[float]] = {name: [] for name in COLD_STARTS}
    for number in range(3 * plan.repetitions + 1):
        for name, times in took.items():
            took_s = cold_start_s(name, plan.place)
            # The first one may still have to compile what it imports.
            if number:
                times.append(took_s * 1000)
        plan.say(f"cold start {number} of {3 * plan.repetitions}")
    yield Measured(
        row="cold start to ready",
        floor_is="bare aiohttp and aiosqlite",
        unit="ms",
        service=took["service"],
        floor=took["floor"],
        goal="≤ 3",
    )
