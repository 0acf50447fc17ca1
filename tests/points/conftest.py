"""The cases of the enumerations, and the lines that these tell in the end."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import stamina
import structlog

from tests.points.cases import JOBS, Case, make_cases

_TOLD = pytest.StashKey[list[str]]()

Tell = Callable[[str], None]


@pytest.fixture(autouse=True)
def _short_and_silent() -> Iterator[None]:
    """Retry without waiting, and leave out the logs of thousands of runs."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    stamina.set_testing(True, attempts=1_000_000, cap=True)
    yield
    stamina.set_testing(False)


@pytest.fixture(scope="session")
def cases_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bank and the databases of all cases: nobody may change them."""
    folder = tmp_path_factory.mktemp("cases")
    asyncio.run(make_cases(folder))
    return folder


@pytest.fixture(scope="session", params=JOBS)
def case(request: pytest.FixtureRequest, cases_folder: Path) -> Case:
    """Each job's case."""
    return Case.load(cases_folder, request.param)


@pytest.fixture
def tell(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Tell:
    """Tells a line that is shown when all tests have run."""

    def one(line: str) -> None:
        record_property("points", line)
        request.config.stash.setdefault(_TOLD, []).append(line)

    return one


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Show how many points there were."""
    if told := config.stash.get(_TOLD, []):
        terminalreporter.section("points")
        for line in told:
            terminalreporter.line(line)
