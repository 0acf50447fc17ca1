"""The rows about jobs run to their end, the service and its floor in turn.

Each leaves the database of the service's last run in its place. Memory is that of a process's
first run, for it is compared with that of fewer runs.
"""

import statistics
from collections.abc import Callable, Iterable
from typing import Final

from tests.bench.bank_changes import CHANGED_ITEMS, changing
from tests.bench.plan import Plan
from tests.bench.processes import outdate, script, service
from tests.bench.report import Measured

_MB: Final = 1_000_000


def first(plan: Plan) -> Iterable[Measured]:
    """Synchronize a bank that the database knows nothing of."""
    rates: list[float] = []
    floor_rates: list[float] = []
    for number in range(plan.repetitions):
        with service(plan.place) as ours:
            rates.append(plan.items / ours.run("/sync"))
            plan.peaks["first"].append(ours.peak_bytes())
        plan.place.keep(ours.database)
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
    plan.synchronize()
    with service(plan.place, begun_with=plan.place.synchronized) as ours:
        for number in range(2 * plan.repetitions):
            took.append(ours.run("/sync") * 1000)
            plan.peaks["unchanged"] += [] if number else [ours.peak_bytes()]
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


def changes(plan: Plan) -> int:
    """Return how many times the bank is changed to measure a sync of that."""
    return 2 * plan.repetitions


def changed(plan: Plan) -> Iterable[Measured]:
    """Synchronize a bank where a few items have changed."""
    took: list[float] = []
    unchanged_took: list[float] = []
    plan.synchronize()
    with (
        changing(plan.place.bank) as bank,
        service(plan.place, begun_with=plan.place.synchronized) as ours,
    ):
        for number in range(changes(plan)):
            unchanged_took.append(ours.run("/sync") * 1000)
            bank.change()
            took.append(ours.run("/sync") * 1000)
            plan.peaks["changed"] += [] if number else [ours.peak_bytes()]
            plan.say(f"sync of a few changed {number + 1} of {changes(plan)}")
    yield Measured(
        row=f"sync when {CHANGED_ITEMS} of {plan.items:,} changed",
        floor_is="the unchanged sync",
        unit="ms",
        service=took,
        floor=unchanged_took,
        goal="≤ 1.1",
    )


def migration(plan: Plan) -> Iterable[Measured]:
    """Derive every row anew, all of them derived by older rules."""
    rates: list[float] = []
    floor_rates: list[float] = []
    plan.synchronize()
    for number in range(plan.repetitions):
        with service(plan.place, begun_with=plan.place.synchronized) as ours:
            outdate(ours.database)
            rates.append(plan.items / ours.run("/migrate"))
            plan.peaks["migration"].append(ours.peak_bytes())
        database = plan.place.new_database("straight", begun_with=plan.place.synchronized)
        outdate(database)
        floor_rates.append(plan.items / script("migration", plan.place.bank, database))
        plan.say(f"migration {number + 1} of {plan.repetitions}")
    yield Measured(
        row=f"migration of {plan.items:,}",
        floor_is="every HEAD read, then one straight script, transactions of 500",
        unit="items/s",
        service=rates,
        floor=floor_rates,
        goal="≥ 1.0",
    )


JOBS: Final[dict[str, Callable[[Plan], Iterable[Measured]]]] = {
    "first": first,
    "unchanged": unchanged,
    "changed": changed,
    "migration": migration,
}


def memory(plan: Plan) -> Iterable[Measured]:
    """The most memory that the process takes, with the whole bank and with a tenth of it."""
    tenth = plan.tenth()
    for name, measure in JOBS.items():
        if name not in plan.peaks:
            list(measure(plan))
        list(measure(tenth))
        plan.say(f"memory: {name}")
        yield Measured(
            row=f"peak memory of {name}",
            floor_is=f"the same with {tenth.items:,} items",
            unit="MB",
            service=[statistics.median(plan.peaks[name]) / _MB],
            floor=[statistics.median(tenth.peaks[name]) / _MB],
            goal="≤ 1.2",
        )
