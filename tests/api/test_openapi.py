"""The OpenAPI document: whole, valid, and true."""

import asyncio
import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from attrs import evolve
from openapi_spec_validator import OpenAPIV31SpecValidator
from pytest_aiohttp import AiohttpClient

from ingest.api.errors import STATUSES
from ingest.api.openapi.document import OPERATIONS, document
from ingest.api.openapi.parts import Tag
from ingest.api.openapi.problems import SAMPLES
from ingest.app import create_app
from ingest.bank.sample import make_sample_bank
from ingest.settings import BankSettings, Settings
from tests.support.access import answering, callers, token_needed
from tests.support.contract import JSON, faults, keep_contract, operations, resolved
from tests.support.scripted_job import ScriptedJob
from tests.support.service import DEADLINE_S, Client, ended, use_jobs

AS_JSON = {"Accept": "application/json"}


def test_the_document_is_valid() -> None:
    """It is OpenAPI 3.1 by the specification's own schema, with the package's version."""
    whole = document()
    assert list(OpenAPIV31SpecValidator(whole).iter_errors()) == []
    assert whole["openapi"].startswith("3.1.")
    assert whole["info"]["version"] == importlib.metadata.version("item-ingest-service")


def test_it_has_the_routes_of_the_service_and_no_others(settings: Settings) -> None:
    """Every verb of every path that the router knows is described, and nothing else is."""
    routed = {
        (route.method, route.resource.canonical)
        for route in create_app(settings).router.routes()
        # aiohttp adds HEAD to each GET; assets are parts of pages.
        if route.method != "HEAD" and route.resource is not None
    }
    described = {(one.method, one.path) for one in OPERATIONS}
    assert routed - {("GET", "/static/{name}")} == described
    assert len(OPERATIONS) == len(described) == len(operations())


def test_operations_can_be_told_apart() -> None:
    """Each operation has an id of its own, a known tag, words, and what its path needs."""
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(ids)) == len(ids)
    for _, path, operation in operations():
        assert [Tag(tag) for tag in operation["tags"]]
        assert operation["summary"]
        assert operation["description"]
        parameters = [resolved(one) for one in operation["parameters"]]
        in_path = {one["name"] for one in parameters if one["in"] == "path"}
        assert in_path == set(re.findall(r"\{(\w+)\}", path))


def test_every_error_is_described() -> None:
    """Each error has a sample, an operation that meets it, its status, and a type of its own."""
    assert SAMPLES.keys() == STATUSES.keys()
    met = {
        (code, int(status))
        for _, _, operation in operations()
        for status, answer in operation["responses"].items()
        for code in answer["content"].get(JSON[1], {}).get("examples", {})
    }
    known = {(SAMPLES[kind].code, status) for kind, status in STATUSES.items()}
    assert met - {("fault", 500)} == known


def test_links_lead_to_operations() -> None:
    """Each link names an operation that there is, and parameters that it takes."""
    known = {operation["operationId"]: operation for _, _, operation in operations()}
    links = [
        link
        for operation in known.values()
        for answer in operation["responses"].values()
        for link in answer.get("links", {}).values()
    ]
    assert links
    for link in links:
        target = known[link["operationId"]]
        takes = {resolved(parameter)["name"] for parameter in target["parameters"]}
        assert takes.issuperset(link["parameters"])


def test_scopes_are_told_twice_alike() -> None:
    """What an operation asks of a token stands in its security and in x-required-scope."""
    for method, path, operation in operations():
        scope = operation.get("x-required-scope")
        expected = [] if scope is None else [{}, {"bearerAuth": [scope]}]
        assert operation["security"] == expected
        looks = method == "GET" or path == "/webhook"
        assert (scope == "ingest:operate") is not looks


