"""Listing by GraphQL, and falling back to REST where that is not to be had."""

import re
from typing import Any

import pytest
from attrs import evolve

from ingest.bank.fake_gitlab.gitlab import FakeGitLab
from ingest.bank.gitlab.listing import How
from ingest.model.item import ProblemKind
from tests.support.gitlab_bench import (
    GRAPHQL,
    GitLabBench,
    incomplete,
    keys,
    problems,
    scanned,
)
from tests.support.gitlab_kind import LIMITS

PATH = "^/api/graphql"
NO_FIELD = "Field 'rootRef' doesn't exist on type 'Repository'"


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"kind": "status", "status": 404}, id="not served"),
        pytest.param({"kind": "status", "status": 403}, id="forbidden"),
        pytest.param({"kind": "status", "status": 405}, id="not for POST"),
        pytest.param({"kind": "graphql_error", "body": NO_FIELD}, id="unknown field"),
    ],
)
async def test_where_graphql_is_not_to_be_had_rest_is_asked(
    bench: GitLabBench, fake: FakeGitLab, fault: dict[str, Any]
) -> None:
    """At once, and to the same result; where only GraphQL is wanted, the message says why not."""
    bench.items("7", "8")
    _, expected = await scanned(bench.bank())
    order = fake.faults.add(path=PATH, **fault)
    scan, found = await scanned(bench.bank())
    assert scan.complete
    assert sorted(found, key=lambda one: one.key) == sorted(expected, key=lambda one: one.key)
    assert order.done == 1

    message, listed = await incomplete(bench.bank(how=GRAPHQL))
    assert listed == []
    assert re.search(r"GraphQL: (40[345]|Field 'rootRef')", message)


async def test_graphql_that_goes_in_mid_listing_is_no_reason_to_begin_anew(
    bench: GitLabBench, fake: FakeGitLab
) -> None:
    """Half by GraphQL and half by REST is no listing: the next run does it."""
    bench.many(range(1, 4))
    fake.faults.add("status", PATH, nth=2, status=404)
    message, listed = await incomplete(bench.bank(how=How(per_page=2)))
    assert len(listed) == 2
    assert "page 2 of the group's projects by GraphQL" in message


async def test_a_group_that_graphql_does_not_know_is_no_reason_to_ask_rest(
    bench: GitLabBench, fake: FakeGitLab
) -> None:
    """GraphQL answers, and has no group there: it is the right to see it that is missing."""
    bench.items("7")
    body = '{"data": {"group": null}}'
    fake.faults.add("status", PATH, status=200, body=body)
    for how in (How(), GRAPHQL):
        message, _ = await incomplete(bench.bank(how=how))
        assert "no such group" in message
        assert "no member of it" in message


async def test_a_page_that_is_too_much_is_asked_for_by_halves(
    bench: GitLabBench, fake: FakeGitLab
) -> None:
    """Where GitLab times out on many nodes at once; what it can bear is kept to afterwards."""
    bench.many(range(1, 101))
    fake.faults.add("graphql_error", PATH, first_above=25)
    scan, found = await scanned(bench.bank(how=GRAPHQL))
    assert (scan.complete, len(found), len(set(keys(found)))) == (True, 100, 100)
    # Twice 100, twice 50, and then four pages of 25.
    assert fake.requests.kinds["POST /api/graphql"] == 2 + 2 + 4


async def test_halves_end_at_ten_which_are_asked_for_as_often_as_anything(
    bench: GitLabBench, fake: FakeGitLab
) -> None:
    """And then the page has failed for good."""
    bench.items("7")
    order = fake.faults.add("graphql_error", PATH)
    message, _ = await incomplete(bench.bank(how=GRAPHQL, limits=evolve(LIMITS, attempts=3)))
    assert "page 1 of the group's projects by GraphQL" in message
    assert order.done == 2 * len((100, 50, 25, 12)) + 3


@pytest.mark.parametrize(
    ("repository", "kind"),
    [
        ("null", ProblemKind.UNREADABLE_REPOSITORY),
        ('{"empty": false, "rootRef": null, "tree": null}', ProblemKind.NO_DEFAULT_BRANCH),
        (
            '{"empty": false, "rootRef": "main", "tree": {"lastCommit": null}}',
            ProblemKind.NO_DEFAULT_BRANCH,
        ),
        ('{"empty": true, "rootRef": null, "tree": null}', None),
    ],
)
async def test_what_is_told_of_a_repository(
    bench: GitLabBench, fake: FakeGitLab, repository: str, kind: ProblemKind | None
) -> None:
    """One that the token may not read and one without a branch are problems, an empty one not."""
    bench.items("7")
    fake.faults.add("status", PATH, status=200, body=page(repository))
    scan, found = await scanned(bench.bank(how=GRAPHQL))
    assert scan.complete
    assert problems(found) == ({} if kind is None else {"7": kind})
    assert found[0].revision is None


@pytest.mark.parametrize(
    "project",
    [
        "null",
        "{}",
        '{"id": "gid://gitlab/Group/7"}',
        '{"id": "gid://gitlab/Project/seven"}',
        '{"id": 7}',
        '{"id": "gid://gitlab/Project/7", "path": 7}',
    ],
)
async def test_a_node_of_another_shape_is_a_failed_page(
    bench: GitLabBench, fake: FakeGitLab, project: str
) -> None:
    """Nothing is guessed: a half of a page may look like deletions."""
    body = page("null").replace(NODE % "null", project)
    fake.faults.add("status", PATH, status=200, body=body)
    message, listed = await incomplete(bench.bank(how=evolve(GRAPHQL, per_page=10)))
    assert listed == []
    assert "page 1 of" in message


@pytest.mark.parametrize(
    "info",
    [
        '{"hasNextPage": true, "endCursor": null}',
        '{"hasNextPage": "no", "endCursor": null}',
        '{"endCursor": null}',
        "null",
    ],
)
async def test_a_list_that_does_not_get_on_is_a_failed_page(
    bench: GitLabBench, fake: FakeGitLab, info: str
) -> None:
    """No list is read without end, and none that does not say whether it goes on."""
    body = page("null").replace(LAST, info)
    fake.faults.add("status", PATH, status=200, body=body)
    message, _ = await incomplete(bench.bank(how=evolve(GRAPHQL, per_page=10)))
    assert "page 1 of" in message


async def test_a_list_that_goes_round_in_circles_is_a_failed_page(
    bench: GitLabBench, fake: FakeGitLab
) -> None:
    """Each page says that it goes on, and never to where it was not before."""
    for cursor, nth in (("one", range(1, 9, 2)), ("other", range(2, 9, 2))):
        info = f'{{"hasNextPage": true, "endCursor": "{cursor}"}}'
        body = page("null").replace(LAST, info)
        fake.faults.add("status", PATH, nth=nth, status=200, body=body)
    message, listed = await incomplete(bench.bank(how=evolve(GRAPHQL, per_page=10)))
    assert "page 4 of the group's projects by GraphQL comes again and again: no end" in message
    assert keys(listed) == ["7"]


NODE = (
    '{"id": "gid://gitlab/Project/7", "path": "7", "fullPath": "itembank/7", "archived": false,'
    ' "repository": %s}'
)
LAST = '{"hasNextPage": false, "endCursor": null}'


def page(repository: str) -> str:
    """Return the answer to a query, with one project."""
    projects = f'{{"count": 1, "nodes": [{NODE % repository}], "pageInfo": {LAST}}}'
    return f'{{"data": {{"group": {{"id": "gid://gitlab/Group/1", "projects": {projects}}}}}}}'
