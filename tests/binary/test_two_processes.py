"""The executable is two processes, and behaves as one."""

import asyncio
import os
import pty
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ingest.settings import Settings
from tests.support.processes import DEADLINE_S, Process, serving, session, statuses, synchronizing

ON_A_TERMINAL = ("setsid", "--ctty")


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """A terminal: its keyboard, and what a process there takes for its standard input."""
    keyboard, inside = pty.openpty()
    yield keyboard, inside
    for descriptor in (keyboard, inside):
        os.close(descriptor)


@pytest.fixture
def port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def entries(folder: Path) -> set[Path]:
    """Return what is in a folder."""
    return set(folder.iterdir())


async def is_gone(pid: int) -> bool:
    """Wait until a process that is no child of ours has ended; return whether it has."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            while Path(f"/proc/{pid}").exists():  # noqa: ASYNC110, ASYNC240 - nobody tells
                await asyncio.sleep(0.01)
    except TimeoutError:
        return False
    return True


async def test_killing_the_first_leaves_nothing_that_holds_port_or_lock(
    settings: Settings, port: int
) -> None:
    """Kill -9: the next one has the same port and the same database at once."""
    flags = ("--port", str(port))
    async with serving(settings, *flags) as service, session(service) as client:
        await synchronizing(client)
        pid = await service.pid()
        assert pid != service.process.pid
        service.process.kill()
        async with serving(settings, *flags) as successor, session(successor) as its_client:
            assert (await its_client.post("/sync")).status == 200
            assert await is_gone(pid)
            assert await service.ended() == -signal.SIGKILL
            successor.process.terminate()
            assert await successor.ended() == 0
    assert statuses(settings) == ["FAILED", "STOPPED"]


async def test_killing_the_first_in_its_start_leaves_no_second(
    settings: Settings, unpacked: Path
) -> None:
    """Whenever it is killed, before the second has heard of it or after, both are gone."""
    for delay_s in (0.0, 0.02, 0.05, 0.08, 0.1, 0.12, 0.15, 0.2):
        async with serving(settings) as service:
            pid = service.process.pid
            await asyncio.sleep(delay_s)
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()  # noqa: ASYNC240
            service.process.kill()
            await service.ended()
            for child in children:
                assert await is_gone(int(child)), delay_s
    assert entries(unpacked)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may have processes numbered anew")
@pytest.mark.parametrize("mounts", [["--mount-proc"], []])
def test_it_may_be_process_1(executable: Path, mounts: list[str]) -> None:
    """As in a container: a parent with that number is not taken for the one that adopts orphans."""
    within = ["unshare", "--pid", "--fork", *mounts]
    done = subprocess.run(
        [*within, executable, "config"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "server.port" in done.stdout


async def test_killing_the_second_ends_the_first(settings: Settings, unpacked: Path) -> None:
    """The first ends of the same signal, and has removed what it unpacked."""
    async with serving(settings) as service, session(service) as client:
        await synchronizing(client)
        assert len(entries(unpacked)) == 1
        os.kill(await service.pid(), signal.SIGKILL)
        assert await service.ended() == -signal.SIGKILL
    assert entries(unpacked) == set()
    async with serving(settings) as service:
        await service.logged("service ready")


async def ends_in_order(service: Process) -> None:
    """See the service end as after one signal."""
    assert await service.ended() == 0
    assert service.lines[-1]["event"] == "service stopped"


@pytest.mark.parametrize("_attempt", range(5))
async def test_ctrl_c_is_one_signal(
    settings: Settings, terminal: tuple[int, int], _attempt: int
) -> None:
    """A terminal sends it to both, and the first passes it on: the job is STOPPED all the same."""
    keyboard, inside = terminal
    service_there = serving(settings, within=ON_A_TERMINAL, stdin=inside)
    async with service_there as service, session(service) as client:
        await synchronizing(client)
        os.write(keyboard, b"\x03")
        await ends_in_order(service)
    assert statuses(settings) == ["STOPPED"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("_attempt", range(5))
async def test_a_signal_to_both_is_one_signal(
    settings: Settings, number: signal.Signals, _attempt: int
) -> None:
    """So it is where a whole group or every process of that name is told to end."""
    async with serving(settings, within=("setsid",)) as service, session(service) as client:
        await synchronizing(client)
        os.killpg(service.process.pid, number)
        await ends_in_order(service)
    assert statuses(settings) == ["STOPPED"]


async def test_a_second_ctrl_c_ends_at_once(settings: Settings, terminal: tuple[int, int]) -> None:
    """Whoever types it twice does not wait for a job that hangs in another one's transaction."""
    keyboard, inside = terminal
    service_there = serving(settings, within=ON_A_TERMINAL, stdin=inside)
    async with service_there as service, session(service) as client:
        await synchronizing(client)
        with closing(sqlite3.connect(settings.database.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            os.write(keyboard, b"\x03")
            await service.logged("service stopping")
            os.write(keyboard, b"\x03")
            assert await service.ended() == 128 + signal.SIGINT
    assert statuses(settings) == ["STARTED"]


async def test_what_a_killed_one_unpacked_is_removed_by_a_later_one(
    settings: Settings, unpacked: Path
) -> None:
    """But not before it is old, nor while the one that unpacked it runs."""
    async with serving(settings) as killed:
        await killed.logged("service ready")
        (left,) = entries(unpacked)
        killed.process.kill()
    async with serving(settings) as service:
        await service.logged("service ready")
        (own,) = entries(unpacked) - {left}
        for folder in (left, own):
            os.utime(folder, (0, 0))
        async with serving(settings) as refused:
            assert await refused.ended() == 1
        assert entries(unpacked) == {own}
        service.process.terminate()
        assert await service.ended() == 0
    assert entries(unpacked) == set()
