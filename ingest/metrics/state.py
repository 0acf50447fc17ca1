"""What is looked at for each scrape: the database, its disk, the bank, the event loop."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Protocol

from attrs import define, field, frozen
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from ingest.jobs.watchdog import LoopWatchdog
from ingest.model.item import ProblemKind
from ingest.model.job import JobStatus
from ingest.model.traffic import Meter
from ingest.storage.figures import Figures, Files

_OTHER_KIND = "OTHER"


class BankTraffic(Protocol):
    """What was asked of a bank behind a network since the process began, whoever asked."""

    @property
    def outcomes(self) -> Mapping[str, int]:
        """Requests sent, by what became of them: a status, or a kind of failure."""

    @property
    def total(self) -> Meter:
        """All that was asked."""


@define
class NoTraffic:
    """That of a bank on this machine, which is asked nothing."""

    outcomes: Counter[str] = field(factory=Counter)
    total: Meter = field(factory=Meter)


@frozen(kw_only=True)
class Sight:
    """What a look at everything outside of memory has found; None is what could not be seen."""

    figures: Figures | None = None
    ended: Mapping[tuple[str, JobStatus], int] | None = None
    files: Files | None = None
    is_bank_up: bool | None = None
    #: How many executions are over without that being on record.
    unrecorded: int = 0


@define(eq=False, kw_only=True)
class StateMetrics:
    """Yields what was seen last, and what can be seen at any time."""

    bank: BankTraffic = field(factory=NoTraffic)
    watchdog: LoopWatchdog | None = None
    sight: Sight = field(factory=Sight)

    def collect(self) -> Iterator[Metric]:
        """Yield everything; what could not be seen is left out, and what tells so is not."""
        sight = self.sight
        yield _gauge(
            "ingest_database_up",
            "1 if the database could be read for this scrape; 0 leaves out what it would tell.",
            sight.figures is not None,
        )
        yield _gauge(
            "ingest_executions_unrecorded",
            "Executions whose work is over and whose end cannot be written to the database.",
            sight.unrecorded,
        )
        if self.watchdog is not None:
            yield _gauge(
                "ingest_event_loop_worst_lag_seconds",
                "How late the event loop's latest turn of the last minute was.",
                self.watchdog.worst_lag_s,
            )
        if sight.is_bank_up is not None:
            yield _gauge("ingest_bank_up", "1 if the item bank answers.", sight.is_bank_up)
        if sight.figures is not None:
            yield from _figures(sight.figures)
        if sight.ended is not None:
            yield _ended(sight.ended)
        if sight.files is not None:
            yield from _files(sight.files)
        yield from _bank(self.bank)


def _figures(figures: Figures) -> Iterator[Metric]:
    yield _gauge("ingest_stored_items", "Items in the database.", figures.items)
    yield _gauge(
        "ingest_withheld_deletions",
        "Items missing from the bank whose deletion waits for a person's word.",
        figures.withheld_deletions,
    )
    yield _gauge(
        "ingest_pending_pushes",
        "Pushes to the item bank that it has told of and that are not seen to yet.",
        figures.pending_pushes,
    )
    if figures.oldest_push is not None:
        yield _gauge(
            "ingest_oldest_pending_push_timestamp_seconds",
            "When the oldest push that is not seen to yet was told of; absent while there is none.",
            figures.oldest_push.timestamp(),
        )
    problems = GaugeMetricFamily(
        "ingest_problems",
        "Items that could not be ingested, by the kind of problem.",
        labels=["kind"],
    )
    counts = dict.fromkeys((kind.value for kind in ProblemKind), 0)
    for kind, count in figures.problems.items():
        known = kind if kind in counts else _OTHER_KIND
        counts[known] = counts.get(known, 0) + count
    for kind, count in counts.items():
        problems.add_metric([kind], count)
    yield problems


def _ended(counts: Mapping[tuple[str, JobStatus], int]) -> Metric:
    family = GaugeMetricFamily(
        "ingest_executions_recorded",
        "Ended executions in the database, by the status they ended with.",
        labels=["job_name", "status"],
    )
    for (job_name, status), count in sorted(counts.items()):
        family.add_metric([job_name, status], count)
    return family


def _files(files: Files) -> Iterator[Metric]:
    sizes = GaugeMetricFamily(
        "ingest_database_size_bytes",
        "How much room the database takes: its file, and the log of what is not in that yet.",
        labels=["file"],
    )
    sizes.add_metric(["main"], files.main_bytes)
    sizes.add_metric(["wal"], files.log_bytes)
    yield sizes
    yield _gauge("ingest_disk_free_bytes", "Free room on the database's disk.", files.free_bytes)
    yield _gauge("ingest_disk_size_bytes", "Size of the database's disk.", files.disk_bytes)


def _bank(traffic: BankTraffic) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "ingest_bank_requests",
        "Requests to an item bank behind a network, by status or kind of failure.",
        labels=["outcome"],
    )
    for outcome, count in list(traffic.outcomes.items()):
        requests.add_metric([outcome], count)
    yield requests
    yield CounterMetricFamily(
        "ingest_bank_retries",
        "Requests to the item bank that were sent again.",
        value=traffic.total.retried,
    )
    yield CounterMetricFamily(
        "ingest_bank_wait_seconds",
        "For how long requests to the item bank were held back, by limits and after failures, "
        "all of them together.",
        value=traffic.total.waited_s,
    )


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)
