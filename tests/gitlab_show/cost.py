"""What synchronizations cost in requests, beside the least possible, in time and in memory."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from attrs import define, field

from tests.bench import straight
from tests.bench.digests import differing, digests
from tests.gitlab_show import least
from tests.gitlab_show.banks import Authors, authors, keys_of, spread
from tests.gitlab_show.fake import Fake, fake_gitlab
from tests.gitlab_show.report import Table
from tests.gitlab_show.service import Run, Service, service
from tests.gitlab_show.stage import Stage

CHANGED_ITEMS: Final = 10

#: A listing looks at the group before it begins and when it has ended.
_LOOKS: Final = 2

#: What the peak may be, by that of the smallest bank.
_MEMORY_RATIO_MAX: Final = 1.2

_MB: Final = 1_000_000

_NOTE: Final = (
    "Least: a page for every 100 projects; by REST without a cursor, one request more for each "
    "project; for each item that has changed a page of its log for every 100 commits, its root "
    "folder, and item.json at each commit that changed it. “Full check” is what every Nth "
    "synchronization by REST does. Made: as the service counts; the fake has counted as many."
)


@define
class _Case:
    """One bank, listed in one way, by one process."""

    name: str
    items: int
    bank: Path
    fake: Fake
    ours: Service
    people: Authors
    table: Table
    #: What the first synchronization has left.
    stored: dict[str, str] = field(factory=dict)

    def measure(self, what: str, least_made: int, *, spare: int, **counts: int) -> None:
        """Synchronize; *spare* is what it may ask beside the least and the group."""
        self.fake.clear_requests()
        run = self.ours.outcome()
        heard = self.fake.requests()["total"]
        self.table.rows.append(
            {
                "listing": self.name,
                "items": self.items,
                "synchronization": what,
                "made": run.made,
                "least": least_made,
                "ratio": run.made / least_made,
                "seconds": run.took_s,
                "requests/s": run.made / run.took_s,
                "peak, MB": self.ours.peak_bytes() / _MB,
            }
        )
        self.stored = self.stored or digests(self.ours.database)
        self._judge(f"{self.name}, {self.items} items, {what}", run, heard, counts)
        most = least_made + _LOOKS + spare
        self.table.must(
            run.made <= most, f"{self.name}, {what}: {run.made} requests made, {most} are enough"
        )

    def change(self) -> None:
        """Let some items change."""
        for key in spread(keys_of(self.bank), CHANGED_ITEMS):
            self.people.commit(key)

    def _judge(self, name: str, run: Run, heard: int, counts: dict[str, int]) -> None:
        must = self.table.must
        must(run.status == "COMPLETED", f"{name}: {run.status}, {run.message}")
        must(run.made == heard, f"{name}: {run.made} requests told, {heard} heard by the fake")
        for count, expected in counts.items():
            found = run.counts[count]
            must(found == expected, f"{name}: {found} {count}, not {expected}")
        try:
            straight.unchanged(self.bank, self.ours.database)
        except ValueError as error:
            must(holds=False, what=f"{name}: {error}")


def show(stage: Stage) -> Iterable[Table]:
    """Synchronize banks of several sizes, listed in either way."""
    table = Table(title="Requests, beside the least possible", note=_NOTE)
    stored = {
        items: _measure(stage, table, "graphql", items, _by_graphql)
        for items in stage.sizes.graphql
    }
    rest = stage.sizes.rest
    different = differing(stored[rest], _measure(stage, table, "group", rest, _by_rest))
    table.must(not different, f"other rows by GraphQL than by REST: {', '.join(different)}")
    _bound_memory(table)
    yield table


def _bound_memory(table: Table) -> None:
    """Compare the peaks of first synchronizations, those of the service's first minutes."""
    peaks = [
        float(row["peak, MB"] or 0)
        for row in table.rows
        if (row["listing"], row["synchronization"]) == ("graphql", "first")
    ]
    table.must(
        max(peaks) <= peaks[0] * _MEMORY_RATIO_MAX,
        f"{max(peaks):.0f} MB with the largest bank, {peaks[0]:.0f} MB with the smallest",
    )


def _by_graphql(case: _Case) -> None:
    listing, items = least.pages(case.items), case.items
    # Of an item with several commits it is asked which of them changed the document.
    case.measure("first", listing + least.reading_all(case.bank), spare=items, created=items)
    case.measure("unchanged", listing, spare=0, unchanged=items, read=0)
    case.change()
    case.measure("10 changed", listing + _pushed(), spare=0, updated=CHANGED_ITEMS)


def _by_rest(case: _Case) -> None:
    listing, items = least.pages(case.items), case.items
    everything = listing + least.reading_all(case.bank) + items
    case.measure("first", everything, spare=items, created=items)
    case.measure("unchanged", listing, spare=0, unchanged=items, read=0)
    case.measure("unchanged, full check", listing + items, spare=0, unchanged=items, read=0)
    case.change()
    changed = listing + CHANGED_ITEMS + _pushed()
    case.measure("10 changed", changed, spare=0, updated=CHANGED_ITEMS)
    case.change()
    changed = listing + items + _pushed()
    case.measure("10 changed, full check", changed, spare=0, updated=CHANGED_ITEMS)


def _pushed() -> int:
    return CHANGED_ITEMS * least.READING_A_PUSH


def _measure(
    stage: Stage, table: Table, name: str, items: int, steps: Callable[[_Case], None]
) -> dict[str, str]:
    """Go through the steps with one bank; return what the first of them has stored."""
    stage.say(f"cost of {items:,} items, listing = {name}")
    bank, folder = stage.bank(items), stage.folder / f"cost-{name}-{items}"
    with (
        authors(bank) as people,
        fake_gitlab(bank, folder, seed=stage.seed) as fake,
        # A full check every second time: so that one process shows it with a cursor and without.
        service(fake, folder, gitlab_listing=name, gitlab_full_check_every=2) as ours,
    ):
        case = _Case(name, items, bank, fake, ours, people, table)
        steps(case)
    return case.stored
