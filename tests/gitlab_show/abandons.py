"""Abandons while requests hang, beside abandons of runs that nothing holds up."""

import statistics
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Final

from attrs import define, frozen

from tests.gitlab_show.connections import established
from tests.gitlab_show.fake import Fake, fake_gitlab
from tests.gitlab_show.report import Table
from tests.gitlab_show.service import Service, service
from tests.gitlab_show.stage import Stage
from tests.gitlab_show.waiting import until

#: How many requests the service sends at once, as it is configured by default.
_AT_ONCE: Final = 16

#: How much longer than that of a run that is not held up an abandon may take.
_LONGER_MS: Final = 200.0

_LOG: Final = "/repository/commits"


@frozen
class _Hold:
    """What holds up a run, and how to know that it does."""

    name: str
    order: Callable[[Fake], None]
    wait: Callable[[Fake], None]
    #: Whether every connection waits for an answer.
    hangs: bool = False


def _order_nothing(_: Fake) -> None:
    """Let the run go on."""


def _until_reading(fake: Fake) -> None:
    until(lambda: fake.requests()["total"] > 2 * _AT_ONCE, "items are being read")


def _until_paused(fake: Fake) -> None:
    def is_paused() -> bool:
        return fake.done() > 0 and fake.requests()["inFlight"] == 0

    until(is_paused, "all requests are held back")


_FREE: Final = _Hold("nothing", _order_nothing, _until_reading)
_HOLDS: Final = (
    _Hold(
        f"{_AT_ONCE} requests without an answer",
        lambda fake: fake.order("stall", _LOG),
        lambda fake: fake.until_hanging(_AT_ONCE),
        hangs=True,
    ),
    _Hold(
        f"{_AT_ONCE} documents that stop half-way",
        lambda fake: fake.order("slow_body", "/repository/files/"),
        lambda fake: fake.until_hanging(_AT_ONCE),
        hangs=True,
    ),
)
_PAUSE: Final = _Hold(
    "429 with Retry-After: 60",
    lambda fake: fake.order("status", _LOG, status=429, headers={"Retry-After": "60"}),
    _until_paused,
)


@define
class _Abandons:
    """Runs that are abandoned again and again."""

    stage: Stage
    fake: Fake
    ours: Service
    table: Table

    def measure(self, hold: _Hold, times: int) -> list[float]:
        """Abandon runs that are held up in this way; return the milliseconds of each."""
        took_ms = []
        for number in range(times):
            self.stage.say(f"abandon {number + 1} of {times}, {hold.name}")
            self.ours.empty()
            self.fake.clear_requests()
            hold.order(self.fake)
            self.ours.start()
            hold.wait(self.fake)
            _, took_s = self.ours.abandon()
            took_ms.append(took_s * 1000)
            self._watch(hold)
            self.fake.clear_faults()
        return took_ms

    def _watch(self, hold: _Hold) -> None:
        """See whether anything comes after the answer, and what has become of connections."""
        must = self.table.must
        connections = established(self.ours.pid, self.fake.port)
        heard = self.fake.requests()["total"]
        time.sleep(self.stage.sizes.watch_s)
        later = self.fake.requests()
        must(later["total"] == heard, f"{hold.name}: {later['total'] - heard} requests afterwards")
        must(later["inFlight"] == 0, f"{hold.name}: {later['inFlight']} requests still wait")
        if hold.hangs:
            must(connections == 0, f"{hold.name}: {connections} connections after the answer")


def show(stage: Stage) -> Iterable[Table]:
    """Abandon runs that are not held up, and such that are; then let one run to its end."""
    sizes = stage.sizes
    table = Table(
        title="PUT /abandon while requests hang",
        note=(
            f"The fake was watched for {sizes.watch_s:g} s after each answer: no request came, and "
            "none waited any more. At the answer, no connection is left on which a request hung."
        ),
    )
    bank, folder = stage.bank(sizes.abandoned), stage.folder / "abandons"
    with ExitStack() as stack:
        fake = stack.enter_context(fake_gitlab(bank, folder, seed=stage.seed))
        ours = stack.enter_context(service(fake, folder, gitlab_listing="graphql"))
        abandons = _Abandons(stage, fake, ours, table)
        free = abandons.measure(_FREE, sizes.abandons)
        for hold in (_FREE, *_HOLDS):
            took_ms = free if hold is _FREE else abandons.measure(hold, sizes.abandons)
            _add(table, hold, took_ms, free)
        ours.empty()
        run = ours.outcome()
        found = run.status, run.counts["created"]
        table.must(found == ("COMPLETED", sizes.abandoned), f"the next run: {found}, {run.message}")
        # Last, and once: the pause that GitLab asks for holds the next run back as well.
        _add(table, _PAUSE, abandons.measure(_PAUSE, 1), free)
    yield table


def _add(table: Table, hold: _Hold, took_ms: list[float], free_ms: list[float]) -> None:
    longer_ms = max(took_ms) - statistics.median(free_ms)
    table.rows.append(
        {
            "held up by": hold.name,
            "abandons": len(took_ms),
            "median, ms": statistics.median(took_ms),
            "worst, ms": max(took_ms),
            "worst beside the median of those not held up, ms": longer_ms,
        }
    )
    table.must(
        hold is _FREE or longer_ms <= _LONGER_MS,
        f"{hold.name}: {max(took_ms):.0f} ms, {longer_ms:.0f} ms longer",
    )
