"""A disk that is full, in a real process: told truthfully, and repaired without a restart."""

import asyncio
import os
import resource
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import ClientResponse, ClientSession
from attrs import evolve, frozen

from ingest.settings import DatabaseSettings, Settings
from tests.support.processes import DEADLINE_S, Process, serving, session, synchronizing

DISK_BYTES: Final = 4 * 1024 * 1024

#: A mount of its own, gone with the process; without root's rights in a user namespace.
NAMESPACE: Final = ("unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",)))
MOUNTED: Final = (
    *NAMESPACE,
    *("sh", "-c", f'mount -t tmpfs -o size={DISK_BYTES} none "$0" && exec "$@"'),
)


@frozen
class Disk:
    """A service's disk, which can be filled and given room again."""

    client: ClientSession
    service: Process
    fill: Callable[[], object]
    make_room: Callable[[], object]


def can_mount() -> bool:
    """Return whether this machine lets us have a file system of our own."""
    return subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode == 0


@asynccontextmanager
async def small_disk(
    settings: Settings, directory: Path, *, items_per_s: int
) -> AsyncIterator[Disk]:
    """Run the service with its database on a small file system of its own."""
    directory.mkdir()  # noqa: ASYNC240 - a moment, before anything runs
    url = str(directory / "ingest.db")
    on_it = evolve(settings, database=DatabaseSettings(url=url))
    async with serving(on_it, *_rate(items_per_s), within=(*MOUNTED, str(directory))) as service:
        ballast = Path(f"/proc/{service.process.pid}/root{directory}/ballast")

        def fill() -> None:
            with ballast.open("wb", buffering=0) as file:
                try:
                    for _ in range(DISK_BYTES):
                        file.write(b"\0" * 512)
                except OSError:
                    pass

        async with session(service) as client:
            yield Disk(client, service, fill, ballast.unlink)


@asynccontextmanager
async def limited_files(
    settings: Settings, _directory: Path, *, items_per_s: int
) -> AsyncIterator[Disk]:
    """Run the service; full is when its files may not grow: SQLite calls it an I/O error."""
    async with serving(settings, *_rate(items_per_s)) as service:
        pid = await service.pid()
        unlimited = resource.prlimit(pid, resource.RLIMIT_FSIZE)

        def limit_to(soft_bytes: int) -> None:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft_bytes, unlimited[1]))

        async with session(service) as client:
            yield Disk(client, service, lambda: limit_to(1), lambda: limit_to(unlimited[0]))


def _rate(items_per_s: int) -> tuple[str, str]:
    return "--max-items-per-second", str(items_per_s)


#: Of a bank of 20 items: one that ends soon, and one that is met in the middle however slowly the
#: disk is filled.
SOON: Final = 10
LATE: Final = 2

DISKS: Final = [
    pytest.param(
        small_disk,
        marks=pytest.mark.skipif(not can_mount(), reason="no mount of one's own is allowed here"),
        id="small disk",
    ),
    pytest.param(limited_files, id="limited files"),
]

Open = Callable[..., Any]


async def told(response: ClientResponse) -> tuple[int, str]:
    """Return an answer's status and its text."""
    return response.status, await response.text()


async def ended(disk: Disk, execution_id: int) -> Any:
    """Return an execution's document when it has ended."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            async with disk.client.get(f"/executions/{execution_id}") as response:
                document = await response.json()
            if document["endTime"] is not None:
                return document


@pytest.mark.parametrize("open_disk", DISKS)
async def test_a_start_on_a_full_disk_is_refused_in_words(
    settings: Settings, tmp_path: Path, open_disk: Open
) -> None:
    """503 that says why; with room again the very next start works, without a restart."""
    async with open_disk(settings, tmp_path / "disk", items_per_s=SOON) as disk:
        disk.fill()
        status, text = await told(await disk.client.post("/sync"))
        assert status == 503
        assert "cannot be used: " in text
        assert (await disk.client.get("/health/live")).status == 200
        disk.make_room()
        async with asyncio.timeout(DEADLINE_S):
            response = await disk.client.post("/sync")
        assert response.status == 200
        document = await ended(disk, int(response.headers["Location"].rsplit("/")[-1]))
        assert document["status"] == "COMPLETED"


@pytest.mark.parametrize("open_disk", DISKS)
async def test_a_job_outlasts_a_full_disk(
    settings: Settings, tmp_path: Path, open_disk: Open
) -> None:
    """Filled in mid-run and given room again, the job COMPLETES as if nothing had been."""
    async with open_disk(settings, tmp_path / "disk", items_per_s=SOON) as disk:
        await synchronizing(disk.client)
        disk.fill()
        await disk.service.logged("trying again")
        disk.make_room()
        document = await ended(disk, 1)
        assert document["status"] == "COMPLETED"
        counts = document["counts"]
        assert counts["created"] == document["progress"]["total"] == counts["read"]


@pytest.mark.parametrize("open_disk", DISKS)
async def test_an_abandon_on_a_full_disk_is_never_false(
    settings: Settings, tmp_path: Path, open_disk: Open
) -> None:
    """503 STOPPING until the end is on record; a start is 503, no 409; then all is well."""
    async with open_disk(settings, tmp_path / "disk", items_per_s=LATE) as disk:
        await synchronizing(disk.client)
        disk.fill()
        async with disk.client.put("/abandon/1", headers={"Prefer": "wait=1"}) as response:
            document = await response.json()
        assert (response.status, document["status"]) == (503, "STOPPING")
        assert "its end could not be recorded within 1 seconds" in document["message"]
        status, text = await told(await disk.client.post("/sync"))
        assert status == 503
        assert text.startswith("The work of job execution 1 is over")
        assert (await disk.client.get("/health")).status == 503
        disk.make_room()
        async with asyncio.timeout(DEADLINE_S), disk.client.put("/abandon/1") as response:
            document = await response.json()
        assert (response.status, document["status"]) == (200, "ABANDONED")
        assert (await ended(disk, 1))["status"] == "ABANDONED"
        assert (await disk.client.post("/sync")).status == 200
