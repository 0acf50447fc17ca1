"""A backup that is taken while a real service writes, and what becomes of it when restored."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from attrs import evolve

from ingest.bank.sample import make_sample_bank
from ingest.settings import DatabaseSettings, Settings
from ingest.storage.backup import Backup, back_up
from ingest.storage.check import check_database
from ingest.storage.schema import NEWEST
from tests.support.processes import DEADLINE_S, serving, session, statuses

ITEMS = 400
BACKUPS = 4

#: Slow enough for some backups within one synchronization.
FULL_SPEED = ("--max-items-per-second", "100000")
SLOWLY = ("--max-items-per-second", "200")


@pytest.fixture(scope="module")
def bank_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank that takes some seconds to be synchronized."""
    folder = tmp_path_factory.mktemp("backup") / "bank"
    make_sample_bank(folder, items=ITEMS)
    return folder


async def execution(client: ClientSession, number: int) -> Any:
    """Return an execution's document."""
    async with client.get(f"/executions/{number}") as response:
        assert response.status == 200
        return await response.json()


async def started(client: ClientSession) -> None:
    """Start a synchronization."""
    async with client.post("/sync") as response:
        assert response.status == 200


async def backups_of_a_run(settings: Settings, folder: Path) -> list[Backup]:
    """Take backups in mid-run, each when the run has got on since the last; then kill it."""
    made: list[Backup] = []
    async with serving(settings, *SLOWLY) as service, session(service) as client:
        await started(client)
        processed = 0
        async with asyncio.timeout(DEADLINE_S):
            while len(made) < BACKUPS:
                now = await execution(client, 1)
                assert now["status"] in {"STARTING", "STARTED"}
                if now["progress"]["processed"] > processed:
                    processed = now["progress"]["processed"]
                    target = folder / f"{len(made)}.db"
                    made.append(await asyncio.to_thread(back_up, settings.database.path, target))
        assert (await execution(client, 1))["status"] == "STARTED"
    return made


@pytest.mark.timeout(120)
async def test_a_backup_of_a_run_is_sound_and_goes_on(settings: Settings, tmp_path: Path) -> None:
    """Restored, it is sound; the run in it is settled as FAILED, and the next one completes."""
    folder = tmp_path / "backups"
    folder.mkdir()
    backups = await backups_of_a_run(settings, folder)
    sizes = [one.report.items for one in backups]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1] < ITEMS
    for number, one in enumerate(backups):
        restored = tmp_path / f"restored {number}" / "ingest.db"
        restored.parent.mkdir()
        shutil.copy(one.path, restored)
        report = check_database(restored)
        assert report.faults == []
        assert ["is STARTED" in str(note) for note in report.notes] == [True]
        if number in (0, len(backups) - 1):
            await goes_on(evolve(settings, database=DatabaseSettings(url=str(restored))))
            assert check_database(restored).faults == []


async def goes_on(settings: Settings) -> None:
    """Start the service on a restored database, and synchronize to the end."""
    async with serving(settings, *FULL_SPEED) as service, session(service) as client:
        assert statuses(settings) == ["FAILED"]
        await started(client)
        async with asyncio.timeout(DEADLINE_S):
            while (ended := await execution(client, 2))["endTime"] is None:
                pass
        assert ended["status"] == "COMPLETED"
        counts = ended["counts"]
        assert counts["created"] + counts["unchanged"] == ITEMS
        assert counts["created"] > 0
        assert counts["unchanged"] > 0


async def test_a_newer_database_is_refused_by_the_service(settings: Settings) -> None:
    """The process says so in one line, with exit code 1, and changes nothing."""
    path = settings.database.path
    newer = path.read_bytes().replace(NEWEST.encode(), b"9999")
    assert newer != path.read_bytes()
    path.write_bytes(newer)
    async with serving(settings) as service:
        assert await service.ended() == 1
        (line,) = [one["text"] for one in service.lines if "text" in one]
    assert b"newer version of the service" in line
    assert b"9999" in line
    assert path.read_bytes() == newer
