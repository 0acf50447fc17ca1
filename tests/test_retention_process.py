"""A service that is killed while it forgets old executions."""

import asyncio
from pathlib import Path

from ingest.model.job import JobStatus
from ingest.settings import Settings
from ingest.storage.check import check_database
from ingest.storage.database import Database
from tests.storage.test_retention import history
from tests.support.processes import DEADLINE_S, serving, session, statuses

EXECUTIONS = 40


async def fewer(settings: Settings, than: int) -> None:
    """Wait until fewer executions are on record."""
    async with asyncio.timeout(DEADLINE_S):
        while len(await asyncio.to_thread(statuses, settings)) >= than:
            pass


def is_sound(path: Path) -> bool:
    """Tell whether a database has no fault."""
    return check_database(path).faults == []


async def test_killed_in_the_midst_of_it_it_goes_on_at_the_next_start(settings: Settings) -> None:
    """Wherever it is cut the database is sound, and the next process forgets the rest."""
    path = settings.database.path
    database = Database(path)
    await history(database, [JobStatus.COMPLETED] + [JobStatus.ABANDONED] * (EXECUTIONS - 1))
    await database.close()
    left = EXECUTIONS
    for _ in range(2):
        async with serving(settings, "--retain-executions", "2") as service:
            await service.logged("service ready")
            await fewer(settings, left)
            service.process.kill()
            await service.ended()
        left = len(statuses(settings))
        assert left >= 3
        assert is_sound(path)
    async with serving(settings, "--retain-executions", "2") as service:
        async with session(service) as client:
            await fewer(settings, 4)
            async with client.get("/executions") as response:
                found = [one["status"] for one in (await response.json())["executions"]]
        assert found == ["ABANDONED", "ABANDONED", "COMPLETED"]
    assert is_sound(path)
