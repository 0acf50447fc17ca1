"""The fake GitLab's lists of projects, page by page."""

import re
from pathlib import Path
from typing import Any

import pytest

from ingest.bank.fake_gitlab.paging import COUNTED_ROWS
from tests.bank.fake_gitlab.conftest import Answer, Asker
from tests.support.repositories import Repository


def _make(bank: Path, numbers: range) -> None:
    """Make projects whose repositories cannot be read: enough to be listed."""
    for number in numbers:
        (bank / f"{number}.git").mkdir(parents=True)


def _links(answer: Answer) -> dict[str, str]:
    found = re.findall(r'<([^>]+)>; rel="(\w+)"', answer.headers.get("Link", ""))
    return {relation: url for url, relation in found}


async def _follow(asker: Asker, path: str, **query: str | int) -> list[list[Any]]:
    """Return the rows of each page, along the links."""
    pages = []
    answer = await asker.get(path, **query)
    while True:
        pages.append(answer.json)
        following = _links(answer).get("next")
        if following is None:
            return pages
        assert following.startswith(asker.gitlab.url)
        answer = await asker.get(following.removeprefix(f"{asker.gitlab.url}/api/v4"))


async def test_a_group_is_found_by_its_path_and_its_number(asker: Asker) -> None:
    """Either way the same group, with its projects unless they are not wanted."""
    by_path = await asker.get("/groups/itembank", with_projects="false")
    by_number = await asker.get(f"/groups/{by_path.json['id']}", with_projects="false")
    assert by_path.json == by_number.json
    assert by_path.json["full_path"] == "itembank"
    assert "projects" not in by_path.json
    assert (await asker.get("/groups/itembank")).json["projects"] == []


async def test_a_group_s_projects_by_pages(asker: Asker, bank: Path) -> None:
    """Pages of a counted list say where they are, how many there are, and what comes next."""
    _make(bank, range(1, 6))
    path = "/groups/itembank/projects"
    query: dict[str, str | int] = {"order_by": "id", "sort": "asc", "per_page": 2}
    first = await asker.get(path, **query)
    assert [one["path"] for one in first.json] == ["1", "2"]
    names = ("X-Page", "X-Per-Page", "X-Next-Page", "X-Prev-Page", "X-Total", "X-Total-Pages")
    assert [first.headers[name] for name in names] == ["1", "2", "2", "", "5", "3"]
    assert sorted(_links(first)) == ["first", "last", "next"]

    pages = await _follow(asker, path, **query)
    assert [[one["id"] for one in page] for page in pages] == [
        [1_000_001, 1_000_002],
        [1_000_003, 1_000_004],
        [1_000_005],
    ]
    last = await asker.get(path, **query, page=3)
    assert sorted(_links(last)) == ["first", "last", "prev"]


async def test_the_newest_project_comes_first_unless_said_otherwise(
    asker: Asker, bank: Path
) -> None:
    """Without an order, GitLab lists what was made last first, twenty on a page."""
    _make(bank, range(1, 23))
    listed = await asker.get("/groups/itembank/projects")
    assert [one["path"] for one in listed.json][:2] == ["22", "21"]
    assert len(listed.json) == 20


async def test_a_page_has_a_hundred_rows_at_most(asker: Asker, bank: Path) -> None:
    """Asking for more gets a hundred."""
    _make(bank, range(1, 103))
    listed = await asker.get("/groups/itembank/projects", per_page=1000)
    assert (len(listed.json), listed.headers["X-Per-Page"]) == (100, "100")


async def test_beyond_ten_thousand_rows_there_are_no_totals(asker: Asker, bank: Path) -> None:
    """The next page is still linked to; how many there are is not said."""
    _make(bank, range(1, COUNTED_ROWS + 2))
    listed = await asker.get("/groups/itembank/projects", per_page=1, simple="true")
    assert "X-Total" not in listed.headers
    assert "X-Total-Pages" not in listed.headers
    assert sorted(_links(listed)) == ["first", "next"]


