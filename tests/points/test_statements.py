"""Every SQL statement of a run, failing once, and failing from then on until the cause is gone."""

from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import define, field

from tests.points.cases import Case
from tests.points.enumeration import LONG_S, Enumeration, stride
from tests.points.failing import Lasts, failing
from tests.points.faults import Fault

pytestmark = pytest.mark.timeout(LONG_S)

#: At all statements it takes three minutes.
EVERY = 9

_NAMES = {fault: fault.name.lower() for fault in Fault}


@define
class Seen:
    """What one enumeration of a run's statements showed."""

    points: Enumeration
    statements: int = 0
    #: The single faults that cost the run its success.
    failed: list[str] = field(factory=list)


GoThrough = Callable[[Case, Fault, Lasts], Seen]


@pytest.fixture(scope="module")
def go_through(tmp_path_factory: pytest.TempPathFactory) -> GoThrough:
    """Goes through the statements of a case with a fault; once for all tests."""
    path = tmp_path_factory.mktemp("statements") / "ingest.db"
    known: dict[tuple[str, Fault, Lasts], Seen] = {}

    def one(case: Case, fault: Fault, lasts: Lasts) -> Seen:
        key = (case.name, fault, lasts)
        if key not in known:
            known[key] = _go_through(case, path, fault, lasts)
        return known[key]

    return one


def _go_through(case: Case, path: Path, fault: Fault, lasts: Lasts) -> Seen:
    title = f"{case.name}, {fault.name} {lasts.value}"
    seen = Seen(Enumeration(title, 1 if fault.commits else stride(EVERY)))
    for number in seen.points.numbers():
        at = f"statement {number}"
        found = seen.points.attempt(at, failing(case, path, fault, number, lasts))
        if found is None:
            continue
        at = f"{at} ({found.hit})"
        seen.points.note(at, found.status, found.wrong)
        if found.status == "FAILED":
            seen.failed.append(at)
        seen.statements = found.statements
        if found.hit is None:
            break
    return seen


@pytest.mark.parametrize("fault", Fault, ids=_NAMES.get)
@pytest.mark.parametrize("lasts", Lasts, ids=lambda lasts: lasts.name.lower())
def test_a_statement_that_fails_costs_the_truth_nothing(
    case: Case,
    fault: Fault,
    lasts: Lasts,
    go_through: GoThrough,
    tell: Callable[[str], None],
) -> None:
    """What is told is so, counts are what was written, and without the cause all is well again."""
    seen = go_through(case, fault, lasts)
    tell(seen.points.summary(seen.statements))
    seen.points.judge()


@pytest.mark.parametrize("fault", Fault, ids=_NAMES.get)
@pytest.mark.parametrize("lasts", [Lasts.ONCE, Lasts.A_WHILE], ids=lambda lasts: lasts.name.lower())
def test_a_fault_that_passes_does_not_cost_the_run(
    case: Case, fault: Fault, lasts: Lasts, go_through: GoThrough
) -> None:
    """A cause that is gone by the next attempt leaves a run that has been started COMPLETED."""
    failed = go_through(case, fault, lasts).failed
    if failed:
        pytest.fail("\n".join(["the execution FAILED for:", *failed]), pytrace=False)
