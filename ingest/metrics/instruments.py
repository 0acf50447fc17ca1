"""All metrics of one application, and their form for Prometheus."""

import platform
import sqlite3
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Final

from attrs import define
from prometheus_client import CollectorRegistry, GCCollector, Histogram, Info
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder

from ingest.metrics.jobs import JobMetrics
from ingest.metrics.process import OwnProcess
from ingest.metrics.requests import RequestMetrics
from ingest.metrics.state import StateMetrics
from ingest.storage.schema import NEWEST

_LAG_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)


class Metrics:
    """Everything that is measured of one application. Nothing is global: tests run many.

    Args:
        job_names: The jobs there are.
    """

    def __init__(self, job_names: Iterable[str]) -> None:
        self._registry = registry = CollectorRegistry()
        self.jobs = JobMetrics(job_names, registry)
        self.requests = RequestMetrics(registry)
        self.state = StateMetrics()
        registry.register(self.state)
        self._lags = Histogram(
            "ingest_event_loop_lag_seconds",
            "How late the event loop was, ten times a second.",
            buckets=_LAG_S,
            registry=registry,
        )
        build = Info("ingest_build", "What runs here.", registry=registry)
        build.info(
            {
                "version": version("item-ingest-service"),
                "python": platform.python_version(),
                "sqlite": sqlite3.sqlite_version,
                "schema": NEWEST,
            }
        )
        OwnProcess(registry=registry)
        GCCollector(registry=registry)

    def loop_was_late(self, lag_s: float) -> None:
        """Count a turn of the event loop, and how late it was."""
        self._lags.observe(lag_s)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics in the form that an Accept header asks for, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(_WithoutCreated(self._registry)), content_type


@define
class _WithoutCreated:
    """The registry's metrics without the times at which each child was made.

    The library would add one to each counter and each histogram, which Prometheus does not read
    unless it is told to; and to leave them out it has only a switch for the whole process.
    """

    registry: CollectorRegistry

    def collect(self) -> Iterator[Metric]:
        for family in self.registry.collect():
            family.samples = [one for one in family.samples if not one.name.endswith("_created")]
            yield family
