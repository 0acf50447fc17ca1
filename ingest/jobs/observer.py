"""Who is told how jobs fare: the seam between the jobs and what counts them."""

from collections.abc import Sequence
from typing import Protocol

from ingest.model.job import Counts, JobExecution


class JobObserver(Protocol):
    """Is told of everything that happens to jobs, as it happens, in the event loop.

    Called between two steps of a start, a write or an end: it must neither raise nor take time.
    """

    def start_answered(self, job_name: str, outcome: str, took_s: float) -> None:
        """Somebody asked for a start, and it was STARTED, or refused for what *outcome* names."""

    def abandon_answered(self, job_name: str, outcome: str, took_s: float) -> None:
        """Somebody asked for an abandon; *outcome* says what came of it."""

    def began(self, job_name: str) -> None:
        """An execution is on record, and its work begins."""

    def wrote(self, job_name: str, added: Counts, processed: int, total: int | None) -> None:
        """A write of the running execution is committed.

        *processed* is how many items it was for; *total* is given when it became known.
        """

    def ended(self, job_name: str, execution: JobExecution | None) -> None:
        """An execution's end is on record; None where its row is gone."""


class Nobody:
    """An observer who does not care."""

    def start_answered(self, job_name: str, outcome: str, took_s: float) -> None:
        """See `JobObserver`."""

    def abandon_answered(self, job_name: str, outcome: str, took_s: float) -> None:
        """See `JobObserver`."""

    def began(self, job_name: str) -> None:
        """See `JobObserver`."""

    def wrote(self, job_name: str, added: Counts, processed: int, total: int | None) -> None:
        """See `JobObserver`."""

    def ended(self, job_name: str, execution: JobExecution | None) -> None:
        """See `JobObserver`."""


class Observers:
    """Several observers, who are told one after the other."""

    def __init__(self, observers: Sequence[JobObserver]) -> None:
        self._observers = observers

    def start_answered(self, job_name: str, outcome: str, took_s: float) -> None:
        """See `JobObserver`."""
        for one in self._observers:
            one.start_answered(job_name, outcome, took_s)

    def abandon_answered(self, job_name: str, outcome: str, took_s: float) -> None:
        """See `JobObserver`."""
        for one in self._observers:
            one.abandon_answered(job_name, outcome, took_s)

    def began(self, job_name: str) -> None:
        """See `JobObserver`."""
        for one in self._observers:
            one.began(job_name)

    def wrote(self, job_name: str, added: Counts, processed: int, total: int | None) -> None:
        """See `JobObserver`."""
        for one in self._observers:
            one.wrote(job_name, added, processed, total)

    def ended(self, job_name: str, execution: JobExecution | None) -> None:
        """See `JobObserver`."""
        for one in self._observers:
            one.ended(job_name, execution)
