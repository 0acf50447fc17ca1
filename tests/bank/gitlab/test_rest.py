"""Listing by REST: page after page, by what the Link headers say and by nothing else."""

import orjson
import pytest
from attrs import evolve

from ingest.bank.fake_gitlab.gitlab import FakeGitLab
from ingest.bank.gitlab.listing import How
from tests.support.gitlab_bench import (
    MEMBERSHIP,
    REST,
    GitLabBench,
    incomplete,
    keys,
    problems,
    scanned,
)

GROUP_LIST = "GET /groups/{id}/projects"
MEMBER_LIST = "GET /projects"


async def test_the_last_page_may_be_empty(bench: GitLabBench, fake: FakeGitLab) -> None:
    """By keyset only an empty page says that it is over; nobody tells how many there are."""
    bench.many(range(1, 5))
    scan, found = await scanned(bench.bank(how=evolve(MEMBERSHIP, per_page=2)))
    assert (scan.complete, scan.total, keys(found)) == (True, 4, ["1", "2", "3", "4"])
    assert fake.requests.kinds[MEMBER_LIST] == 3


async def test_totals_may_be_missing(bench: GitLabBench, fake: FakeGitLab) -> None:
    """As they are above 10,000 rows: the Link headers are enough."""
    bench.many(range(1, 4))
    bank = bench.bank(how=evolve(REST, per_page=2))
    assert (await scanned(bank))[0].total == 3
    fake.faults.add("status", "/projects[?]", status=200, body="[]")
    scan, found = await scanned(bank)
    assert (scan.complete, scan.total, found) == (True, 0, [])


async def test_a_project_that_two_pages_show_is_listed_once(
    bench: GitLabBench, fake: FakeGitLab
) -> None:
    """A list by numbered pages moves down where something comes in before them."""
    bench.many(range(1, 4))
    shown = [
        {
            "id": project.id,
            "path": project.path,
            "path_with_namespace": project.full_path,
            "default_branch": "main",
        }
        for project in (fake.project(key) for key in ("2", "3"))
    ]
    body = orjson.dumps(shown).decode()
    fake.faults.add("status", "[?&]page=2", status=200, body=body)
    scan, found = await scanned(bench.bank(how=evolve(REST, per_page=2)))
    assert (scan.complete, scan.total) == (True, 3)
    assert [one.key for one in found] == ["1", "2", "3"]
    assert problems(found) == {}


@pytest.mark.parametrize("how", [REST, MEMBERSHIP])
async def test_a_link_that_leads_elsewhere_is_asked_for_here(
    bench: GitLabBench, fake: FakeGitLab, how: How
) -> None:
    """No link takes the token to another host: only its query is followed."""
    bench.many(range(1, 6))
    fake.faults.add("link_host", "/projects[?]", body="https://items.example:1")
    scan, found = await scanned(bench.bank(how=evolve(how, per_page=2)))
    assert (scan.complete, len(found)) == (True, 5)


@pytest.mark.parametrize(
    "link",
    [
        '<{url}?per_page=2&order_by=id&sort=asc&archived=false>; rel="next"',
        '<{url}?secret=1&cursor=2>; rel="next"',
    ],
)
async def test_a_list_without_an_end_is_given_up(
    bench: GitLabBench, fake: FakeGitLab, link: str
) -> None:
    """A link back, or one that says nothing that is known, is no next page."""
    bench.items("7")
    url = f"{fake.url}/api/v4/groups/1/projects"
    headers = {"Link": link.format(url=url)}
    fake.faults.add("status", "/projects[?]", status=200, body="[]", headers=headers)
    message, _ = await incomplete(bench.bank(how=evolve(REST, per_page=2)))
    assert "comes again and again: no end" in message
    assert all("include_subgroups=true" in one.query for one in list(fake.requests.last)[1:])


@pytest.mark.parametrize("link", ["<http://[>; rel=next", "nonsense", '<>; rel="prev"', ""])
async def test_a_link_that_is_none_is_the_end_or_a_failed_page(
    bench: GitLabBench, fake: FakeGitLab, link: str
) -> None:
    """Whatever stands there, nothing breaks."""
    bench.items("7")
    fake.faults.add("status", "/projects[?]", status=200, body="[]", headers={"Link": link})
    bank = bench.bank(how=REST)
    if "[" in link:
        message, _ = await incomplete(bank)
        assert "Link header that cannot be read" in message
    else:
        assert (await scanned(bank))[0].complete


async def test_beyond_fifty_thousand_projects_the_way_out_is_named(
    bench: GitLabBench, fake: FakeGitLab
) -> None:
    """GitLab refuses to page on by number; by membership there is no end."""
    bench.many(range(1, 4))
    body = '{"error": "Offset pagination has a maximum allowed offset of 50000"}'
    fake.faults.add("status", "/groups/[^/]+/projects[?].*[?&]page=2", status=405, body=body)
    message, listed = await incomplete(bench.bank(how=evolve(REST, per_page=2)))
    assert len(listed) == 2
    assert "page 2 of its projects" in message
    assert "maximum allowed offset of 50000" in message
    assert 'set gitlab.listing = "membership"' in message
    scan, _ = await scanned(bench.bank(how=evolve(MEMBERSHIP, per_page=2)))
    assert scan.complete


@pytest.mark.parametrize("status", [301, 302])
async def test_a_listing_that_is_sent_elsewhere_ends(
    bench: GitLabBench, fake: FakeGitLab, status: int
) -> None:
    """To a login, or to where the group is now: the message says where, and nobody goes there."""
    bench.items("7")
    fake.faults.add("status", "/groups/", status=status, headers={"Location": "/users/sign_in"})
    message, listed = await incomplete(bench.bank(how=REST))
    assert listed == []
    assert f"{status}, sent on to /users/sign_in" in message
    assert fake.requests.total == 1
