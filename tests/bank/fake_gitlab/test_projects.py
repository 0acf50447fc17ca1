"""What befalls projects while a client looks at them, and what they keep."""

from datetime import timedelta
from pathlib import Path

from ingest.bank.fake_gitlab.gitlab import FakeGitLab
from ingest.bank.fake_gitlab.projects import project_id
from tests.bank.fake_gitlab.conftest import Asker
from tests.support.gitlab_server import fake_gitlab
from tests.support.repositories import Repository


async def test_a_renamed_project_keeps_its_number_and_its_old_path_leads_there(
    asker: Asker, item: Repository
) -> None:
    """The old path answers 301 with the same request by number; other methods are refused."""
    commit = item.commit(b"{}")
    asker.gitlab.rename("7", "seven")
    by_number = await asker.get("/projects/1000007")
    assert by_number.json["path_with_namespace"] == "itembank/seven"

    path = "/projects/itembank%2F7/repository/files/item.json/raw"
    moved = await asker.get(path, ref=commit)
    target = f"{asker.gitlab.url}/api/v4/projects/1000007/repository/files/item.json/raw"
    assert (moved.status, moved.headers["Location"]) == (301, f"{target}?ref={commit}")
    async with asker.session.get(f"/api/v4{path}", params={"ref": commit}) as followed:
        assert await followed.read() == b"{}"
    posted = await asker.ask("POST", "/projects/itembank%2F7/hooks", json={"url": "http://x/"})
    assert posted.status == 405


async def test_paths_are_found_whatever_their_case(asker: Asker, bank: Path) -> None:
    """As GitLab's database does it."""
    Repository(bank / "Notes.git").commit(b"{}")
    assert (await asker.get("/projects/ITEMBANK%2Fnotes")).json["path"] == "Notes"


async def test_a_transferred_project_leaves_the_group_and_not_its_members(
    asker: Asker, item: Repository
) -> None:
    """In a group below it still belongs to the group; elsewhere only its members see it."""
    item.commit(b"{}")

    async def within() -> list[str]:
        listed = await asker.get("/groups/itembank/projects", include_subgroups="true")
        return [one["path_with_namespace"] for one in listed.json]

    asker.gitlab.transfer("7", "itembank/below")
    assert await within() == ["itembank/below/7"]
    asker.gitlab.transfer("7", "elsewhere")
    assert await within() == []
    listed = await asker.get("/projects", membership="true")
    assert [one["namespace"]["full_path"] for one in listed.json] == ["elsewhere"]


async def test_a_project_aimed_for_deletion_says_so(asker: Asker, item: Repository) -> None:
    """Its path gets a suffix, it is archived, and its date is told; its number stays."""
    item.commit(b"{}")
    asker.gitlab.mark_for_deletion("7")
    one = (await asker.get("/projects/1000007")).json
    assert one["path"] == "7-deletion_scheduled-1000007"
    assert one["marked_for_deletion_on"] is not None
    assert one["archived"] is True


async def test_deleted_and_hidden_projects_are_not_found(asker: Asker, item: Repository) -> None:
    """A deleted one never comes back; a hidden one does when it is shown again."""
    item.commit(b"{}")
    asker.gitlab.hide("7")
    assert (await asker.get("/projects/1000007")).status == 404
    assert (await asker.get("/projects")).json == []
    asker.gitlab.hide("7", hidden=False)
    assert (await asker.get("/projects/1000007")).status == 200
    asker.gitlab.delete("7")
    assert (await asker.get("/projects/1000007")).status == 404
    assert (await asker.get("/projects")).json == []


async def test_the_folder_is_followed(asker: Asker, bank: Path) -> None:
    """Repositories that are added or taken away while it runs are seen at the next request."""
    assert (await asker.get("/projects")).json == []
    Repository(bank / "7.git")
    Repository(bank / "sub" / "8")
    (bank / "notes").mkdir()
    listed = (await asker.get("/projects", order_by="path", sort="asc")).json
    assert [one["path_with_namespace"] for one in listed] == ["itembank/7", "itembank/sub/8"]
    (bank / "7.git").rename(bank / "notes" / "hidden")
    paths = {one["path_with_namespace"] for one in (await asker.get("/projects")).json}
    assert paths == {"itembank/notes/hidden", "itembank/sub/8"}


async def test_a_change_of_the_folder_keeps_what_was_done_to_others(
    asker: Asker, bank: Path, item: Repository
) -> None:
    """Names given at run time outlast a new listing of the folder."""
    item.commit(b"{}")
    asker.gitlab.rename("7", "seven")
    Repository(bank / "8.git")
    assert {one["path"] for one in (await asker.get("/projects")).json} == {"seven", "8"}


async def test_numbers_are_the_same_at_every_start(bank: Path, gitlab: FakeGitLab) -> None:
    """A number follows from the repository's path, for odd paths and subgroups too."""
    keys = ["7", "007", "sub/7", "notes"]
    for key in keys:
        Repository(bank / f"{key}.git")
    before = {key: gitlab.project(key).id for key in keys}
    async with fake_gitlab(bank) as again:
        assert {key: again.project(key).id for key in keys} == before
    assert before["7"] == project_id("7") == 1_000_007
    assert len(set(before.values())) == len(keys)


async def test_the_last_activity_moves_once_an_hour(asker: Asker, item: Repository) -> None:
    """A second activity within the hour goes untold, a later one does not."""
    item.commit(b"{}")

    async def told() -> str:
        answer = await asker.get("/projects/1000007")
        return str(answer.json["last_activity_at"])

    first = await told()
    at = asker.gitlab.project("7").active_at
    assert at is not None
    asker.gitlab.touch("7", at + timedelta(minutes=59))
    assert await told() == first
    asker.gitlab.touch("7", at + timedelta(minutes=60))
    assert await told() > first


async def test_where_head_names_no_branch_a_usual_one_is_the_default(
    asker: Asker, item: Repository
) -> None:
    """GitLab takes main, or what there is."""
    commit = item.commit(b"{}")
    (item.path / "HEAD").write_text("ref: refs/heads/gone\n")
    one = (await asker.get("/projects/1000007")).json
    assert (one["default_branch"], one["empty_repo"]) == ("main", False)
    (item.path / "HEAD").write_text(f"{commit}\n")
    assert (await asker.get("/projects/1000007")).json["default_branch"] == "main"
