"""The rows, by the names under which they can be asked for."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from tests.bench import job_rows, request_rows
from tests.bench.plan import Plan
from tests.bench.report import Measured

ROWS: Final[dict[str, Callable[[Plan], Iterable[Measured]]]] = {
    "abandon": request_rows.abandon,
    "start": request_rows.start,
    "first": job_rows.first,
    "unchanged": job_rows.unchanged,
    "changed": job_rows.changed,
    "migration": job_rows.migration,
    "memory": job_rows.memory,
    "health": request_rows.health,
    "live": request_rows.live,
    "nothing": request_rows.nothing,
    "ready": request_rows.ready,
}


def measure(plan: Plan, names: Sequence[str]) -> list[Measured]:
    """Measure these rows."""
    return [measured for name in names for measured in ROWS[name](plan)]
