"""What every test may ask for: a bank, settings that name it, and the service over a socket."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
import structlog
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pytest_aiohttp import AiohttpClient

from ingest.app import create_app
from ingest.bank.sample import make_sample_bank
from ingest.settings import BankSettings, DatabaseSettings, ServerSettings, Settings
from ingest.storage.database import Database
from ingest.storage.schema import upgrade
from tests.support.service import Client

SAMPLE_ITEMS = 20


@pytest.fixture(autouse=True)
def _no_configured_logs() -> Iterator[None]:
    """Leave structlog as it was, whatever a test configures."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session")
def sample_bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank of a few items, for all tests together: nobody may change it."""
    folder = tmp_path_factory.mktemp("sample") / "bank"
    make_sample_bank(folder, items=SAMPLE_ITEMS)
    return folder


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of the newest version with nothing in it, to be copied."""
    path = tmp_path_factory.mktemp("empty") / "ingest.db"

    async def make() -> None:
        database = Database(path)
        await upgrade(database)
        await database.close()

    asyncio.run(make())
    return path


@pytest.fixture
def bank_dir(sample_bank: Path) -> Path:
    """The bank that `settings` name; a test module may have its own."""
    return sample_bank


@pytest.fixture
def settings(tmp_path: Path, empty_database: Path, bank_dir: Path) -> Settings:
    """Settings of a service with a database of its own."""
    return settings_in(tmp_path, empty_database, bank_dir)


def settings_in(directory: Path, empty_database: Path, bank: Path) -> Settings:
    """Put a database into *directory*; return settings that name it."""
    path = directory / "ingest.db"
    shutil.copyfile(empty_database, path)
    return Settings(
        server=ServerSettings(port=0, abandon_grace_s=10.0, shutdown_grace_s=10.0),
        database=DatabaseSettings(url=str(path), busy_timeout_s=0.2),
        bank=BankSettings(url=str(bank)),
    )


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def standing(
    tmp_path_factory: pytest.TempPathFactory, empty_database: Path, sample_bank: Path
) -> AsyncIterator[Client]:
    """A client of a service for all tests that only ask and are only refused: nothing ever runs.

    Its event loop is the session's; mark such tests ``asyncio(loop_scope="session")``.
    """
    settings = settings_in(tmp_path_factory.mktemp("standing"), empty_database, sample_bank)
    async with TestClient(TestServer(create_app(settings))) as client:
        yield client


@pytest.fixture
def app(settings: Settings) -> web.Application:
    """The service, not started yet."""
    return create_app(settings)


@pytest.fixture
async def client(app: web.Application, aiohttp_client: AiohttpClient) -> Client:
    """A client of the service, which is started for it."""
    return await aiohttp_client(app)
