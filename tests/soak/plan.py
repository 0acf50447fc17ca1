"""What is done in which round: all of it drawn from the seed."""

import signal
from random import Random
from typing import Any

from attrs import field, frozen

from tests.soak.phases import (
    AFTER_ABANDON,
    AFTER_START,
    ANY,
    BEFORE_IT_SERVES,
    PHASES,
    READY,
    SHUTDOWN,
    STOPPING,
    TERM,
    TERM_EARLY,
    TERM_WAYS,
    TERM_WAYS_EARLY,
    Mix,
    Phase,
    Step,
)

Json = dict[str, Any]


@frozen(kw_only=True)
class RoundPlan:
    """One process's life, and what is done to it."""

    number: int
    phase: str
    mix: Mix
    #: What the fuse is told; None where the blow comes from outside.
    steps: tuple[Step, ...] | None
    delay_s: float
    #: Signal numbers, and how long after the one before.
    signals: tuple[tuple[int, float], ...]
    clients: int
    items_per_second: float | None
    within_s: float
    removals: int
    #: When a blow from outside comes, after the clients have begun.
    after_s: float
    #: A process of its own, and no fork.
    is_executed: bool
    #: Draws whatever else is to be drawn.
    seed: str = field(repr=False)

    @property
    def by_signal(self) -> bool:
        """Whether the process is asked to end, and not killed."""
        return self.phase in (TERM, TERM_EARLY)

    @property
    def in_mid_abandon(self) -> bool:
        """Whether the blow comes when an abandon is certainly under way."""
        return self.steps is not None and "STOPPING," in self.steps[-1][1]

    def fuse(self, report: str) -> Json | None:
        """Return what the victim is to lay."""
        if self.steps is None:
            return None
        return {
            "steps": self.steps,
            "delay_s": self.delay_s,
            "signals": self.signals,
            "report": report,
        }


def kill_round(seed: int, number: int) -> RoundPlan:
    """Draw a round that ends with SIGKILL."""
    rng = Random(f"{seed}/kill/{number}")  # noqa: S311 - to be repeated, not to be secret
    phase = _phase(seed, number)
    # Executed as people do it is dear, and is only killed from outside.
    is_executed = phase in (AFTER_ABANDON, AFTER_START, ANY) and rng.randrange(4) == 0
    return _draw(
        rng,
        phase,
        number=number,
        ways=PHASES[phase].ways,
        mix=PHASES[phase].mix,
        signals=((int(signal.SIGKILL), 0.0),),
        is_executed=is_executed,
        seed=f"{seed}/kill/{number}/more",
    )


def _phase(seed: int, number: int) -> str:
    """Deal the phases from a shuffled deck, so that few rounds meet each of them as well."""
    deck = [name for name, phase in PHASES.items() for _ in range(phase.weight)]
    deal, card = divmod(number, len(deck))
    Random(f"{seed}/deck/{deal}").shuffle(deck)  # noqa: S311
    return deck[card]


def term_round(seed: int, number: int) -> RoundPlan:
    """Draw a round that ends with SIGTERM or SIGINT, or two of them."""
    rng = Random(f"{seed}/term/{number}")  # noqa: S311
    first = int(rng.choice((signal.SIGTERM, signal.SIGTERM, signal.SIGINT)))
    signals: tuple[tuple[int, float], ...] = ((first, 0.0),)
    if rng.randrange(5) == 0:
        signals += ((int(signal.SIGTERM), rng.choice((0.0, 0.01, 0.1))),)
    is_early = rng.randrange(6) == 0
    is_outside = not is_early and rng.randrange(3) == 0
    ways = () if is_outside else TERM_WAYS_EARLY if is_early else TERM_WAYS
    return _draw(
        rng,
        TERM_EARLY if is_early else TERM,
        number=number,
        ways=ways,
        mix=STOPPING,
        signals=signals,
        is_executed=is_outside and number % 8 == 0,
        seed=f"{seed}/term/{number}/more",
    )


def _draw(
    rng: Random, phase: str, *, ways: tuple[tuple[Step, ...], ...], number: int, **rest: Any
) -> RoundPlan:
    steps: tuple[Step, ...] | None = None
    if ways:
        first, *others = rng.choice(ways)
        is_early = phase in BEFORE_IT_SERVES or phase == TERM_EARLY
        times = 1 if is_early or phase == SHUTDOWN else rng.choice((1, 1, 1, 1, 2))
        steps = ((first[0], first[1], first[2] * times), *others)
        if not is_early:
            # What a process does before it serves is recovery, whatever it resembles.
            steps = (READY, *steps)
    kind = PHASES.get(phase, Phase(delay_ms=5.0, within_s=1.5))
    return RoundPlan(
        number=number,
        phase=phase,
        steps=steps,
        delay_s=rng.choice((0.0, rng.random())) * kind.delay_ms / 1000,
        within_s=kind.within_s,
        removals=kind.removals,
        clients=rng.randint(2, 4),
        items_per_second=rng.choice(kind.rates),
        after_s=rng.uniform(0.02, 0.5),
        **rest,
    )
