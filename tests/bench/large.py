"""Each job with a very large bank: how fast, how much memory, and abandoned in the middle.

A run that was abandoned and then run anew to its end must have left the same rows as one that
nobody disturbed.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

from attrs import frozen

from tests.bench.bank_changes import changing
from tests.bench.digests import differing, digests
from tests.bench.job_rows import JOBS, changes, memory
from tests.bench.plan import Plan
from tests.bench.processes import outdate, service
from tests.bench.report import Measured


@frozen(kw_only=True)
class Compared:
    """What became of a job that was abandoned in the middle, and run anew to its end."""

    job: str
    processed: int
    total: int
    abandon_ms: float
    #: The tables whose rows are not those of an undisturbed run.
    different: Sequence[str]

    def __str__(self) -> str:
        rows = f"DIFFERENT in {', '.join(self.different)}" if self.different else "equal"
        return (
            f"{self.job}: abandoned at {self.processed:,} of {self.total:,} in "
            f"{self.abandon_ms:,.0f} ms, then run anew to its end: rows {rows}"
        )


@frozen(kw_only=True)
class _Disturbance:
    """A job that can be run undisturbed, and abandoned in the middle."""

    path: str
    instance_id: int
    begins_synchronized: bool = True
    changes_bank: bool = False
    outdates: bool = False


_DISTURBANCES: Final = {
    "first": _Disturbance(path="/sync", instance_id=1, begins_synchronized=False),
    "unchanged": _Disturbance(path="/sync", instance_id=1),
    "changed": _Disturbance(path="/sync", instance_id=1, changes_bank=True),
    "migration": _Disturbance(path="/migrate", instance_id=2, outdates=True),
}


def measure_large(plan: Plan) -> tuple[list[Measured], list[Compared]]:
    """Measure each job, its memory beside that for a tenth, and what an abandon leaves."""
    measured: list[Measured] = []
    compared: list[Compared] = []
    for name, measure in JOBS.items():
        (one,) = measure(plan)
        measured.append(one)
        compared.append(_compared(plan, name, _typical_s(plan, one)))
        plan.say(str(compared[-1]))
    return [*measured, *memory(plan)], compared


def _typical_s(plan: Plan, measured: Measured) -> float:
    value = sorted(measured.service)[len(measured.service) // 2]
    return value / 1000 if measured.unit == "ms" else plan.items / value


def _compared(plan: Plan, name: str, takes_s: float) -> Compared:
    # The database that the service's last, undisturbed run has left.
    expected = digests(plan.place.folder / "service" / "ingest.db")
    job = _DISTURBANCES[name]
    begun_with = plan.place.synchronized if job.begins_synchronized else None
    with ExitStack() as stack:
        if job.changes_bank:
            bank = stack.enter_context(changing(plan.place.bank))
            for _ in range(changes(plan)):
                bank.change()
        ours = stack.enter_context(service(plan.place, begun_with=begun_with))
        if job.outdates:
            outdate(ours.database)
        ours.ask("POST", job.path)
        time.sleep(takes_s / 2)
        answer, took_s = ours.abandon(job.instance_id)
        progress = ours.ask("GET", f"/executions/{answer['jobExecutionId']}")[0]["progress"]
        ours.run(job.path)
    return Compared(
        job=name,
        processed=progress["processed"],
        total=progress["total"] or 0,
        abandon_ms=took_s * 1000,
        different=differing(expected, digests(ours.database)),
    )
