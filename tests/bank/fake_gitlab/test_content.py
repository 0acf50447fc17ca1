"""What the fake GitLab tells of repositories: branches, logs, folders, files."""

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from tests.bank.fake_gitlab.conftest import Asker
from tests.support.one_repository import commit_folders
from tests.support.repositories import DAY_S, FIRST_COMMIT_S, Repository

PROJECT = "/projects/1000007"


async def test_a_branch_has_its_commit(asker: Asker, bank: Path) -> None:
    """Branches are found by their names, slashes and all."""
    item = Repository(bank / "7.git", branch="release/1")
    commit = item.commit(b"{}", author="Zoë")
    found = (await asker.get(f"{PROJECT}/repository/branches/release%2F1")).json
    assert (found["name"], found["default"], found["commit"]["id"]) == ("release/1", True, commit)
    assert found["commit"]["author_name"] == "Zoë"
    at = datetime.fromisoformat(found["commit"]["committed_date"])
    assert at == datetime.fromtimestamp(FIRST_COMMIT_S, UTC)
    assert (await asker.ask("HEAD", f"{PROJECT}/repository/branches/release%2F1")).status == 204
    missing = await asker.get(f"{PROJECT}/repository/branches/main")
    assert (missing.status, missing.json) == (404, {"message": "404 Branch Not Found"})


async def test_a_log_is_newest_first_and_its_last_page_may_be_empty(
    asker: Asker, item: Repository
) -> None:
    """After a full page another is linked to; nothing tells how many there are."""
    hashes = [item.commit(b"%d" % number) for number in range(4)]
    path = f"{PROJECT}/repository/commits"
    first = await asker.get(path, per_page=2)
    assert [one["id"] for one in first.json] == [hashes[3], hashes[2]]
    assert first.json[0]["parent_ids"] == [hashes[2]]
    assert "X-Total" not in first.headers
    second = await asker.get(path, per_page=2, page=2)
    assert [one["id"] for one in second.json] == [hashes[1], hashes[0]]
    assert second.headers["X-Next-Page"] == "3"
    third = await asker.get(path, per_page=2, page=3)
    assert (third.json, third.headers["X-Next-Page"]) == ([], "")
    assert 'rel="next"' not in third.headers["Link"]


async def test_a_log_is_filtered(asker: Asker, item: Repository) -> None:
    """By a commit to begin with, by time, and by the file that changed."""
    hashes = [
        item.commit(None),
        item.commit(b"1"),
        item.commit(b"1", beside={"x.xml": b""}),
        item.commit(b"2"),
    ]
    path = f"{PROJECT}/repository/commits"

    async def found(**query: str) -> list[int]:
        answer = await asker.get(path, **query)
        return [hashes.index(one["id"]) for one in answer.json]

    assert await found(ref_name=hashes[1]) == [1, 0]
    assert await found(path="item.json") == [3, 1]
    since = datetime.fromtimestamp(FIRST_COMMIT_S + 2 * DAY_S, UTC)
    assert await found(since=since.isoformat()) == [3, 2]
    assert await found(ref_name="no-such-branch") == []
    assert (await asker.get(path, since="yesterday")).json == {"error": "since is invalid"}


async def test_a_log_follows_first_parents_when_asked_to(asker: Asker, item: Repository) -> None:
    """What was merged in is part of the log, but not of the line of first parents."""
    base = item.commit(b"1")
    side = item.commit(b"side", anew=True)
    item.git("update-ref", "refs/heads/main", base)
    merged = commit_folders(item, {"item.json": b"2"}, seconds=FIRST_COMMIT_S, merge=side)
    path = f"{PROJECT}/repository/commits"
    whole = [one["id"] for one in (await asker.get(path)).json]
    line = [one["id"] for one in (await asker.get(path, first_parent="true")).json]
    assert set(whole) == {merged, base, side}
    assert line == [merged, base]


async def test_a_merge_that_takes_a_file_as_it_was_did_not_change_it(
    asker: Asker, item: Repository
) -> None:
    """As git tells a file's log: a merge is in it only where it differs from every parent."""
    base = item.commit(b"1")
    side = item.commit(b"side", anew=True)
    item.git("update-ref", "refs/heads/main", base)
    merged = commit_folders(item, {"item.json": b"side"}, merge=side)
    answer = await asker.get(f"{PROJECT}/repository/commits", path="item.json")
    assert {one["id"] for one in answer.json} == {base, side}
    assert merged not in {base, side}


