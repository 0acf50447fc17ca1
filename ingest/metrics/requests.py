"""What is measured of HTTP requests."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

#: Most answers take milliseconds; an abandon takes as long as its grace.
_REQUEST_S: Final = (0.005, 0.025, 0.1, 0.5, 2.5, 10, 30)

#: What other verbs than these are counted as: a client may make up any.
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
_OTHER: Final = "other"

_FAULT: Final = "500"

#: What was asked for where no route fits.
UNMATCHED: Final = "unmatched"


class RequestMetrics:
    """Counts requests, by the path as the route has it: never by what a caller has made up."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "ingest_http_requests_total",
            "HTTP requests answered, by route, method and status.",
            ["route", "method", "status"],
            registry=registry,
        )
        self._faults = Counter(
            "ingest_http_faults_total",
            "HTTP requests answered 500: faults of the service.",
            registry=registry,
        )
        self._durations = Histogram(
            "ingest_http_request_duration_seconds",
            "How long it took to answer HTTP requests, event streams aside.",
            ["route", "method"],
            buckets=_REQUEST_S,
            registry=registry,
        )
        self.streams = Gauge(
            "ingest_event_streams_open",
            "Event streams of executions that are open.",
            registry=registry,
        )
        # To look a child up by its labels takes longer than to count.
        self._known: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}

    def answered(self, route: str, method: str, status: str, took_s: float) -> None:
        """Count a request, and how long it took."""
        counter, histogram = self._children(route, method, status)
        counter.inc()
        histogram.observe(took_s)
        if status == _FAULT:
            # There from the start, unlike the status: to Prometheus the first one is a rise too.
            self._faults.inc()

    def streamed(self, route: str, method: str, status: str) -> None:
        """Count a request that was answered with a stream: its length says nothing."""
        self._children(route, method, status)[0].inc()

    def _children(self, route: str, method: str, status: str) -> tuple[Counter, Histogram]:
        key = (route, method if method in _METHODS else _OTHER, status)
        found = self._known.get(key)
        if found is None:
            found = self._requests.labels(*key), self._durations.labels(*key[:2])
            self._known[key] = found
        return found
