"""Every suspension point of a run, interrupted once, in each way in which a run can be."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tests.points.cases import JOBS, Case
from tests.points.enumeration import LONG_S, Enumeration, stride
from tests.points.interruptions import INTERRUPTIONS, abandoned

pytestmark = pytest.mark.timeout(LONG_S)

ROOT = Path(__file__).parents[2]

#: There are few enough for all of them.
EVERY = 1


@pytest.mark.parametrize("way", INTERRUPTIONS)
def test_a_run_interrupted_anywhere_ends_truly(
    case: Case, way: str, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    """Cancelled, shut down, abandoned without grace: a true end, and the next run works."""
    points = Enumeration(f"{case.name}, {way}", stride(EVERY))
    passed = 0
    for number in points.numbers():
        at = f"point {number}"
        found = points.attempt(at, INTERRUPTIONS[way](case, tmp_path / "ingest.db", number))
        if found is not None:
            points.note(at, found.status, found.wrong)
            passed = found.passed
            if not found.reached:
                break
    tell(points.summary(passed))
    points.judge()


def test_an_abandon_anywhere_comes_to_an_honest_end(
    case: Case, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    """Its caller goes away at any point of its own; who asks again gets the truth."""
    points = Enumeration(f"{case.name}, abandon", stride(EVERY))
    passed, reached = 0, True
    for number in points.numbers():
        for leaves_at in count(1):
            at = f"point {number}, caller gone at {leaves_at}"
            found = points.attempt(at, abandoned(case, tmp_path / "ingest.db", number, leaves_at))
            if found is None:
                break
            points.note(at, found.status, found.wrong)
            passed, reached = found.passed, found.reached
            if not found.left:
                break
        if not reached:
            break
    tell(points.summary(passed))
    points.judge()


def test_a_process_killed_anywhere_leaves_what_the_next_one_repairs(
    cases_folder: Path, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    """The new owner records the orphan as FAILED, and the job started at once completes."""
    every = stride(EVERY)
    first = next(Enumeration("kill", every).numbers())
    program = [sys.executable, "-m", "tests.points.kills"]
    done = subprocess.run(
        [*program, str(cases_folder), str(tmp_path), str(first), str(every)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["job"] for one in seen] == list(JOBS)
    both = []
    for one in seen:
        points = Enumeration(f"{one['job']}, kill", every, began=time.monotonic() - one["took_s"])
        points.statuses.update(one["statuses"])
        points.runs = points.statuses.total()
        points.wrong = [f"{one['job']}, kill, {wrong}" for wrong in one["wrong"]]
        tell(points.summary(one["points"]))
        both.append(points)
    for points in both:
        points.judge()
