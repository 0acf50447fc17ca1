"""The probes."""

import asyncio
import shutil
from pathlib import Path

import pytest
from aiohttp import web
from attrs import evolve
from pytest_aiohttp import AiohttpClient

from ingest.api.keys import LIFECYCLE
from ingest.app import create_app
from ingest.settings import BankSettings, Settings
from tests.support.scripted_job import ScriptedJob
from tests.support.service import DEADLINE_S, Client, get, json_of, use_jobs

UP = {"status": "UP"}


async def test_a_service_that_works_is_up(client: Client) -> None:
    """GET /health names database, item bank and jobs, and how late the event loop is."""
    components = {"database": UP, "itemBank": UP, "jobs": {**UP, "running": []}}
    health = await get(client, "/health")
    loop = health["components"].pop("eventLoop")
    assert health == {**UP, "components": components}
    assert loop.pop("status") == "UP"
    assert list(loop) == ["lagSeconds", "worstLagSeconds"]
    assert all(0 <= lag_s < DEADLINE_S for lag_s in loop.values())


async def test_health_tells_what_runs(app: web.Application, aiohttp_client: AiohttpClient) -> None:
    """The jobs component names the jobs that run."""
    job = ScriptedJob()
    use_jobs(app, job, ScriptedJob(name="itemMigrationJob"))
    client = await aiohttp_client(app)
    assert (await client.post("/sync")).status == 200
    async with asyncio.timeout(DEADLINE_S):
        await job.started.wait()
    jobs = (await get(client, "/health"))["components"]["jobs"]
    assert jobs == {**UP, "running": ["itemSynchronizationJob"]}


async def test_a_bank_that_is_not_there_does_not_make_the_service_down(
    settings: Settings, tmp_path: Path, aiohttp_client: AiohttpClient
) -> None:
    """The service starts without its bank; a DOWN component names it, and the service is UP."""
    missing = tmp_path / "nowhere"
    app = create_app(evolve(settings, bank=BankSettings(url=str(missing))))
    client = await aiohttp_client(app)
    health = await get(client, "/health")
    bank = health["components"]["itemBank"]
    assert (health["status"], bank["status"]) == ("UP", "DOWN")
    assert str(missing) in bank["message"]
    assert await get(client, "/health/ready") == UP


async def test_a_bank_that_comes_back_is_up_again(
    settings: Settings, sample_bank: Path, tmp_path: Path, aiohttp_client: AiohttpClient
) -> None:
    """Each probe looks anew."""
    bank = tmp_path / "bank"
    client = await aiohttp_client(create_app(evolve(settings, bank=BankSettings(url=str(bank)))))
    assert (await get(client, "/health"))["components"]["itemBank"]["status"] == "DOWN"
    shutil.copytree(sample_bank, bank)
    assert (await get(client, "/health"))["components"]["itemBank"] == UP


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
async def test_a_service_that_serves_is_live_and_ready(client: Client, path: str) -> None:
    """Both probes answer 200 while requests can be served."""
    assert await get(client, path) == UP


async def test_ready_ends_with_the_shutdown_and_live_does_not(
    app: web.Application, client: Client
) -> None:
    """From the moment shutdown begins ready is 503, while the event loop turns live is 200."""
    app[LIFECYCLE].closing.set()
    response = await client.get("/health/ready")
    assert response.status == 503
    assert await json_of(response) == {"status": "OUT_OF_SERVICE"}
    assert await get(client, "/health/live") == UP
