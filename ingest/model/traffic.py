"""What was asked of a bank behind a network, and on whose behalf."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from attrs import define, frozen


@frozen(kw_only=True)
class Traffic:
    """How much was asked of a bank. A bank on this machine is asked nothing."""

    #: Requests sent, those that were sent again among them.
    requests: int = 0
    #: Requests sent again, after a failure or because the bank was asked too often.
    retried: int = 0
    #: For how long requests were held back: the bank's limits, and pauses after failures.
    waited_s: float = 0.0


@define
class Meter:
    """Counts what is asked of the bank, by all tasks that work for the same run."""

    requests: int = 0
    retried: int = 0
    waited_s: float = 0.0

    @property
    def traffic(self) -> Traffic:
        """What was counted so far."""
        return Traffic(
            requests=self.requests, retried=self.retried, waited_s=round(self.waited_s, 3)
        )


_current: ContextVar[Meter | None] = ContextVar("meter", default=None)


@contextmanager
def metered(meter: Meter) -> Iterator[None]:
    """Count on *meter* what this context asks, and the tasks that are made in it."""
    before = _current.set(meter)
    try:
        yield
    finally:
        _current.reset(before)


def current_meter() -> Meter:
    """Return the meter of the run that asks; one that nobody reads where none does."""
    return _current.get() or Meter()