def examples() -> Iterator[Any]:
    """Yield every example with its schema, named by where it stands."""
    for _, _, operation in operations():
        name = operation["operationId"]
        for one in map(resolved, operation["parameters"]):
            yield pytest.param(one["schema"], one["example"], id=f"{name}-{one['name']}")
        for media in operation.get("requestBody", {}).get("content", {}).values():
            yield pytest.param(media["schema"], media["example"], id=f"{name}-body")
        for status, answer in operation["responses"].items():
            for media_type, media in answer["content"].items():
                for title, example in media.get("examples", {}).items():
                    place = f"{name}-{status}-{media_type}-{title}"
                    yield pytest.param(media["schema"], example["value"], id=place)


@pytest.mark.parametrize(("schema", "example"), list(examples()))
def test_examples_are_as_they_are_described(schema: Any, example: Any) -> None:
    """Each example of a parameter or of an answer is valid by its own schema."""
    assert faults(schema, example) == []


def test_answers_are_closed() -> None:
    """An object of an answer has no fields but those that are described."""
    schemas = document()["components"]["schemas"]
    # What the fields of events are is not ours to say.
    objects = [name for name, one in schemas.items() if one.get("type") == "object"]
    opened = [name for name in objects if schemas[name].get("additionalProperties") is not False]
    assert opened == ["ExecutionEvent", "PushNotification"]
    live = {"status": "UP"}
    assert faults(schemas["Live"], live) == []
    assert faults(schemas["Live"], {**live, "since": "yesterday"}) != []


@pytest.mark.parametrize("path", ["/jobs", "/executions", "/items", "/problems", "/health"])
@pytest.mark.asyncio(loop_scope="session")
async def test_a_new_service_keeps_to_it(standing: Client, path: str) -> None:
    """The answers of a service in which nothing has run yet are as they are described."""
    await keep_contract(await standing.get(path))


@pytest.mark.parametrize(
    "path", ["/health/live", "/health/ready", "/openapi.json", "/docs", "/metrics"]
)
@pytest.mark.asyncio(loop_scope="session")
async def test_probes_and_documents_keep_to_it(standing: Client, path: str) -> None:
    """What tells of the service itself is as it is described."""
    response = await standing.get(path)
    assert response.status == 200
    await keep_contract(response)


@pytest.mark.parametrize("headers", [{}, AS_JSON], ids=["text", "json"])
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/executions/99", 404),
        ("GET", "/executions/99/history", 404),
        ("GET", "/executions/99/changes", 404),
        ("GET", "/executions/99/events", 404),
        ("GET", "/executions/x", 400),
        ("GET", "/executions?limit=0", 400),
        ("GET", "/items/99", 404),
        ("GET", "/items/x", 400),
        ("GET", "/docs?x=1", 400),
        ("POST", "/sync?reason=1&reason=2", 400),
        ("POST", "/migrate?source=heaven", 400),
        ("POST", "/sync/99", 404),
        ("POST", "/migrate/99", 404),
        ("PUT", "/abandon/99", 404),
        ("PUT", "/abandon/1.5", 400),
        ("PUT", "/abandon/1?execution=14", 412),
    ],
)
@pytest.mark.asyncio(loop_scope="session")
async def test_refusals_keep_to_it(
    standing: Client, method: str, path: str, status: int, headers: dict[str, str]
) -> None:
    """A refusal is as it is described, as text and as a problem document."""
    response = await standing.request(method, path, headers=headers)
    assert response.status == status
    await keep_contract(response)


async def test_starting_and_abandoning_keep_to_it(
    app: web.Application, aiohttp_client: AiohttpClient
) -> None:
    """Start, 409, 503 while it winds down, ABANDONED and NO JOB EXECUTIONS are as described."""
    job = ScriptedJob()
    use_jobs(app, job, ScriptedJob(name="itemMigrationJob"))
    client = await aiohttp_client(app)
    assert (await keep_contract(await client.post("/sync")))["status"] == "STARTING"
    async with asyncio.timeout(DEADLINE_S):
        await job.started.wait()
    for headers in ({}, AS_JSON):
        again = await client.post("/sync", headers=headers)
        assert again.status == 409
        await keep_contract(again)
    for path in ("/executions/1?stack=1", "/jobs", "/health"):
        await keep_contract(await client.get(path))
    waiting = await client.put("/abandon/1", headers={"Prefer": "wait=0"})
    assert (waiting.status, (await keep_contract(waiting))["status"]) == (503, "STOPPING")
    job.may_wind_down.set()
    for status in ("ABANDONED", "NO JOB EXECUTIONS"):
        assert (await keep_contract(await client.put("/abandon/1")))["status"] == status
    assert (await keep_contract(await client.get("/executions/1")))["receipt"] is not None
    for path in ("/executions/1/history", "/executions", "/jobs"):
        await keep_contract(await client.get(path))


