"""The limit of requests, and what the server remembers of those it had."""

from aiohttp import ClientSession

from ingest.bank.fake_gitlab.gitlab import FakeGitLab
from ingest.bank.fake_gitlab.pacing import RateLimit
from ingest.bank.fake_gitlab.requests import DETAILS
from tests.bank.fake_gitlab.conftest import Asker
from tests.support.repositories import Repository


async def test_the_limit_is_told_on_every_answer(asker: Asker) -> None:
    """Also on refusals: how many are allowed, were seen, are left, and until when."""
    asker.gitlab.world.limit = RateLimit(clock=lambda: 90.0)
    first = await asker.get("/groups/itembank")
    second = await asker.get("/nowhere")
    assert first.headers["RateLimit-Observed"] == "1"
    assert second.headers["RateLimit-Observed"] == "2"
    limit, remaining = (int(second.headers[f"RateLimit-{one}"]) for one in ("Limit", "Remaining"))
    assert remaining == limit - 2
    assert second.headers["RateLimit-Reset"] == "120"


async def test_beyond_the_limit_requests_are_refused(asker: Asker) -> None:
    """With the word to retry later, and when."""
    asker.gitlab.world.limit = RateLimit(2, clock=lambda: 90.0)
    statuses = []
    for _ in range(3):
        async with asker.session.get("/api/v4/groups/itembank") as response:
            statuses.append(response.status)
            text, headers = await response.text(), response.headers
    assert statuses == [200, 200, 429]
    assert text == "Retry later\n"
    assert headers["RateLimit-Remaining"] == "0"
    assert headers["Retry-After"] == "30"


def test_a_new_window_begins_from_nought() -> None:
    """Each token has its own count, in windows of the clock."""
    now = [0.0]
    limit = RateLimit(1, window_s=60.0, clock=lambda: now[0])
    assert limit.count("a")[1] is None
    assert limit.count("b")[1] is None
    headers, refusal = limit.count("a")
    assert refusal is not None
    assert headers["Retry-After"] == "60"
    now[0] = 60.0
    assert limit.count("a")[1] is None


async def test_requests_are_counted_by_what_they_ask_for(asker: Asker, item: Repository) -> None:
    """By method and route, by status; the last of them in detail, and never with a token."""
    item.commit(b"{}")
    await asker.get("/projects/1000007")
    await asker.get("/projects/1000007/repository/files/item.json/raw", ref="main")
    await asker.get("/projects/8", x="y")
    await asker.graphql("{projects(first: 1) {nodes {id}}}")
    found = asker.gitlab.requests
    assert found.total == 4
    assert found.kinds == {
        "GET /projects/{id}": 2,
        "GET /projects/{id}/repository/files/{file_path}/raw": 1,
        "POST /api/graphql": 1,
    }
    assert found.statuses == {200: 3, 404: 1}
    last = found.last[-2]
    assert (last.method, last.path, last.query) == ("GET", "/api/v4/projects/8", "x=y")
    assert last.status == 404
    assert found.in_flight == 0
    assert asker.gitlab.token.value not in repr(list(found.last))
    found.clear()
    assert (found.total, dict(found.kinds)) == (0, {})
    await found.reached(0)


async def test_details_are_bounded(gitlab: FakeGitLab) -> None:
    """However many requests there are, only the last are kept."""
    assert gitlab.requests.last.maxlen == DETAILS


async def test_the_controls_of_a_command_line(asker: Asker, item: Repository) -> None:
    """What tests order in the same process, a command line orders over HTTP."""
    item.commit(b"{}")
    gitlab = asker.gitlab
    async with ClientSession(gitlab.url) as session:

        async def order(method: str, path: str, /, **document: object) -> tuple[int, object]:
            async with session.request(method, f"/fake/{path}", json=document) as response:
                is_json = response.content_type == "application/json"
                return response.status, await response.json() if is_json else None

        assert await order("POST", "push/7") == (200, {"called": 0})
        assert (await order("POST", "push/8"))[0] == 404
        status, shown = await order("POST", "faults", kind="status", path="groups", status=503)
        assert (status, shown) == (
            200,
            [{"kind": "status", "path": "groups", "matched": 0, "done": 0, "hanging": 0}],
        )
        assert (await asker.get("/groups/itembank")).status == 503
        for wrong in (
            {"kind": "nonsense"},
            {"kind": "cut", "when": 1},
            {"kind": "cut", "path": "("},
        ):
            assert (await order("POST", "faults", **wrong))[0] == 400
        assert (await order("DELETE", "faults"))[0] == 204
        assert (await order("POST", "projects/7/rename", path="seven"))[0] == 204
        assert (await order("POST", "projects/7/rename"))[0] == 400
        assert (await order("POST", "projects/7/explode"))[0] == 404
        assert gitlab.project("7").path == "seven"
        for change in ("archive", "hide", "touch", "mark-for-deletion", "delete"):
            assert (await order("POST", f"projects/7/{change}"))[0] == 204
        assert (await order("POST", "token", standing="revoked"))[0] == 200
        assert (await order("POST", "token", standing="great"))[0] == 400
        assert (await asker.get("/groups/itembank")).status == 401
        _, counts = await order("GET", "requests")
        assert isinstance(counts, dict)
        assert counts["total"] == gitlab.requests.total == 2
        assert (await order("GET", "deliveries"))[1] == []
        assert (await order("DELETE", "requests"))[0] == 204
        assert gitlab.requests.total == 0
