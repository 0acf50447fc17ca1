"""How much is measured, and what is found out on the way."""

from collections import defaultdict
from collections.abc import Callable

from attrs import evolve, field, frozen

from tests.bench.processes import Place, service


@frozen(kw_only=True)
class Plan:
    """How much is measured, and where."""

    items: int
    abandons: int
    starts: int
    repetitions: int
    place: Place
    say: Callable[[str], None]
    #: The most memory that the service took, in bytes, by the row that it was measured for.
    peaks: defaultdict[str, list[float]] = field(factory=lambda: defaultdict(list))

    def tenth(self) -> "Plan":
        """Return a plan for a tenth of the bank, once each."""
        items = max(1, self.items // 10)
        place = self.place.part(items)
        return evolve(self, items=items, repetitions=1, place=place, peaks=defaultdict(list))

    def synchronize(self) -> None:
        """See to it that there is a synchronized database to copy."""
        if not self.place.synchronized.exists():
            self.say("a first sync, for others to begin with")
            with service(self.place) as ours:
                ours.run("/sync")
            self.place.keep(ours.database)