async def test_a_repository_without_a_commit_has_an_empty_log(
    asker: Asker, item: Repository
) -> None:
    """An empty log is no error; a folder in it is not found."""
    assert item.path.exists()
    assert (await asker.get(f"{PROJECT}/repository/commits")).json == []
    tree = await asker.get(f"{PROJECT}/repository/tree")
    assert (tree.status, tree.json) == (404, {"message": "404 Tree Not Found"})


async def test_a_project_without_a_repository_says_so(asker: Asker, bank: Path) -> None:
    """What cannot be opened is a project whose repository is not found."""
    (bank / "7").mkdir()
    assert (await asker.get(PROJECT)).json["empty_repo"] is True
    commits = await asker.get(f"{PROJECT}/repository/commits")
    assert (commits.status, commits.json) == (404, {"message": "404 Repository Not Found"})


async def test_a_folder_s_entries_by_pages(asker: Asker, item: Repository) -> None:
    """Folders first; by offset with totals, or by a token that goes from entry to entry."""
    item.commit(b"{}", beside={"a/b.xml": b"", "z.xml": b"z"})
    path = f"{PROJECT}/repository/tree"
    whole = await asker.get(path)
    assert [(one["name"], one["type"], one["mode"]) for one in whole.json] == [
        ("a", "tree", "040000"),
        ("item.json", "blob", "100644"),
        ("z.xml", "blob", "100644"),
    ]
    assert whole.headers["X-Total"] == "3"
    assert [one["path"] for one in (await asker.get(path, path="a")).json] == ["a/b.xml"]
    deep = await asker.get(path, recursive="true")
    assert "a/b.xml" in [one["path"] for one in deep.json]

    first = await asker.get(path, pagination="keyset", per_page=2)
    token = first.json[-1]["id"]
    assert f"page_token={token}" in first.headers["Link"]
    last = await asker.get(path, pagination="keyset", per_page=2, page_token=token)
    assert [one["name"] for one in last.json] == ["z.xml"]
    assert "Link" not in last.headers
    missing = await asker.get(path, path="nowhere")
    assert missing.json == {"message": "404 invalid revision or path Not Found"}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_file_with_its_headers(asker: Asker, item: Repository, method: str) -> None:
    """A file comes as it is; what is known of it stands in headers, which HEAD tells alone."""
    content = '{"id": "7", "ä": 1}'.encode()
    written = item.commit(content)
    later = item.commit(content, beside={"create": b""})
    path = f"/api/v4{PROJECT}/repository/files/item.json/raw"
    async with asker.session.request(method, path, params={"ref": later}) as response:
        assert await response.read() == (content if method == "GET" else b"")
        headers = response.headers
    blob = item.git("rev-parse", "HEAD:item.json")
    assert headers["X-Gitlab-Blob-Id"] == blob
    assert headers["X-Gitlab-Commit-Id"] == later
    assert headers["X-Gitlab-Last-Commit-Id"] == written
    assert headers["X-Gitlab-Size"] == headers["Content-Length"] == f"{len(content)}"
    assert headers["X-Gitlab-Content-Sha256"] == sha256(content).hexdigest()
    assert headers["X-Gitlab-File-Name"] == headers["X-Gitlab-File-Path"] == "item.json"
    assert headers["X-Gitlab-Ref"] == later
    assert headers["Content-Type"].startswith("text/plain")


async def test_a_missing_file_and_a_missing_commit_are_told_apart(
    asker: Asker, item: Repository
) -> None:
    """The message says which of the two is not there."""
    item.commit(None)
    path = f"{PROJECT}/repository/files/item.json/raw"
    assert (await asker.get(path, ref="main")).json == {"message": "404 File Not Found"}
    assert (await asker.get(path, ref="0" * 40)).json == {"message": "404 Commit Not Found"}
    other = await asker.get(f"{PROJECT}/repository/commits/{'0' * 40}")
    assert other.json == {"message": "404 Commit Not Found"}


async def test_a_file_in_a_folder_is_named_with_percent_signs(
    asker: Asker, item: Repository
) -> None:
    """A slash in a file's path is part of the path."""
    item.commit(b"{}", beside={"a/b c.xml": b"<x/>"})
    path = f"/api/v4{PROJECT}/repository/files/a%2Fb%20c.xml/raw"
    async with asker.session.get(path, params={"ref": "main"}) as response:
        assert await response.read() == b"<x/>"
