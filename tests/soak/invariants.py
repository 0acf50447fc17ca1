"""What must hold after every round: of the database by itself, and against what clients heard."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

from attrs import define, field

from ingest.storage.check import check_database
from tests.soak.clients import JOBS, Exchange
from tests.soak.evidence import Execution, deletions, executions, reading

_OK: Final = 200

#: What each kind of request may be answered; anything else is a fault.
_ALLOWED: Final[dict[str, frozenset[int]]] = {
    "POST /sync": frozenset({200, 409, 503}),
    "POST /migrate": frozenset({200, 409, 503}),
    "PUT /abandon/{}": frozenset({200, 412, 503}),
    "POST /sync/{}": frozenset({200, 404, 422, 502}),
    "POST /migrate/{}": frozenset({200, 404, 422, 502}),
    "GET /health/ready": frozenset({200, 503}),
}
_LOOKS: Final = frozenset({200, 404})


@define
class Observer:
    """Looks at one database again and again, and remembers how what has ended looked."""

    database: Path
    #: What had ended, as it looked when that was first seen.
    ended: dict[int, Execution] = field(factory=dict)
    #: What had been written by executions whose abandon was answered STOPPING.
    fenced: dict[int, tuple[int, ...]] = field(factory=dict)
    #: What the last process left running.
    orphans: set[int] = field(factory=set)
    #: Items that may have been deleted one by one.
    may_have_deleted: set[str] = field(factory=set)
    #: Those that were, by whomever.
    deleted: set[str] = field(factory=set)
    violations: list[str] = field(factory=list)

    def heard(self, exchange: Exchange) -> None:
        """Look, in the moment of an answer, at the row that it speaks of."""
        status = exchange.document.get("status") if exchange.is_abandon else None
        if status not in ("ABANDONED", "STOPPING"):
            return
        number = exchange.document["jobExecutionId"]
        with reading(self.database) as connection:
            one = executions(connection, only=number).get(number)
        if one is None or (status == "ABANDONED" and one.status != status):
            self._say(f"execution {number} was answered {status}, and is {one}")
        elif status == "STOPPING":
            self.fenced.setdefault(number, one.written)
        else:
            self._compare(one)

    def recovered(self) -> None:
        """Look at what a new process has made of what the last one left running."""
        for fault in check_database(self.database).faults:
            self._say(f"db check beside a service: {fault}")
        with reading(self.database) as connection:
            found = executions(connection)
        for number in self.orphans:
            one = found[number]
            message = one.exit_message.startswith("the service ended while")
            if one.status != "FAILED" or not message or one.events[-1] != "recovered":
                self._say(f"orphan {number} was not settled: {one}")
        running = [one.id for one in found.values() if one.is_running]
        if running:
            self._say(f"a process that had just begun has executions running: {running}")
        self.orphans.clear()

    def look(self, database: Path, record: Sequence[Exchange]) -> dict[int, Execution]:
        """Look at the database (or a copy of it) while no process has it; return what there is."""
        for fault in check_database(database).faults:
            self._say(f"db check: {fault}")
        with reading(database) as connection:
            found = executions(connection)
            deleted = deletions(connection)
        for one in found.values():
            if not one.is_running:
                self._compare(one)
            if one.items_logged != one.created + one.updated:
                self._say(f"execution {one.id} wrote {one.items_logged} items, and counts {one}")
            if self.fenced.get(one.id, one.written) != one.written:
                self._say(f"{one} wrote behind the fence: {self.fenced[one.id]} {one.written}")
        if missing := self.ended.keys() - found.keys():
            self._say(f"executions are gone: {missing}")
        self._count_deletions(found.values(), deleted, record)
        self._follow_each_other(found.values())
        for exchange in record:
            self._answer(exchange, found)
        self.orphans = {one.id for one in found.values() if one.is_running}
        return found

    def _say(self, what: str) -> None:
        self.violations.append(what)

    def _compare(self, one: Execution) -> None:
        before = self.ended.setdefault(one.id, one)
        if before != one:
            self._say(f"execution {one.id} was rewritten after its end: {before.rows} {one.rows}")

    def _count_deletions(
        self, found: Iterable[Execution], deleted: list[str], record: Sequence[Exchange]
    ) -> None:
        counted = sum(one.deleted for one in found)
        self.may_have_deleted |= {
            one.path.rpartition("/")[2]
            for one in record
            if one.route == "POST /sync/{}"
            and (one.status is None or one.document.get("outcome") == "DELETED")
        }
        self.deleted = set(deleted)
        by_jobs_at_least = len(self.deleted - self.may_have_deleted)
        if not by_jobs_at_least <= counted <= len(deleted) or len(self.deleted) < len(deleted):
            self._say(f"items were deleted: {deleted}, and executions count {counted}")

    def _follow_each_other(self, found: Iterable[Execution]) -> None:
        by_instance: defaultdict[int, list[Execution]] = defaultdict(list)
        for one in found:
            by_instance[one.instance].append(one)
        for line in by_instance.values():
            for before, after in pairwise(line):
                if before.end_time is None or before.end_time > after.create_time:
                    self._say(f"executions {before.id} and {after.id} ran at once")

    def _answer(self, exchange: Exchange, found: dict[int, Execution]) -> None:
        if exchange.failure == "no answer in time":
            self._say(f"no answer in time: {exchange}")
        if exchange.status is None:
            return
        if exchange.status not in _ALLOWED.get(exchange.route, _LOOKS):
            self._say(f"answered {exchange.status}: {exchange}")
        number = exchange.document.get("jobExecutionId", 0)
        if exchange.is_start and exchange.status == _OK:
            instance = JOBS[exchange.path.partition("?")[0]]
            if number not in found or found[number].instance != instance:
                self._say(f"a start was answered {number}, which has no row: {exchange}")
        if exchange.document.get("status") == "ABANDONED" and exchange.is_abandon:
            if number not in found or found[number].status != "ABANDONED":
                self._say(f"answered ABANDONED, and is {found.get(number)}: {exchange}")
            elif "stop asked" not in found[number].events:
                self._say(f"execution {number} is ABANDONED at nobody's request")
        if exchange.is_start and exchange.status == 409:
            self._refusal(exchange, found)

    def _refusal(self, exchange: Exchange, found: dict[int, Execution]) -> None:
        """A 409 names what truly runs: it had not ended when the start was asked for."""
        number = int((exchange.location or "/0").rpartition("/")[2])
        if number not in found:
            self._say(f"409 names no execution: {exchange}")
            return
        recorded = found[number].recorded_at
        if recorded is not None:
            at = datetime.fromisoformat(recorded).replace(tzinfo=UTC)
            if at < exchange.sent_at:
                self._say(f"409 outlasts execution {number}, recorded at {at}: {exchange}")
