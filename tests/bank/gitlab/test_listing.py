"""A listing that GitLab, or what stands before it, interrupts."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final

import pytest
from attrs import evolve

from ingest.bank.fake_gitlab.access import Standing
from ingest.bank.fake_gitlab.gitlab import FakeGitLab
from ingest.bank.gitlab.listing import How
from ingest.errors import BankUnavailableError
from ingest.model.item import ProblemKind
from tests.support.gitlab_bench import (
    DEADLINE_S,
    GRAPHQL,
    MEMBERSHIP,
    REST,
    GitLabBench,
    incomplete,
    keys,
    problems,
    scanned,
)
from tests.support.gitlab_kind import LIMITS

#: What happens to a page, and which words of it a message must have.
BY_ANY: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "500": ({"kind": "status", "status": 500}, "500"),
    "502": ({"kind": "status", "status": 502}, "502, an HTML page"),
    "503": ({"kind": "status", "status": 503, "body": "upstream gone"}, "503: upstream gone"),
    "408": ({"kind": "status", "status": 408}, "408"),
    "reset": ({"kind": "cut"}, "ServerDisconnectedError"),
    "cut body": ({"kind": "cut_body"}, "ClientPayloadError"),
    "truncated body": ({"kind": "truncated"}, "no JSON"),
    "bad JSON": ({"kind": "bad_json"}, "no JSON"),
    "wrong shape": ({"kind": "wrong_shape"}, "an answer that is no"),
    "login page": ({"kind": "login_page"}, "text/html"),
}
BY_GRAPHQL: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "errors": ({"kind": "graphql_error"}, "errors: Timeout on validation of query"),
    "null nodes": ({"kind": "graphql_nulls"}, "errors: Timeout on Project.repository"),
}
WAYS: Final[Mapping[str, tuple[How, str]]] = {
    "graphql": (evolve(GRAPHQL, per_page=2), "^/api/graphql"),
    "rest": (evolve(REST, per_page=2), "^/api/v4/groups/[^/]+/projects[?]"),
    "membership": (evolve(MEMBERSHIP, per_page=2), "^/api/v4/projects[?]"),
}
HOWS: Final = (GRAPHQL, REST, MEMBERSHIP)
CASES: Final = [
    pytest.param((how, path, fault, words), id=f"{way}, {name}")
    for way, (how, path) in WAYS.items()
    for name, (fault, words) in (BY_ANY | (BY_GRAPHQL if way == "graphql" else {})).items()
]


@pytest.fixture
def two_pages(bench: GitLabBench) -> list[str]:
    """The keys of items that take two pages."""
    bench.many(range(1, 4))
    return ["1", "2", "3"]


@pytest.mark.parametrize("case", CASES)
async def test_a_page_that_fails_is_asked_for_again_until_it_has_failed_for_good(
    bench: GitLabBench,
    two_pages: list[str],
    case: tuple[How, str, dict[str, Any], str],
) -> None:
    """Once or twice costs nothing; always makes the listing incomplete, and names the page."""
    how, path, fault, words = case
    order = bench.gitlab.faults.add(path=path, nth=[2, 3], **fault)
    scan, found = await scanned(bench.bank(how=how))
    assert (scan.complete, keys(found)) == (True, two_pages)
    assert order.done == 2

    bench.gitlab.faults.clear()
    bench.gitlab.faults.add(path=path, nth=range(2, 1000), **fault)
    message, listed = await incomplete(bench.bank(how=how))
    assert len(listed) == 2
    assert "page 2 of " in message
    assert words in message
    assert "asked 3 times" in message


@pytest.mark.parametrize("how", [evolve(how, per_page=10) for how in (GRAPHQL, REST)])
async def test_a_page_that_takes_too_long_is_given_up(bench: GitLabBench, how: How) -> None:
    """Nothing at all and a body that drips are both bounded in time, then tried again."""
    bench.items("7")
    path = "graphql|/projects[?]"
    bank = bench.bank(how=how, limits=evolve(LIMITS, timeout_s=0.3, attempts=2))
    bench.gitlab.faults.add("slow_body", path, nth=1, drip_s=0.02)
    scan, found = await scanned(bank)
    assert (scan.complete, keys(found)) == (True, ["7"])

    bench.gitlab.faults.add("stall", path)
    message, listed = await incomplete(bank)
    assert listed == []
    assert "page 1 of " in message
    assert "no whole answer within 0.3 seconds (asked 2 times)" in message


RIGHTS: Final = {
    Standing.REVOKED: ("401", "INGEST_BANK_TOKEN"),
    Standing.EXPIRED: ("401", "INGEST_BANK_TOKEN"),
    Standing.UNKNOWN: ("401", "INGEST_BANK_TOKEN"),
    Standing.FORBIDDEN: ("403", "scope read_api"),
    Standing.NO_GROUP: ("404", "no member of it"),
}


@pytest.mark.parametrize("standing", RIGHTS)
async def test_rights_that_are_missing_are_named(
    bench: GitLabBench, fake: FakeGitLab, standing: Standing
) -> None:
    """401, 403 and 404 on the group end a listing before it begins, and say what to give."""
    bench.items("7")
    fake.token.standing = standing
    bank = bench.bank()
    message, listed = await incomplete(bank)
    status, words = RIGHTS[standing]
    assert listed == []
    assert status in message
    assert words in message
    assert f"{fake.url}/{fake.group}" in message
    # Nobody was asked twice: a refusal does not pass by itself.
    assert fake.requests.total == 1
    with pytest.raises(BankUnavailableError, match=words):
        await bank.check()
    with pytest.raises(BankUnavailableError, match=words):
        await bank.head("7", fake.project("7").id)


LOST: Final = (
    Standing.REVOKED,
    Standing.FORBIDDEN,
    Standing.NO_GROUP,
    Standing.NO_PROJECTS,
)


@pytest.mark.parametrize("how", [evolve(how, per_page=2) for how in HOWS])
@pytest.mark.parametrize("standing", LOST)
async def test_rights_that_are_lost_between_two_pages_make_a_listing_incomplete(
    bench: GitLabBench, fake: FakeGitLab, two_pages: list[str], how: How, standing: Standing
) -> None:
    """Also where the group is still shown and its projects are not: that proves no absence."""
    assert two_pages
    scan = bench.bank(how=how).scan()
    slices = scan.__aiter__()
    assert len(await anext(slices)) == 2
    fake.token.standing = standing
    words = RIGHTS[standing][1] if standing in RIGHTS else "shows none of its projects any more"
    with pytest.raises(BankUnavailableError, match=words):
        await anext(slices)
    assert not scan.complete


@pytest.mark.parametrize("how", HOWS)
async def test_a_group_that_goes_behind_the_last_page_makes_a_listing_incomplete(
    bench: GitLabBench, fake: FakeGitLab, how: How
) -> None:
    """Only a group that is still there in the end has shown all that it has."""
    bench.items("7")
    scan = bench.bank(how=how).scan()
    slices = scan.__aiter__()
    await anext(slices)
    fake.token.standing = Standing.NO_GROUP
    with pytest.raises(BankUnavailableError, match="404"):
        await anext(slices)
    assert not scan.complete


@pytest.mark.parametrize("how", [evolve(how, per_page=2) for how in (GRAPHQL, REST)])
async def test_a_project_that_goes_in_mid_listing_does_not_end_it(
    bench: GitLabBench, fake: FakeGitLab, two_pages: list[str], how: How
) -> None:
    """One project that is deleted between two pages is no loss of rights."""
    assert two_pages
    scan = bench.bank(how=how).scan()
    slices = scan.__aiter__()
    found = list(await anext(slices))
    fake.delete("1" if how.graphql else "3")
    found += [one async for listings in slices for one in listings]
    assert scan.complete
    assert len(found) == 2


@pytest.mark.parametrize("how", [REST, MEMBERSHIP])
async def test_projects_that_vanish_while_they_are_asked_for_make_a_listing_incomplete(
    bench: GitLabBench, fake: FakeGitLab, two_pages: list[str], how: How
) -> None:
    """All of them: it is the right to see them that has gone, and not their branches."""
    assert two_pages
    hold = fake.faults.add("stall", "/branches/")
    listing = asyncio.create_task(incomplete(bench.bank(how=how)))
    async with asyncio.timeout(DEADLINE_S):
        await hold.until_hanging(3)
        fake.token.standing = Standing.NO_PROJECTS
        fake.faults.remove(hold)
        message, _ = await listing
    assert "shows none of its projects any more" in message


async def test_a_project_that_vanishes_while_it_is_asked_for_is_asked_for_again(
    bench: GitLabBench, fake: FakeGitLab, two_pages: list[str]
) -> None:
    """One of them: the listing is complete, and the next run sees that it is gone."""
    assert two_pages
    hold = fake.faults.add("stall", "/branches/")
    listing = asyncio.create_task(scanned(bench.bank(how=REST)))
    async with asyncio.timeout(DEADLINE_S):
        await hold.until_hanging(3)
        fake.hide("2")
        fake.faults.remove(hold)
        scan, found = await listing
    assert scan.complete
    assert problems(found) == {"2": ProblemKind.NOT_ANSWERED}


async def test_a_connection_that_cannot_be_made_is_tried_again_and_given_up(
    bench: GitLabBench, fake: FakeGitLab
) -> None:
    """Where nobody listens, and where what listens does not speak TLS."""
    fake.url = fake.url.replace("http://", "https://")
    message, _ = await incomplete(bench.bank())
    assert re.search(r"SSL.*asked 3 times", message)
    fake.url = "http://127.0.0.1:9"
    message, _ = await incomplete(bench.bank())
    assert re.search(r"ClientConnectorError.*asked 3 times", message)
