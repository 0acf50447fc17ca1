"""Job control under arbitrary programs; ``scripts/machine`` runs many more of them."""

import pytest

from tests.machine.__main__ import BRIEF_EXAMPLES
from tests.machine.jobs import Script
from tests.machine.machine import JobControlMachine
from tests.machine.running import prepared, run_briefly


@pytest.mark.timeout(180)  # a failure is shrunk before it is shown
def test_whatever_is_done_in_whatever_order_the_rules_of_job_control_hold() -> None:
    """Two clients, jobs of all kinds, locks, spoilt commits, crashes: see ``tests/machine``."""
    run_briefly(examples=BRIEF_EXAMPLES)


def test_a_drain_ends_although_the_database_stays_locked() -> None:
    """It does not wait for what settles a failed start, stopped in the middle of an attempt."""
    with prepared():
        machine = JobControlMachine()
        machine.begin_first_start(job=Script(prompt=False))
        machine.database_locked(steps=100)
        machine.begin_start(at=0, job=Script())
        machine.settle()
        machine.begin_drain(grace_s=0.5)
        machine.settle()
        # The next attempt begins, and is not carried out before the grace is over.
        machine.stall(seconds=0.3)
        machine.stall(seconds=0.3)
        machine.pass_time(seconds=6.0)
        assert machine.world.asked == []
        machine.teardown()
