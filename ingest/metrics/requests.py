"""What is measured of HTTP requests."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from attrs import define, field
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.utils import INF, floatToGoString

#: Most answers take milliseconds; an abandon takes as long as its grace.
_REQUEST_S: Final = (0.005, 0.025, 0.1, 0.5, 2.5, 10, 30)

#: What other verbs than these are counted as: a client may make up any.
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
_OTHER: Final = "other"

_FAULT: Final = "500"

#: What was asked for where no route fits.
UNMATCHED: Final = "unmatched"


@define
class _Durations:
    """A histogram, without the locks of the library's: requests are counted in one thread."""

    #: How many were in each bucket and in none before it; the last one has no bound.
    counts: list[int] = field(factory=lambda: [0] * (len(_REQUEST_S) + 1))
    sum_s: float = 0.0

    def cumulated(self) -> list[tuple[str, float]]:
        """Return each bound with how many were not above it."""
        bounds = map(floatToGoString, (*_REQUEST_S, INF))
        return list(zip(bounds, accumulate(self.counts), strict=True))


class RequestMetrics:
    """Counts requests, by the path as the route has it: never by what a caller has made up."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._faults = Counter(
            "ingest_http_faults_total",
            "HTTP requests answered 500: faults of the service.",
            registry=registry,
        )
        self.streams = Gauge(
            "ingest_event_streams_open",
            "Event streams of executions that are open.",
            registry=registry,
        )
        self._counts: dict[tuple[str, str, str], int] = {}
        self._durations: dict[tuple[str, str], _Durations] = {}
        registry.register(self)

    def answered(self, route: str, method: str, status: str, took_s: float) -> None:
        """Count a request, and how long it took."""
        method = self.streamed(route, method, status)
        durations = self._durations.get((route, method))
        if durations is None:
            durations = self._durations[route, method] = _Durations()
        durations.counts[bisect_left(_REQUEST_S, took_s)] += 1
        durations.sum_s += took_s
        if status == _FAULT:
            # There from the start, unlike the status: to Prometheus the first one is a rise too.
            self._faults.inc()

    def streamed(self, route: str, method: str, status: str) -> str:
        """Count a request that was answered with a stream: its length says nothing.

        Returns the method, as it is counted.
        """
        method = method if method in _METHODS else _OTHER
        key = (route, method, status)
        self._counts[key] = self._counts.get(key, 0) + 1
        return method

    def collect(self) -> Iterator[Metric]:
        """Yield what was counted."""
        requests = CounterMetricFamily(
            "ingest_http_requests",
            "HTTP requests answered, by route, method and status.",
            labels=["route", "method", "status"],
        )
        for key, count in self._counts.items():
            requests.add_metric(key, count)
        durations = HistogramMetricFamily(
            "ingest_http_request_duration_seconds",
            "How long it took to answer HTTP requests, event streams aside.",
            labels=["route", "method"],
        )
        for labels, found in self._durations.items():
            durations.add_metric(labels, buckets=found.cumulated(), sum_value=found.sum_s)
        yield from (requests, durations)
