"""Who the fake GitLab answers, and what it says to the others."""

import pytest
from aiohttp import ClientSession

from ingest.bank.fake_gitlab.access import Standing
from ingest.bank.fake_gitlab.gitlab import FakeGitLab
from tests.bank.fake_gitlab.conftest import Asker
from tests.support.repositories import Repository


@pytest.mark.parametrize(
    "headers", [{"PRIVATE-TOKEN": "a-token"}, {"Authorization": "Bearer a-token"}]
)
async def test_a_token_is_taken_from_either_header(
    gitlab: FakeGitLab, headers: dict[str, str]
) -> None:
    """A token is known by its own header and as a bearer's."""
    async with (
        ClientSession(gitlab.url, headers=headers) as session,
        session.get("/api/v4/groups/itembank") as response,
    ):
        assert response.status == 200


@pytest.mark.parametrize("headers", [{}, {"PRIVATE-TOKEN": "another"}])
async def test_strangers_are_refused(gitlab: FakeGitLab, headers: dict[str, str]) -> None:
    """Without a token, or with one that is not known, the answer is 401, by GraphQL too."""
    async with ClientSession(gitlab.url, headers=headers) as session:
        async with session.get("/api/v4/projects/1") as response:
            assert (response.status, await response.json()) == (
                401,
                {"message": "401 Unauthorized"},
            )
        async with session.post("/api/graphql", json={"query": "{x}"}) as response:
            assert response.status == 401
            assert await response.json() == {"errors": [{"message": "Invalid token"}]}


@pytest.mark.parametrize(
    ("standing", "group", "project"),
    [
        (Standing.VALID, 200, 200),
        (Standing.UNKNOWN, 401, 401),
        (Standing.REVOKED, 401, 401),
        (Standing.EXPIRED, 401, 401),
        (Standing.FORBIDDEN, 403, 403),
        (Standing.NO_GROUP, 404, 404),
        (Standing.NO_PROJECTS, 200, 404),
    ],
)
async def test_a_token_may_lose_its_rights(
    asker: Asker, item: Repository, standing: Standing, group: int, project: int
) -> None:
    """What a token is worth can change at any time, and is seen at the next request."""
    item.commit(b"{}")
    asker.gitlab.token.standing = standing
    assert (await asker.get("/groups/itembank")).status == group
    assert (await asker.get("/projects/1000007")).status == project
    if project == 404:
        listed = await asker.get("/projects", membership="true")
        assert listed.json == []
        found = await asker.graphql(
            '{group(fullPath: "itembank") {projects(first: 1) {nodes {id}}}}'
        )
        seen = found["data"]["group"]
        assert seen is None if group == 404 else seen == {"projects": {"nodes": []}}


async def test_absence_is_told_in_gitlab_s_words(asker: Asker) -> None:
    """What is not there is named in the message."""
    assert (await asker.get("/groups/other")).json == {"message": "404 Group Not Found"}
    assert (await asker.get("/projects/1")).json == {"message": "404 Project Not Found"}
    assert (await asker.get("/nowhere")).json == {"error": "404 Not Found"}


async def test_scopes_bound_what_a_token_may_do(gitlab: FakeGitLab, item: Repository) -> None:
    """A token that may only read sees hooks and makes none; another scope reads nothing."""
    item.commit(b"{}")
    gitlab.tokens.add("reader", scopes=["read_api"])
    gitlab.tokens.add("registry", scopes=["read_registry"])
    path = "/api/v4/projects/1000007/hooks"
    async with ClientSession(gitlab.url, headers={"PRIVATE-TOKEN": "reader"}) as session:
        async with session.get(path) as response:
            assert response.status == 200
        async with session.post(path, json={"url": "http://127.0.0.1/"}) as response:
            assert response.status == 403
            assert (await response.json())["error"] == "insufficient_scope"
    async with (
        ClientSession(gitlab.url, headers={"PRIVATE-TOKEN": "registry"}) as session,
        session.get(path) as response,
    ):
        assert response.status == 403


async def test_only_maintainers_see_hooks(asker: Asker, item: Repository) -> None:
    """Who is no maintainer is refused, not told that there are none."""
    item.commit(b"{}")
    asker.gitlab.token.is_maintainer = False
    answer = await asker.get("/projects/1000007/hooks")
    assert (answer.status, answer.json) == (403, {"message": "403 Forbidden"})
