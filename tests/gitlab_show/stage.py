"""Where it all takes place, and how much of it there is."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

from tests.gitlab_show.banks import bank_of, part_of


@frozen
class Way:
    """What goes on while others push."""

    name: str
    is_beside: bool = False
    is_killed: bool = False
    #: How many of the pushes are made, in the same time.
    share: float = 1.0


_FEWER: Final = Way("a fifth of them", share=0.2)
_CALM: Final = Way("nothing else")
_BESIDE: Final = Way("synchronizations beside", is_beside=True)
_KILLED: Final = Way("kill -9 in the middle", is_killed=True)
_KILLED_BESIDE: Final = Way("both", is_beside=True, is_killed=True)


@frozen(kw_only=True)
class Sizes:
    """How much is shown."""

    #: Of the bank that is made; the others are parts of it.
    items: int
    #: Of the banks that are listed by GraphQL, ascending, and by REST.
    graphql: Sequence[int]
    rest: int
    #: Of the bank that has bad days.
    disturbed: int
    disturbed_listings: Sequence[str]
    #: Of the bank of which pages and rights are withheld; more than a page.
    failing: int
    #: What a 429 asks for.
    retry_after_s: int
    #: How often a request is sent that fails for good, and how many of those a run puts up with.
    attempts: int
    failures_in_a_row: int
    #: How many pushes, to how many items, in how many seconds; and in which ways.
    pushes: int
    pushed_items: int
    push_s: float
    push_ways: Sequence[Way]
    #: Of the bank whose synchronizations are abandoned, how often, and for how long the fake is
    #: watched afterwards.
    abandoned: int
    abandons: int
    watch_s: float


LONG: Final = Sizes(
    items=20_000,
    graphql=(2_000, 20_000),
    rest=2_000,
    disturbed=400,
    disturbed_listings=("graphql", "group"),
    failing=250,
    retry_after_s=1,
    attempts=6,
    failures_in_a_row=10,
    pushes=1_000,
    pushed_items=700,
    push_s=10.0,
    push_ways=(_FEWER, _CALM, _BESIDE, _KILLED, _KILLED_BESIDE),
    abandoned=300,
    abandons=20,
    watch_s=3.0,
)

QUICK: Final = Sizes(
    items=120,
    graphql=(120,),
    rest=120,
    disturbed=3,
    disturbed_listings=("graphql",),
    failing=120,
    retry_after_s=0,
    attempts=2,
    failures_in_a_row=1,
    pushes=100,
    pushed_items=70,
    push_s=1.0,
    push_ways=(_KILLED,),
    abandoned=40,
    abandons=1,
    watch_s=0.1,
)


@frozen(kw_only=True)
class Stage:
    """Where a show takes place."""

    sizes: Sizes
    #: Holds banks from run to run.
    banks: Path
    #: Holds databases and logs of this run.
    folder: Path
    seed: int
    say: Callable[[str], None]

    def bank(self, items: int) -> Path:
        """Return a bank of so many items, at most as many as the whole one has."""
        whole = bank_of(self.banks, self.sizes.items)
        return whole if items == self.sizes.items else part_of(whole, items, self.folder)
