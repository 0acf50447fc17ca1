"""What a refused request is told: the table of statuses, and words for every bad input."""

from collections.abc import Iterator

import orjson
import pytest
from yarl import URL

from ingest import errors
from ingest.access import errors as access
from ingest.api.errors import NOT_OVER_HTTP, STATUSES
from ingest.api.routes import ROUTES
from tests.support.service import Client, get


def leaves(kind: type[errors.IngestError]) -> Iterator[type[errors.IngestError]]:
    """Yield the errors of the service that are raised: those that no other one derives from."""
    children = [one for one in kind.__subclasses__() if one.__module__.startswith("ingest.")]
    if not children:
        yield kind
    for child in children:
        yield from leaves(child)


def test_the_table_of_statuses_names_every_error() -> None:
    """Each error of the service either has a status or is known never to meet a request."""
    assert STATUSES.keys() | NOT_OVER_HTTP == set(leaves(errors.IngestError))
    assert STATUSES.keys().isdisjoint(NOT_OVER_HTTP)


def test_every_error_has_a_code_of_its_own() -> None:
    """A problem document's type tells the errors apart."""
    kinds = list(leaves(errors.IngestError))
    assert len({kind.code for kind in kinds}) == len(kinds)


def test_no_error_that_is_the_callers_is_a_server_error() -> None:
    """A 5xx is left to what the caller cannot help."""
    ours = {
        errors.BankUnavailableError,
        errors.DatabaseInUseError,
        errors.EndNotRecordedError,
        errors.StartPendingError,
        errors.ServiceStoppingError,
        errors.DatabaseUnavailableError,
        access.IssuerUnavailableError,
        access.OverloadedError,
    }
    assert {kind for kind, status in STATUSES.items() if status >= 500} == ours


PATHS = sorted(
    (route.method, route.path.format(item_id=1, instance_id=1, execution_id=1, name="docs.js"))
    for route in ROUTES
    if not route.path.startswith("/health")
)


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.asyncio(loop_scope="session")
async def test_an_unknown_query_parameter_is_refused(
    standing: Client, method: str, path: str
) -> None:
    """A parameter that means nothing is a 400 naming it, before anything is done."""
    response = await standing.request(method, f"{path}?resaon=x")
    assert response.status == 400
    assert (await response.text()).startswith("Unknown query parameter 'resaon'; there are ")
    assert (await get(standing, "/executions"))["executions"] == []


@pytest.mark.parametrize(
    ("path", "name"),
    [("/executions", "before"), ("/items", "after"), ("/items", "limit"), ("/items", "q")],
)
@pytest.mark.asyncio(loop_scope="session")
async def test_a_parameter_given_twice_is_refused(standing: Client, path: str, name: str) -> None:
    """Of two values none is silently taken."""
    response = await standing.get(f"{path}?{name}=1&{name}=2")
    assert response.status == 400
    assert await response.text() == f"Query parameter {name} is given more than once"


@pytest.mark.parametrize("path", ["/executions", "/items", "/problems"])
@pytest.mark.parametrize("value", ["0", "-1", "1001", "x", "", "1.0", "9" * 30, "%D9%A1"])
@pytest.mark.asyncio(loop_scope="session")
async def test_a_bad_limit_is_refused(standing: Client, path: str, value: str) -> None:
    """A limit that is no number from 1 to 1000 is a 400 naming it."""
    response = await standing.get(URL(f"{path}?limit={value}", encoded=True))
    assert response.status == 400
    text = await response.text()
    shown = URL(f"?v={value}", encoded=True).query["v"]
    assert text == f"Query parameter limit must be an integer from 1 to 1000, not {shown!r}"


@pytest.mark.parametrize(
    "query",
    [
        "/executions?before=x",
        f"/executions?before={2**63}",
        "/executions?job=itemsynchronizationjob",
        "/executions?job=%00",
        "/executions?status=started",
        "/executions?status=",
        "/executions/x",
        "/executions/%00",
        f"/executions/{2**63}/history",
        f"/executions/{'1' * 40}/events",
        f"/items?after={2**63}",
        "/items/x",
        "/items/0",
        "/items/-1",
        "/items/007",
        f"/items/{2**63}",
    ],
)
@pytest.mark.asyncio(loop_scope="session")
async def test_bad_values_are_refused_in_words(standing: Client, query: str) -> None:
    """A value that cannot be is a 400 whose reason a person can act on."""
    response = await standing.get(URL(query, encoded=True))
    assert response.status == 400
    text = await response.text()
    assert " must be " in text or " there are " in text


@pytest.mark.parametrize(
    "path", ["/executions/1", "/executions/0", "/executions/-5", "/executions/9/history"]
)
@pytest.mark.asyncio(loop_scope="session")
async def test_an_execution_that_is_not_there_is_not_found(standing: Client, path: str) -> None:
    """An execution id that nothing has is a 404, with the id as a member."""
    response = await standing.get(path, headers={"Accept": "application/json"})
    document = orjson.loads(await response.read())
    execution_id = int(path.split("/")[2])
    assert (response.status, document["jobExecutionId"]) == (404, execution_id)
    expected = f"Could not find job execution for execution id {execution_id}"
    assert document["detail"] == expected


@pytest.mark.parametrize(
    "path",
    [
        "/%FF",
        "/%00",
        "/%2e%2e/etc/passwd",
        "/items/%ED%A0%80",
        "/executions/%FF/events",
        "/problems?after=%00",
        "/problems?after=%ED%A0%80",
        "/executions?job=%ED%A0%80",
        "/items?subject=%00",
        "/items?subject=%FF&grade=%ED%A0%80&type=%00&status=%F0%9F%98%80",
        "/items?q",
        "/items?%00=1",
        "/items?=1",
        "/items?after=-1",
    ],
)
@pytest.mark.asyncio(loop_scope="session")
async def test_odd_bytes_never_break_the_service(standing: Client, path: str) -> None:
    """Whatever bytes an address holds, the answer is no 5xx."""
    response = await standing.get(URL(path, encoded=True))
    assert response.status < 500, await response.text()


@pytest.mark.asyncio(loop_scope="session")
async def test_every_answer_carries_the_requests_id(standing: Client) -> None:
    """A given X-Request-ID comes back; one that is none is replaced, also on an error."""
    given = await standing.put("/abandon/99", headers={"X-Request-ID": "night-7"})
    assert given.headers["X-Request-ID"] == "night-7"
    made = [await standing.get("/jobs", headers={"X-Request-ID": "a b"}) for _ in range(2)]
    ids = {one.headers["X-Request-ID"] for one in made}
    assert len(ids) == 2
    assert "a b" not in ids
