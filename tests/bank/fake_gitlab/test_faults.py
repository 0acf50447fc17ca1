"""Misbehaviour on order: what a client sees of each kind, and which requests it meets."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientPayloadError, ClientSession, ServerDisconnectedError

from ingest.bank.fake_gitlab.faults import FaultKind, Faults
from tests.bank.fake_gitlab.conftest import Asker
from tests.support.repositories import Repository

DEADLINE_S = 10.0
PROJECT = "/projects/1000007"


@pytest.fixture(autouse=True)
def _one_project(item: Repository) -> None:
    """There is a project to ask for."""
    item.commit(b'{"id": "7"}')


async def _statuses(asker: Asker, requests: int, path: str = PROJECT) -> list[int]:
    return [(await asker.get(path)).status for _ in range(requests)]


async def test_a_status_with_headers_and_body(asker: Asker) -> None:
    """What is ordered is answered, with what a real proxy or GitLab would say."""
    faults = asker.gitlab.faults
    faults.add("status", status=429, headers={"Retry-After": "7"}, times=1)
    faults.add("status", status=502, times=1)
    faults.add("status", status=500, times=1)
    faults.add("status", status=503, body='{"message": "later"}', times=1)
    answers = []
    for _ in range(4):
        async with asker.session.get(f"/api/v4{PROJECT}") as response:
            answers.append((response.status, response.content_type, await response.text()))
            if response.status == 429:
                assert response.headers["Retry-After"] == "7"
    assert answers[0] == (429, "text/plain", "Retry later\n")
    assert answers[1][:2] == (502, "text/html")
    assert "<h1>502 Bad Gateway</h1>" in answers[1][2]
    assert answers[2] == (500, "application/json", '{"message":"500 Internal Server Error"}')
    assert answers[3] == (503, "application/json", '{"message": "later"}')
    assert await _statuses(asker, 1) == [200]


async def test_a_connection_that_is_cut_before_the_answer(asker: Asker) -> None:
    """The client hears nothing at all."""
    asker.gitlab.faults.add("cut")
    with pytest.raises((ServerDisconnectedError, ConnectionError, aiohttp.ClientOSError)):
        await asker.get(PROJECT)
    assert asker.gitlab.requests.statuses == {}
    # aiohttp itself sends a GET once more when it is cut off before any answer.
    assert asker.gitlab.requests.faults == {"cut": 2}


@pytest.mark.parametrize("kind", ["cut_body", "truncated"])
async def test_a_body_that_ends_in_its_middle(asker: Asker, kind: str) -> None:
    """With a length the client can tell that it was cut; without, only that it is no JSON."""
    async with asker.session.get(f"/api/v4{PROJECT}") as response:
        whole = await response.read()
    asker.gitlab.faults.add(kind, times=1)
    async with asker.session.get(f"/api/v4{PROJECT}") as response:
        assert response.status == 200
        assert "RateLimit-Observed" in response.headers
        if kind == "cut_body":
            assert response.headers["Content-Length"] == f"{len(whole)}"
            with pytest.raises(ClientPayloadError):
                await response.read()
        else:
            assert "Content-Length" not in response.headers
            assert await response.read() == whole[: len(whole) // 2]
    assert await _statuses(asker, 1) == [200]


async def test_a_slow_body_comes_when_it_is_released(asker: Asker) -> None:
    """Half of it is there at once; the rest, when somebody says so."""
    fault = asker.gitlab.faults.add("slow_body", "raw")
    path = f"/api/v4{PROJECT}/repository/files/item.json/raw?ref=main"
    async with asyncio.timeout(DEADLINE_S), asker.session.get(path) as response:
        assert response.status == 200
        assert await response.content.readexactly(5) == b'{"id"'
        await fault.until_hanging(1)
        fault.release()
        assert await response.read() == b': "7"}'


async def test_a_slow_body_may_drip(asker: Asker) -> None:
    """Byte after byte, to the end."""
    asker.gitlab.faults.add("slow_body", "raw", drip_s=0.001)
    path = f"/api/v4{PROJECT}/repository/files/item.json/raw?ref=main"
    async with asyncio.timeout(DEADLINE_S), asker.session.get(path) as response:
        assert await response.read() == b'{"id": "7"}'


async def test_stalled_requests_are_counted_and_answered_when_released(asker: Asker) -> None:
    """Nothing comes back until then, and the fake can tell how many hang."""
    fault = asker.gitlab.faults.add("stall")
    asking = [asyncio.create_task(asker.get(PROJECT)) for _ in range(16)]
    async with asyncio.timeout(DEADLINE_S):
        await fault.until_hanging(16)
        assert asker.gitlab.requests.in_flight == 16
        assert not any(task.done() for task in asking)
        fault.release()
        assert {(await task).status for task in asking} == {200}
    assert asker.gitlab.faults.hanging == 0


async def test_a_stalled_request_whose_client_goes_away_does_not_hang_any_more(
    asker: Asker,
) -> None:
    """That a client has closed its connections can be waited for."""
    fault = asker.gitlab.faults.add("stall")
    headers = {"PRIVATE-TOKEN": asker.gitlab.token.value}
    async with asyncio.timeout(DEADLINE_S):
        async with ClientSession(asker.gitlab.url, headers=headers) as session:
            asking = asyncio.create_task(session.get(f"/api/v4{PROJECT}"))
            await fault.until_hanging(1)
            asking.cancel()
            await asyncio.wait({asking})
        await fault.until_hanging(0)
    assert asker.gitlab.requests.in_flight == 0


async def test_a_login_page_with_status_200_and_a_way_to_it(asker: Asker) -> None:
    """What a proxy that has lost the session answers."""
    asker.gitlab.faults.add("login_page", times=1)
    async with asker.session.get(f"/api/v4{PROJECT}") as response:
        assert (response.status, response.content_type) == (200, "text/html")
        assert "Sign in" in await response.text()
    asker.gitlab.faults.add("login_redirect", "/api/", times=1)
    redirected = await asker.get(PROJECT)
    assert (redirected.status, redirected.headers["Location"]) == (302, "/users/sign_in")
    async with asker.session.get("/users/sign_in") as response:
        assert (response.status, response.content_type) == (200, "text/html")


async def test_json_that_is_none_and_json_of_another_shape(asker: Asker) -> None:
    """Half a document with a right length; an object for a list, and a list for an object."""
    faults = asker.gitlab.faults
    faults.add("bad_json", times=1)
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        await asker.get(PROJECT)
    faults.add("wrong_shape", times=2)
    assert (await asker.get(PROJECT)).json == [{"unexpected": True}]
    assert (await asker.get("/projects")).json == {"unexpected": True}


async def test_a_link_to_another_host(asker: Asker, bank: Path) -> None:
    """A next page that leads elsewhere: nobody may send a token there."""
    Repository(bank / "8.git")
    asker.gitlab.faults.add("link_host")
    listed = await asker.get("/groups/itembank/projects", per_page=1)
    assert listed.headers["Link"].startswith("<https://gitlab.invalid/api/v4/groups/")
    assert asker.gitlab.url not in listed.headers["Link"]


async def test_graphql_errors_and_null_nodes(asker: Asker) -> None:
    """They come with status 200: without any data, or with a node that is null."""
    query = '{group(fullPath: "itembank") {projects(first: %d) {nodes {id}}}}'
    faults = asker.gitlab.faults
    faults.add("graphql_error", times=1, first_above=25)
    small = await asker.graphql(query % 25)
    assert "errors" not in small
    large = await asker.graphql(query % 26)
    assert large == {"data": None, "errors": [{"message": "Timeout on validation of query"}]}
    faults.add("graphql_nulls", times=1)
    nulls = await asker.graphql(query % 100)
    assert nulls["data"]["group"]["projects"]["nodes"] == [None]
    assert nulls["errors"][0]["path"] == ["group", "projects", "nodes", 0]
    variable = "query q($n: Int) {projects(first: $n) {nodes {id}}}"
    faults.add("graphql_error", times=1, first_above=25)
    assert "errors" not in await asker.graphql(variable, n=3)
    assert "errors" in await asker.graphql(variable, n=100)


async def test_faults_meet_what_they_are_for(asker: Asker) -> None:
    """By path and method, by number, and so many times at most."""
    faults = asker.gitlab.faults
    fault = faults.add("status", r"/projects/1000007$", method="GET", nth=[2, 4], status=500)
    assert await _statuses(asker, 5) == [200, 500, 200, 500, 200]
    assert (await asker.get(f"{PROJECT}/repository/commits")).status == 200
    assert (fault.matched, fault.done) == (5, 2)
    faults.remove(fault)
    faults.add("status", "page=2", times=2, status=503)
    assert await _statuses(asker, 3, "/projects?page=2") == [503, 503, 200]
    faults.clear()
    assert faults.all == ()


async def test_a_random_share_is_the_same_for_the_same_seed() -> None:
    """Which requests a share meets depends on the seed alone, not on other faults."""

    def met(seed: int, *, beside: bool = False) -> list[bool]:
        faults = Faults(seed)
        faults.add("status", share=0.1)
        if beside:
            faults.add("cut", "never")
        return [faults.meeting("GET", "/x", None) is not None for _ in range(1000)]

    assert met(1) == met(1, beside=True)
    assert met(1) != met(2)
    assert 60 < sum(met(1)) < 140


async def test_failures_are_sprinkled_over_all_requests(asker: Asker) -> None:
    """A share of requests fails, by each of three statuses about as often as by the others."""
    asker.gitlab.faults.sprinkle(0.3)
    seen = await _statuses(asker, 300)
    assert set(seen) == {200, 429, 500, 502}
    assert 55 < sum(status != 200 for status in seen) < 125


@pytest.mark.parametrize("kind", list(FaultKind))
async def test_the_server_is_well_after_any_fault(asker: Asker, kind: FaultKind) -> None:
    """Whatever was done to one request, the next is answered as ever."""
    fault = asker.gitlab.faults.add(kind, times=1)
    fault.release()
    options: dict[str, Any] = {"json": {"query": "{projects(first: 1) {nodes {id}}}"}}
    try:
        async with asker.session.post("/api/graphql", **options) as response:
            await response.read()
    except (aiohttp.ClientError, ConnectionError):
        pass
    assert fault.done == 1
    assert await _statuses(asker, 1) == [200]
