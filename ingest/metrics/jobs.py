"""What is measured of jobs, told by the jobs themselves as it happens."""

import time
from collections.abc import Iterable, Iterator
from typing import Final

from attrs import define
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric

from ingest.jobs import service
from ingest.model.job import ENDED, Counts, JobExecution, JobStatus
from ingest.storage.figures import LastSuccess

#: From a night without changes to a first synchronization of a large bank.
_EXECUTION_S: Final = (1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14400, 28800, 57600)
#: A start is one commit; it may wait for one that is locked.
_START_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
#: An abandon waits for the slice and the batch under way, at most for its grace of 20 s.
_ABANDON_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30)

_OUTCOMES: Final = ("created", "updated", "unchanged", "deleted", "failed")
_START_OUTCOMES: Final = (
    *(service.STARTED, service.NO_ANSWER, "job_already_running", "end_not_recorded"),
    *("service_stopping", "start_pending", "database_in_use", "database_unavailable"),
)
_ABANDON_OUTCOMES: Final = (
    *(service.ABANDONED, service.NOTHING, service.STOPPING, service.IMPATIENT),
    *(service.UNRECORDED, service.NO_ANSWER, "execution_not_running", "start_pending"),
)
#: After these outcomes something ran, so that its wind-down was waited for.
_WAITED_FOR: Final = frozenset(
    {service.ABANDONED, service.STOPPING, service.IMPATIENT, service.UNRECORDED}
)


@define
class _Progress:
    at: float
    processed: int = 0
    total: int | None = None


