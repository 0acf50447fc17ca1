"""A real service in a thread, a bank for it, and a stand-in that says what a test wants."""

import asyncio
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer
from click.testing import CliRunner, Result

from ingest.app import create_app
from ingest.bank.sample import make_sample_bank
from ingest.cli import cli
from ingest.settings import BankSettings, DatabaseSettings, ServerSettings, Settings
from tests.support.processes import EXECUTABLE, INGEST

ITEMS = 12

Run = Callable[..., Result]
Serve = Callable[[web.Application], str]


@contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def _serving(app: web.Application) -> Iterator[str]:
    # CliRunner's stdout is the process's: what the service logs must not get into it.
    with structlog.testing.capture_logs(), _loop() as loop:
        server = TestServer(app)
        asyncio.run_coroutine_threadsafe(server.start_server(), loop).result()
        try:
            yield str(server.make_url("")).rstrip("/")
        finally:
            asyncio.run_coroutine_threadsafe(server.close(), loop).result()


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample bank."""
    directory = tmp_path_factory.mktemp("cli") / "bank"
    make_sample_bank(directory, items=ITEMS)
    return directory


def _settings(folder: Path, bank: Path, rate: float | None) -> Settings:
    return Settings(
        server=ServerSettings(abandon_grace_s=5.0, shutdown_grace_s=5.0),
        database=DatabaseSettings(url=str(folder / "ingest.db")),
        bank=BankSettings(url=str(bank), max_items_per_second=rate),
    )


@pytest.fixture
def service(tmp_path: Path, bank: Path) -> Iterator[str]:
    """The address of a running service with an empty database."""
    with _serving(create_app(_settings(tmp_path, bank, None))) as url:
        yield url


@pytest.fixture
def slow_service(tmp_path: Path, bank: Path) -> Iterator[str]:
    """The address of a service whose jobs do not end while a test looks at them."""
    with _serving(create_app(_settings(tmp_path, bank, 0.5))) as url:
        yield url


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve an application that stands in for the service; return its address."""
    running = []

    def start(app: web.Application) -> str:
        one = _serving(app)
        running.append(one)
        return one.__enter__()

    yield start
    for one in running:
        one.__exit__(None, None, None)


@pytest.fixture
def run() -> Run:
    """Run the command line as from a script, without a terminal."""

    def call(*arguments: object, **environ: str) -> Result:
        return CliRunner().invoke(cli, [str(argument) for argument in arguments], env=environ)

    return call if EXECUTABLE is None else _run_executable


def _run_executable(*arguments: object, **environ: str) -> Result:
    done = subprocess.run(
        [*INGEST, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={**os.environ, **environ},
        check=False,
    )
    return Result(
        CliRunner(),
        stdout_bytes=done.stdout,
        stderr_bytes=done.stderr,
        output_bytes=done.stdout + done.stderr,
        return_value=None,
        exit_code=done.returncode,
        exception=None,
    )
