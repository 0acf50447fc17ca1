"""The client and the fake against GitLab's own description of its API, as far as that goes.

The facts stand in ``tests/support/gitlab_api.json``, with the files and commits they are from.
"""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from aiohttp import ClientSession

from ingest.bank.fake_gitlab import hook_calls
from ingest.bank.fake_gitlab.schema import TYPES
from ingest.bank.fake_gitlab.server import GRAPHQL_PATH, ROUTES
from ingest.bank.fake_gitlab.syntax import parse
from ingest.bank.fake_gitlab.validation import Validation
from ingest.bank.gitlab.api import CALLS, PROJECTS_QUERY, Call
from tests.support.gitlab_server import fake_gitlab
from tests.support.repositories import Repository

FACTS: Final[dict[str, Any]] = orjson.loads(
    (Path(__file__).parents[1] / "support" / "gitlab_api.json").read_bytes()
)

#: What the descriptions do not cover, and where else it is told.
NOT_DESCRIBED: Final = {
    "GET /projects pagination": "GitLab's guide to keyset pagination",
    "GET /projects/{} permissions": "its entity adds them to those of a project",
    "GET /projects permissions": "as for a single project",
    "POST /projects/{}/hooks branch_filter_strategy": "an entity of hooks has it",
    "POST /projects/{}/hooks name": "an entity of hooks has it",
    "POST /projects/{}/hooks description": "an entity of hooks has it",
    "Query.projects ids": "the schema that could be read is older",
}

#: Beyond the entity that the description names for an answer, the one that is sent.
SENT_ENTITIES: Final = {
    "BasicProjectDetails": "Project",
    "ProjectWithAccess": "Project",
    "CommitDetail": "Commit",
}

#: Entities within others.
PARTS: Final = {"namespace": "NamespaceBasic", "commit": "Commit"}


def _bare(path: str) -> str:
    """Return a path with its ids unnamed."""
    return re.sub(r"\{[^}]*\}", "{}", path)


DESCRIBED: Final = {_bare(call): one for call, one in FACTS["rest"].items()}


def _parameters(call: str) -> set[str]:
    extra = {name.split()[-1] for name in NOT_DESCRIBED if name.rpartition(" ")[0] == call}
    return {*DESCRIBED[call]["parameters"], *extra}


def _fields(call: str) -> set[str]:
    """Return the fields that a call's answer may have, those of its parts with dots."""
    entity = DESCRIBED[call]["entity"]
    names = set(FACTS["entities"].get(SENT_ENTITIES.get(entity, entity), []))
    names |= {name.split()[-1] for name in NOT_DESCRIBED if name.rpartition(" ")[0] == call}
    within = {
        f"{part}.{name}"
        for part, entity in PARTS.items()
        if part in names
        for name in FACTS["entities"][entity]
    }
    return names | within


def _routes() -> Iterator[str]:
    for route in ROUTES:
        path = re.sub(r":[^}]*\}", "}", route.path).removeprefix("/api/v4")
        if path != GRAPHQL_PATH:
            yield f"{route.method} {_bare(path)}"


def test_every_route_of_the_fake_is_described() -> None:
    """The fake answers nothing that GitLab has not."""
    assert set(_routes()) <= set(DESCRIBED)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.method} {call.path}")
def test_every_call_of_the_client_is_described(call: Call) -> None:
    """Paths, parameters and the fields that are read are GitLab's; so is the fake's answer."""
    described = f"{call.method} {_bare(call.path)}"
    assert described in DESCRIBED
    assert described in set(_routes())
    assert call.parameters <= _parameters(described)
    assert call.fields <= _fields(described)


def test_every_part_of_a_hook_is_described() -> None:
    """What the fake takes of a hook is GitLab's, but for what is younger than the description."""
    described = _parameters("POST /projects/{}/hooks") | set(FACTS["entities"]["ProjectHook"])
    assert set(hook_calls.KNOWN) <= described


def test_the_fake_s_graphql_schema_is_a_part_of_gitlab_s() -> None:
    """Types, fields and arguments."""
    for type_name, fields in TYPES.items():
        described = FACTS["graphql"][type_name]
        assert fields.keys() <= described.keys(), type_name
        for name, one in fields.items():
            where = f"{type_name}.{name}"
            extra = {key.split()[-1] for key in NOT_DESCRIBED if key.startswith(f"{where} ")}
            if (type_name, name) not in {("Query", "group"), ("Query", "project")}:
                extra |= {"first", "last", "after", "before"} if one.is_connection else set()
            assert one.arguments.keys() <= {*described[name], *extra}, where


def test_the_client_s_query_is_one() -> None:
    """It asks for what the schema has, and for no more than GitLab allows at once."""
    document = parse(PROJECTS_QUERY)
    (operation,) = document.operations
    variables = {"group": "itembank", "subgroups": True, "first": 100, "after": None}
    assert Validation(document, operation, variables).run() == []


@pytest.fixture
async def session(tmp_path: Path) -> AsyncIterator[ClientSession]:
    """A client of a fake GitLab with one item and one hook."""
    async with fake_gitlab(tmp_path / "bank") as gitlab:
        Repository(tmp_path / "bank" / "7.git").commit(b"{}")
        headers = {"PRIVATE-TOKEN": gitlab.token.value}
        async with ClientSession(gitlab.url, headers=headers) as made:
            wanted = {"url": "http://127.0.0.1/"}
            async with made.post("/api/v4/projects/1000007/hooks", json=wanted) as response:
                assert response.status == 201
            yield made


@pytest.mark.parametrize("call", sorted(call for call in set(_routes()) if call.startswith("GET")))
async def test_every_field_that_the_fake_answers_is_described(
    session: ClientSession, call: str
) -> None:
    """Names that GitLab does not have must not creep into what a client is tried against."""
    ids = {"groups": ["itembank"], "projects": ["1000007"], "branches": ["main"]}
    ids |= {"commits": ["main"], "files": ["item.json"], "hooks": ["1"]}
    parts = call.removeprefix("GET ").split("/")
    path = "/".join(
        ids[parts[at - 1]][0] if part == "{}" else part for at, part in enumerate(parts)
    )
    async with session.get(f"/api/v4{path}") as response:
        assert response.status == 200
        if response.content_type != "application/json":
            return
        document = await response.json()
    for one in document if isinstance(document, list) else [document]:
        named = set(one) | {
            f"{part}.{name}"
            for part in PARTS
            if isinstance(one.get(part), dict)
            for name in one[part]
        }
        assert named <= _fields(call)
