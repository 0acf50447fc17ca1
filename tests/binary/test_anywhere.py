"""The executable where there is no Python, and little else."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import ClientSession
from attrs import define, evolve

from ingest.app import create_app
from ingest.settings import DatabaseSettings, Settings
from tests.conftest import SAMPLE_ITEMS
from tests.support.old_databases import make_database
from tests.support.processes import DEADLINE_S, serving, session, statuses, synchronizing

#: Fast enough to end soon, slow enough to be met in the middle: the first second's worth is free.
RATE: Final = ("--max-items-per-second", "5")

#: The C library, and zlib; whatever else is needed has to be in the executable.
C_LIBRARY: Final = (
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libdl.so.2",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
    "libutil.so.1",
    "libz.so.1",  # that of the start itself
)

NOTHING: Final = ("env", "-i")
MOUNT: Final = ("unshare", "--mount", "sh", "-c")

needs_root: Final = pytest.mark.skipif(os.geteuid() != 0, reason="chroot and mount are for root")


@define
class Place:
    """Where the executable is tried: how it is started there, and how its files are called here."""

    within: Sequence[str]
    root: Path = Path("/")

    def from_here(self, path: Path) -> Path:
        """Return where a path of that place is."""
        return self.root / path.relative_to("/")


@pytest.fixture(params=["nothing on PATH", pytest.param("chroot", marks=needs_root)])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, executable: Path, settings: Settings
) -> Place:
    """A place without Python: an empty environment, or only the C library and a /tmp besides."""
    if request.param != "chroot":
        return Place(NOTHING)
    place = Place(
        [*NOTHING, str(shutil.which("chroot")), str(tmp_path / "root")], tmp_path / "root"
    )
    folder = next(path for path in (Path("/lib/x86_64-linux-gnu"), Path("/lib64")) if path.exists())
    for name in C_LIBRARY:
        for target in (place.from_here(folder), place.from_here(Path("/lib64"))):
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / name, target)
    place.from_here(Path("/tmp")).mkdir()  # noqa: S108 - the chroot's own
    for path in (executable, settings.database.path):
        there = place.from_here(path)
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, there)
    shutil.copytree(settings.bank.path, place.from_here(settings.bank.path))
    return place


async def document(client: ClientSession, method: str, path: str) -> Any:
    """Ask, and return the document of an answer 200."""
    async with client.request(method, path) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def test_the_demonstration(place: Place, settings: Settings) -> None:
    """Start, 409, progress, abandon, abandon again, start to the end, look; SIGTERM: exit 0."""
    async with serving(settings, *RATE, within=place.within) as service:
        async with session(service) as client:
            await synchronizing(client)
            async with client.post("/sync") as response:
                assert response.status == 409
                assert "PUT call to /abandon" in await response.text()
            async with asyncio.timeout(DEADLINE_S):
                while not (await document(client, "GET", "/executions/1"))["counts"]["created"]:
                    pass
            assert (await document(client, "PUT", "/abandon/1"))["status"] == "ABANDONED"
            assert (await document(client, "PUT", "/abandon/1"))["status"] == "NO JOB EXECUTIONS"
            started = await document(client, "POST", "/sync")
            assert (started["jobExecutionId"], started["status"]) == (2, "STARTING")
            async with asyncio.timeout(DEADLINE_S):
                while (await document(client, "GET", "/executions/2"))["endTime"] is None:
                    pass
            listed = (await document(client, "GET", "/executions?limit=2"))["executions"]
            assert [one["status"] for one in listed] == ["COMPLETED", "ABANDONED"]
            items = (await document(client, "GET", "/items"))["items"]
            assert len(items) == SAMPLE_ITEMS
            service.process.terminate()
        assert await service.ended() == 0
    path = place.from_here(settings.database.path)
    assert statuses(on(settings, path)) == ["ABANDONED", "COMPLETED"]


async def test_sigterm_stops_a_job_there(place: Place, settings: Settings) -> None:
    """SIGTERM with a job running: exit code 0, and the row is STOPPED."""
    async with serving(settings, within=place.within) as service, session(service) as client:
        await synchronizing(client)
        service.process.terminate()
        assert await service.ended() == 0
    assert statuses(on(settings, place.from_here(settings.database.path))) == ["STOPPED"]


async def test_an_old_database_is_upgraded_there(
    place: Place, settings: Settings, executable: Path
) -> None:
    """The first version's database comes up to date, migrates, and is found sound."""
    path = place.from_here(settings.database.path)
    path.unlink()
    make_database(path, "0001")
    async with serving(settings, *RATE, within=place.within) as service:
        async with session(service) as client:
            assert (await document(client, "POST", "/migrate"))["status"] == "STARTING"
            service.process.terminate()
        assert await service.ended() == 0
        assert service.lines[0]["event"] == "upgrading the database"
    check = ["db", "check", "--database", str(settings.database.path)]
    command = [*place.within, str(executable), *check]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: ASYNC221
    assert (done.returncode, done.stderr) == (0, "")
    assert " is sound: " in done.stdout


