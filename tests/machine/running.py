"""Runs the machine: briefly, or for as long as somebody wants it to."""

import asyncio
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import hypothesis
import structlog
from hypothesis import Phase, settings
from hypothesis.stateful import get_state_machine_test
from sqlalchemy import text

from ingest.storage.database import Database
from ingest.storage.schema import upgrade
from tests.machine.machine import JobControlMachine
from tests.machine.record import WRITTEN_TABLE

#: The most rules that a program has.
STEPS: Final = 40
#: How many programs one search of the long form tries before it begins anew with another seed.
_EXAMPLES: Final = 200
#: Where syncing costs nothing, if there is such a place.
_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # a folder of its own is made in it


def run_briefly(*, examples: int) -> None:
    """Run so many programs, the same ones each time.

    Raises:
        AssertionError: Something did not hold; a short program that shows it is in its notes.
    """
    with prepared():
        _search(max_examples=examples, derandomize=True)


def run_for(steps: int, *, seed: int, shrink: bool = True) -> None:
    """Run programs until they had so many steps together.

    Raises:
        AssertionError: As `run_briefly`.
    """
    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]
    with prepared():
        while (left := steps - JobControlMachine.steps.total()) > 0:
            examples = max(1, min(_EXAMPLES, left // (STEPS // 2)))
            _search(seed=seed, max_examples=examples, phases=phases)
            seed += 1


def _search(*, seed: int | None = None, **options: Any) -> None:
    test = get_state_machine_test(
        JobControlMachine,
        settings=settings(
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            print_blob=False,
            report_multiple_bugs=False,
            **options,
        ),
    )
    (test if seed is None else hypothesis.seed(seed)(test))()


@contextmanager
def prepared() -> Iterator[None]:
    """Make what a machine needs: an empty database to be copied, in a folder that goes away."""
    # What the service has to say of its troubles fills screens.
    configuration = structlog.get_config()
    quiet = structlog.make_filtering_bound_logger(logging.CRITICAL)
    structlog.configure(wrapper_class=quiet)
    try:
        with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
            JobControlMachine.folder = Path(folder)
            JobControlMachine.template = Path(folder) / "template.db"
            asyncio.run(_make(JobControlMachine.template))
            yield
    finally:
        structlog.configure(**configuration)


async def _make(path: Path) -> None:
    database = Database(path)
    await upgrade(database)
    await database.write(lambda connection: connection.execute(text(WRITTEN_TABLE)))
    await database.close()
