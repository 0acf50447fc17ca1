"""Job control under arbitrary programs of clients, jobs and accidents, held against a model."""

import argparse
import random
import time
from collections import Counter

from tests.machine.machine import JobControlMachine
from tests.machine.running import run_briefly, run_for

#: How many programs the tests' form runs.
BRIEF_EXAMPLES = 60


def main() -> None:
    """Run the machine, and say what it did."""
    parser = argparse.ArgumentParser(prog="scripts/machine", description=__doc__)
    parser.add_argument("--steps", type=int, default=20_000, help="how many rules to carry out")
    parser.add_argument("--seed", type=int, help="to have a run again")
    parser.add_argument("--quick", action="store_true", help="the form that the tests run")
    parser.add_argument("--no-shrink", action="store_true", help="print what fails as it was found")
    options = parser.parse_args()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    begun = time.monotonic()
    try:
        if options.quick:
            run_briefly(examples=BRIEF_EXAMPLES)
        else:
            run_for(options.steps, seed=seed, shrink=not options.no_shrink)
    finally:
        _print_counts("answers", JobControlMachine.answers)
        _print_counts("steps", JobControlMachine.steps)
        which = "the quick form" if options.quick else f"seed {seed}"
        print(
            f"{JobControlMachine.steps.total()} steps in {JobControlMachine.programs} programs, "
            f"{which}, {time.monotonic() - begun:.0f} s"
        )


def _print_counts(title: str, counts: Counter[str]) -> None:
    print(title)
    for name, times in sorted(counts.items()):
        print(f"  {name:36} {times:>8}")


if __name__ == "__main__":
    main()