async def test_an_offset_beyond_fifty_thousand_is_refused(asker: Asker) -> None:
    """So far, projects are to be had by keyset only."""
    listed = await asker.get("/groups/itembank/projects", per_page=100, page=502)
    assert listed.status == 405
    assert "maximum allowed offset of 50000" in listed.json["error"]


async def test_projects_by_keyset(asker: Asker, bank: Path) -> None:
    """Only the next page is linked to, by the last id; the last page of all is empty."""
    _make(bank, range(1, 5))
    query = {"membership": "true", "pagination": "keyset", "order_by": "id", "sort": "asc"}
    first = await asker.get("/projects", **query, per_page=2)
    assert list(_links(first)) == ["next"]
    assert "id_after=1000002" in _links(first)["next"]
    assert "X-Page" not in first.headers

    pages = await _follow(asker, "/projects", **query, per_page=2)
    assert [[one["path"] for one in page] for page in pages] == [["1", "2"], ["3", "4"], []]
    back = await _follow(asker, "/projects", **{**query, "sort": "desc"}, per_page=3)
    assert [[one["path"] for one in page] for page in back] == [["4", "3", "2"], ["1"], []]


async def test_a_keyset_goes_on_where_it_was_while_the_set_changes(
    asker: Asker, bank: Path
) -> None:
    """A project that goes between two pages takes no other with it."""
    _make(bank, range(1, 5))
    query = {"pagination": "keyset", "order_by": "id", "sort": "asc", "per_page": "2"}
    first = await asker.get("/projects", **query)
    asker.gitlab.delete("1")
    following = _links(first)["next"].removeprefix(f"{asker.gitlab.url}/api/v4")
    assert [one["path"] for one in (await asker.get(following)).json] == ["3", "4"]


async def test_keyset_is_by_id_alone(asker: Asker) -> None:
    """Any other order of a keyset is refused."""
    assert (await asker.get("/projects", pagination="keyset", order_by="name")).status == 405


async def test_subgroups_and_archives_are_as_asked_for(asker: Asker, bank: Path) -> None:
    """Projects of groups below, and archived ones, are listed when they are wanted."""
    _make(bank, range(1, 3))
    _make(bank / "sub", range(3, 4))
    asker.gitlab.archive("2")

    async def paths(**query: str) -> set[str]:
        listed = await asker.get("/groups/itembank/projects", **query)
        return {one["path_with_namespace"] for one in listed.json}

    assert await paths() == {"itembank/1", "itembank/2"}
    assert await paths(archived="false") == {"itembank/1"}
    assert await paths(archived="true") == {"itembank/2"}
    assert await paths(include_subgroups="true", archived="false") == {
        "itembank/1",
        "itembank/sub/3",
    }
    assert await paths(search="2") == {"itembank/2"}
    below = await asker.get("/groups/itembank%2Fsub/projects")
    assert [one["namespace"]["full_path"] for one in below.json] == ["itembank/sub"]


async def test_a_project_tells_of_its_repository(asker: Asker, item: Repository) -> None:
    """An empty repository has the branch that is to come; one with a commit is not empty."""
    one = (await asker.get("/projects/itembank%2F7")).json
    assert (one["id"], one["empty_repo"], one["default_branch"]) == (1_000_007, True, "main")
    item.commit(b"{}")
    one = (await asker.get("/projects/1000007")).json
    assert (one["empty_repo"], one["default_branch"]) == (False, "main")
    assert one["namespace"]["kind"] == "group"


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"per_page": "many"}, "per_page is invalid"),
        ({"per_page": "0"}, "per_page has a value not allowed"),
        ({"order_by": "size"}, "order_by does not have a valid value"),
        ({"archived": "perhaps"}, "archived is invalid"),
    ],
)
async def test_a_bad_parameter_is_named(asker: Asker, query: dict[str, str], error: str) -> None:
    """What cannot be used is 400, with the parameter's name."""
    answer = await asker.get("/groups/itembank/projects", **query)
    assert (answer.status, answer.json) == (400, {"error": error})