async def test_every_page_is_there(place: Place, settings: Settings) -> None:
    """Whatever can be asked for without more words is answered: documents, pages, probes, lists."""
    paths = {
        route.resource.canonical
        for route in create_app(settings).router.routes()
        if route.method == "GET" and route.resource and "{" not in route.resource.canonical
    }
    assert "/health/ready" in paths
    async with serving(settings, within=place.within) as service, session(service) as client:
        for path in paths:
            async with client.get(path) as response:
                assert (path, response.status) == (path, 200)
                assert await response.content.readany()


def test_a_sample_bank_is_made_and_checked_there(
    place: Place, executable: Path, settings: Settings
) -> None:
    """Texts and names beyond ASCII come out whole, although no locale says how."""
    bank = settings.database.path.with_name("übung")
    for arguments in (("sample", bank, "--items", "30"), ("check", "--bank", bank, "--json")):
        done = subprocess.run(
            [*place.within, executable, "bank", *arguments], capture_output=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["entries"] == 30
    assert place.from_here(bank / "100001.git").is_dir()


def on(settings: Settings, path: Path) -> Settings:
    """Return settings with the database elsewhere."""
    return evolve(settings, database=DatabaseSettings(url=str(path)))


#: What MemoryDenyWriteExecute= of a unit asks of the kernel, and after that the command.
DENY_WRITE_EXECUTE: Final = """
import ctypes, os, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):
    sys.exit("not to be had")
os.execv(sys.argv[1], sys.argv[1:])
"""


async def test_no_memory_need_be_both_written_and_executed(settings: Settings) -> None:
    """As the unit of systemd has it: jobs run and are abandoned, with libgit2's callbacks too."""
    within = (sys.executable, "-c", DENY_WRITE_EXECUTE)
    probe = subprocess.run([*within, "/bin/true"], check=False)  # noqa: ASYNC221 - a moment
    if probe.returncode:
        pytest.skip("this kernel cannot deny it")
    async with serving(settings, within=within) as service, session(service) as client:
        await synchronizing(client)
        assert (await document(client, "PUT", "/abandon/1"))["status"] == "ABANDONED"
        service.process.terminate()
        assert await service.ended() == 0


@needs_root
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("ro", "Could not create temporary directory"),
        ("size=1m", "No space left on device"),
        ("noexec", "failed to map segment from shared object"),
    ],
)
def test_where_it_cannot_unpack_it_can_be_told_another_place(
    executable: Path, tmp_path: Path, options: str, words: str
) -> None:
    """On a /tmp that is read-only, full or noexec it says so; TMPDIR names another folder."""
    # The executable and the other folder are seen where none of the mounts hides them.
    (tmp_path / "other").mkdir()
    script = (
        'mount --bind "$0" /mnt && mount --bind "$1" /srv && '
        f"mount -t tmpfs -o ro none /var/tmp && mount -t tmpfs -o {options} none /tmp && "
        f"env -i /mnt/{executable.name} config; env -i TMPDIR=/srv /mnt/{executable.name} config"
    )
    done = subprocess.run(
        [*MOUNT, script, executable.parent, tmp_path / "other"],
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )
    assert words in done.stderr
    assert done.stdout.count("server.port") == 1
    assert done.returncode == 0
    assert list((tmp_path / "other").iterdir()) == []