class JobMetrics:
    """Counts what jobs do; a `JobObserver`, and a collector of what runs just now.

    What may be counted is there from the start, with 0: to Prometheus a counter that appears with
    its first event has never risen.

    Args:
        job_names: The jobs there are.
        registry: Where the metrics are to be found.
    """

    def __init__(self, job_names: Iterable[str], registry: CollectorRegistry) -> None:
        names = list(job_names)
        #: How often the ended executions that are on record have changed.
        self.ends = 0
        self._running: dict[str, _Progress | None] = dict.fromkeys(names)
        self._make_ends(registry)
        self._make_answers(registry)
        for name in names:
            self._started.labels(name)
            self._durations.labels(name)
            self._read.labels(name)
            self._start_durations.labels(name)
            self._abandon_durations.labels(name)
            for status in sorted(ENDED):
                self._ended.labels(name, status)
            for outcome in _OUTCOMES:
                self._items.labels(name, outcome)
            for outcome in _START_OUTCOMES:
                self._starts.labels(name, outcome)
            for outcome in _ABANDON_OUTCOMES:
                self._abandons.labels(name, outcome)
        registry.register(self)

    def _make_ends(self, registry: CollectorRegistry) -> None:
        self._started = Counter(
            "ingest_executions_started_total",
            "Executions that this process has started.",
            ["job_name"],
            registry=registry,
        )
        self._ended = Counter(
            "ingest_executions_ended_total",
            "Executions of this process whose end is on record, by the status they ended with.",
            ["job_name", "status"],
            registry=registry,
        )
        self._durations = Histogram(
            "ingest_execution_duration_seconds",
            "How long executions worked, from their first step to the end of their work.",
            ["job_name"],
            buckets=_EXECUTION_S,
            registry=registry,
        )
        self._last_success = Gauge(
            "ingest_job_last_success_timestamp_seconds",
            "When the last execution that COMPLETED ended, dry runs aside; absent before the "
            "first. Also right after a restart.",
            ["job_name"],
            registry=registry,
        )
        self._last_duration = Gauge(
            "ingest_job_last_success_duration_seconds",
            "How long the last execution that COMPLETED worked, dry runs aside.",
            ["job_name"],
            registry=registry,
        )
        self._items = Counter(
            "ingest_items_total",
            "Items by what executions have done with them; failed are those with a problem.",
            ["job_name", "outcome"],
            registry=registry,
        )
        self._read = Counter(
            "ingest_documents_read_total",
            "Documents that executions have read from the item bank.",
            ["job_name"],
            registry=registry,
        )

    def _make_answers(self, registry: CollectorRegistry) -> None:
        self._starts = Counter(
            "ingest_starts_total",
            "Starts asked for, by how they were answered: started, or the code of the refusal.",
            ["job_name", "outcome"],
            registry=registry,
        )
        self._start_durations = Histogram(
            "ingest_start_duration_seconds",
            "How long it took to answer a start, refusals included.",
            ["job_name"],
            buckets=_START_S,
            registry=registry,
        )
        self._abandons = Counter(
            "ingest_abandons_total",
            "Abandons asked for, by how they were answered: abandoned, nothing (ran), stopping "
            "(503: the work goes on after the whole grace), impatient (503 after the shorter wait "
            "that the caller wanted), unrecorded (503: its end cannot be written), or the code "
            "of the refusal.",
            ["job_name", "outcome"],
            registry=registry,
        )
        self._abandon_durations = Histogram(
            "ingest_abandon_duration_seconds",
            "How long it took to answer an abandon of something that ran.",
            ["job_name"],
            buckets=_ABANDON_S,
            registry=registry,
        )

    def remember(self, successes: Iterable[LastSuccess]) -> None:
        """Take in the successes of the processes before this one."""
        for one in successes:
            self._last_success.labels(one.job_name).set(one.ended_at.timestamp())
            self._last_duration.labels(one.job_name).set(one.duration_s)

    def start_answered(self, job_name: str, outcome: str, took_s: float) -> None:
        """See `JobObserver`."""
        self._starts.labels(job_name, outcome).inc()
        self._start_durations.labels(job_name).observe(took_s)

    def abandon_answered(self, job_name: str, outcome: str, took_s: float) -> None:
        """See `JobObserver`."""
        self._abandons.labels(job_name, outcome).inc()
        if outcome in _WAITED_FOR:
            self._abandon_durations.labels(job_name).observe(took_s)

    def began(self, job_name: str) -> None:
        """See `JobObserver`."""
        self._started.labels(job_name).inc()
        self._running[job_name] = _Progress(time.time())

    def wrote(self, job_name: str, added: Counts, processed: int, total: int | None) -> None:
        """See `JobObserver`."""
        progress = self._running.get(job_name)
        if progress is not None:
            progress.at = time.time()
            progress.processed += processed
            progress.total = progress.total if total is None else total
        if added.read:
            self._read.labels(job_name).inc(added.read)
        for outcome in _OUTCOMES:
            if count := getattr(added, outcome):
                self._items.labels(job_name, outcome).inc(count)

    def ended(self, job_name: str, execution: JobExecution | None) -> None:
        """See `JobObserver`."""
        self.ends += 1
        self._running[job_name] = None
        if execution is None:
            return
        self._ended.labels(job_name, execution.status).inc()
        if execution.start_time is None or execution.end_time is None:
            return
        duration_s = (execution.end_time - execution.start_time).total_seconds()
        self._durations.labels(job_name).observe(duration_s)
        if execution.status is JobStatus.COMPLETED and execution.planned is None:
            self.remember([LastSuccess(job_name, execution.end_time, duration_s)])

    def forgot(self) -> None:
        """Take in that old executions are not on record any more."""
        self.ends += 1

    def collect(self) -> Iterator[Metric]:
        """Yield what runs just now, and how far it is."""
        running = GaugeMetricFamily(
            "ingest_job_running",
            "1 while an execution runs, until its end is on record, else 0.",
            labels=["job_name"],
        )
        listed, processed, at = (
            GaugeMetricFamily(
                f"ingest_execution_{name}", f"{text}; absent while none runs.", labels=["job_name"]
            )
            for name, text in (
                (
                    "listed_items",
                    "How many items the running execution has to go through, once known",
                ),
                ("processed_items", "How many items the running execution is done with"),
                (
                    "last_progress_timestamp_seconds",
                    "When the running execution last committed something, or began",
                ),
            )
        )
        for job_name, progress in self._running.items():
            running.add_metric([job_name], progress is not None)
            if progress is not None:
                processed.add_metric([job_name], progress.processed)
                at.add_metric([job_name], progress.at)
                if progress.total is not None:
                    listed.add_metric([job_name], progress.total)
        yield from (running, listed, processed, at)