@pytest.fixture(scope="module")
def bank_with_problems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank with items of every kind, and with every problem that a sample bank can have."""
    folder = tmp_path_factory.mktemp("problems") / "bank"
    make_sample_bank(folder, items=26, bad=13)
    return folder


async def test_jobs_and_items_keep_to_it(
    settings: Settings, bank_with_problems: Path, aiohttp_client: AiohttpClient
) -> None:
    """After a dry run, a synchronization and a migration every answer is as it is described."""
    bank = BankSettings(url=str(bank_with_problems))
    client = await aiohttp_client(create_app(evolve(settings, bank=bank)))
    for number, path in enumerate(("/sync?dry-run=true&reason=why", "/sync", "/migrate"), 1):
        await keep_contract(await client.post(path))
        assert (await ended(client, number))["status"] == "COMPLETED"
    for path in (
        "/executions?limit=2",
        "/executions/1",
        "/executions/1/changes?limit=3",
        "/executions/2/history",
        "/jobs",
        "/items?limit=5",
        "/health",
    ):
        response = await client.get(path)
        assert response.status == 200
        await keep_contract(response)
    assert (await client.get("/executions/2/changes")).status == 404
    for one in (await keep_contract(await client.get("/items")))["items"]:
        await keep_contract(await client.get(f"/items/{one['itemId']}"))
        await keep_contract(await client.post(f"/sync/{one['itemId']}"))
    found = (await keep_contract(await client.get("/problems")))["problems"]
    statuses = set()
    for problem in found:
        response = await client.post(f"/sync/{problem['itemId']}", headers=AS_JSON)
        await keep_contract(response)
        statuses.add(response.status)
    assert 422 in statuses


async def test_events_keep_to_it(client: Client) -> None:
    """Each event of an execution's stream is an execution as it is described."""
    assert (await client.post("/sync")).status == 200
    sent = await keep_contract(await client.get("/executions/1/events"))
    events = [orjson.loads(event["data"]) for event in sent]
    assert events[-1]["status"] == "COMPLETED"
    schema = {"$ref": "#/components/schemas/Execution"}
    assert [faults(schema, event) for event in events] == [[]] * len(events)


async def test_those_who_may_not_are_told_as_described(settings: Settings) -> None:
    """Whoever is not let in, with no token or too small a one or from elsewhere, keeps to it."""
    async with answering(token_needed(settings)) as client:
        for headers in (await callers(client.app)).values():
            for accept in ("*/*", AS_JSON["Accept"]):
                for method, path in (("GET", "/jobs"), ("POST", "/sync/99"), ("GET", "/docs")):
                    shown = {**headers, "Accept": accept}
                    await keep_contract(await client.request(method, path, headers=shown))


async def test_a_bank_that_is_gone_keeps_to_it(
    settings: Settings, tmp_path: Path, aiohttp_client: AiohttpClient
) -> None:
    """The answers of a service whose item bank is not there are as they are described."""
    gone = BankSettings(url=str(tmp_path / "nowhere"))
    client = await aiohttp_client(create_app(evolve(settings, bank=gone)))
    for headers in ({}, AS_JSON):
        response = await client.post("/sync/1", headers=headers)
        assert response.status == 502
        await keep_contract(response)
    await keep_contract(await client.get("/health"))
