"""What becomes of projects: renamed, moved, archived, aimed for deletion, empty, there twice."""

import pytest

from ingest.bank.fake_gitlab.gitlab import FakeGitLab
from ingest.bank.gitlab.listing import How
from ingest.bank.gitlab.projects import Scope
from ingest.errors import BankUnavailableError
from ingest.model.item import ProblemKind
from tests.support.gitlab_bench import (
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

WAYS = pytest.mark.parametrize("how", [GRAPHQL, REST, MEMBERSHIP])


@WAYS
@pytest.mark.parametrize("name", ["8", "seven"])
async def test_a_project_that_is_renamed_is_not_absent(
    bench: GitLabBench, fake: FakeGitLab, how: How, name: str
) -> None:
    """By its number it is found: to another number or to a word, that is the old item's problem."""
    bench.item("7")
    number = fake.rename("7", name).id
    bank = bench.bank(how=how)
    scan, found = await scanned(bank)
    assert scan.complete
    assert keys(found) == (["8"] if name == "8" else [])
    head = await bank.head("7", number)
    assert head is not None
    assert head.problem is not None
    assert head.problem.kind is ProblemKind.RENAMED
    assert f"itembank/{name}" in head.problem.message
    assert (head.revision, head.bank_id) == (None, number)
    # By the name alone nobody can know.
    assert await bank.head("7") is None


@WAYS
async def test_the_group_is_meant_whatever_the_case_it_is_named_in(
    bench: GitLabBench, how: How
) -> None:
    """As far as REST is concerned, which finds it; GraphQL is asked in its own."""
    bench.items("7", "math/8")
    bank = bench.bank(how=how, scope=Scope(group="ItemBank"))
    scan, found = await scanned(bank)
    assert (scan.complete, keys(found)) == (True, ["7", "8"])
    assert await bank.head("8") is not None


@WAYS
async def test_a_group_that_has_another_path_is_not_listed(
    bench: GitLabBench, fake: FakeGitLab, how: How
) -> None:
    """It would seem to have no project: GitLab finds groups by numbers and by old paths, too."""
    bench.items("7")
    group = fake.world.projects.group.id
    bank = bench.bank(how=how, scope=Scope(group=str(group)))
    message, found = await incomplete(bank)
    assert "the path of that group is itembank: put it into bank.url" in message
    assert found == []
    with pytest.raises(BankUnavailableError, match=r"put it into bank\.url"):
        await bank.check()


@WAYS
async def test_a_project_that_is_moved_within_the_group_is_the_same_item(
    bench: GitLabBench, fake: FakeGitLab, how: How
) -> None:
    """It keeps its number and revision, and tells its new place."""
    revision = bench.item("7").revision()
    number = fake.transfer("7", "itembank/math/old").id
    bank = bench.bank(how=how)
    _, found = await scanned(bank)
    (one,) = found
    assert (one.key, one.path, one.revision) == ("7", "itembank/math/old/7", revision)
    assert await bank.head("7", number) == one
    assert await bank.head("7") == one


@WAYS
async def test_a_project_that_is_moved_out_of_the_group_is_not_absent(
    bench: GitLabBench, fake: FakeGitLab, how: How
) -> None:
    """It is not listed any more; as long as its number can be seen, it is a problem."""
    bench.items("7", "8")
    number = fake.transfer("7", "attic").id
    bank = bench.bank(how=how)
    _, found = await scanned(bank)
    assert keys(found) == ["8"]
    head = await bank.head("7", number)
    assert head is not None
    assert head.problem is not None
    assert head.problem.kind is ProblemKind.RENAMED
    assert "attic/7" in head.problem.message
    fake.hide("7")
    assert await bank.head("7", number) is None


@WAYS
async def test_an_archived_project_is_absent_only_where_that_is_configured(
    bench: GitLabBench, fake: FakeGitLab, how: How
) -> None:
    """Archived is not deleted; whoever wants it to be says include_archived = false."""
    bench.items("7", "8")
    fake.archive("7")
    number = fake.project("7").id
    bank = bench.bank(how=how)
    assert keys((await scanned(bank))[1]) == ["7", "8"]
    assert await bank.head("7", number) is not None

    bank = bench.bank(how=how, scope=Scope(group="itembank", include_archived=False))
    scan, found = await scanned(bank)
    assert (scan.complete, scan.total, keys(found)) == (True, 1, ["8"])
    assert await bank.head("7", number) is None
    assert await bank.head("7") is None


@WAYS
async def test_a_project_aimed_for_deletion_is_a_problem_until_it_is_gone(
    bench: GitLabBench, fake: FakeGitLab, how: How
) -> None:
    """GitLab renames and archives it, and deletes it days later: only then is it absent."""
    bench.items("7", "8")
    number = fake.mark_for_deletion("7").id
    bank = bench.bank(how=how)
    scan, found = await scanned(bank)
    assert (scan.complete, keys(found)) == (True, ["8"])
    head = await bank.head("7", number)
    assert head is not None
    assert head.problem is not None
    assert "7-deletion_scheduled" in head.problem.message
    fake.delete("7")
    assert await bank.head("7", number) is None


@WAYS
async def test_what_holds_no_item_yet_is_no_error(bench: GitLabBench, how: How) -> None:
    """An empty repository, a first commit without a file, and one without an item.json."""
    bench.items("7")
    bench.item("8").git("update-ref", "-d", "refs/heads/main")
    empty = bench.item("9", None).revision()
    bank = bench.bank(how=how)
    scan, found = await scanned(bank)
    assert (scan.complete, problems(found)) == (True, {})
    revisions = {one.key: one.revision for one in found}
    assert (revisions["8"], revisions["9"]) == (None, empty)
    document = await bank.read("9", empty)
    assert (document.content, document.problem) == (None, None)


async def test_an_empty_repository_may_have_a_default_branch(
    bench: GitLabBench, fake: FakeGitLab
) -> None:
    """GitLab tells the branch that it would be given: no reason to ask where that stands."""
    bench.item("8").git("update-ref", "-d", "refs/heads/main")
    _, (one,) = await scanned(bench.bank(how=REST))
    assert (one.revision, one.problem) == (None, None)
    assert fake.requests.kinds["GET /projects/{id}/repository/branches/{branch}"] == 0


async def test_a_default_branch_that_is_not_there_is_a_problem(
    bench: GitLabBench, fake: FakeGitLab
) -> None:
    """The repository is not empty, only nobody says which commit is the newest."""
    bench.items("7", "8")
    gone = f"/projects/{fake.project('7').id}/repository/branches/main"
    fake.faults.add("status", gone, status=404, body='{"message": "404 Branch Not Found"}')
    scan, found = await scanned(bench.bank(how=REST))
    assert scan.complete
    assert problems(found) == {"7": ProblemKind.NO_DEFAULT_BRANCH}


@WAYS
async def test_two_projects_of_one_name_are_one_item_and_a_problem(
    bench: GitLabBench, how: How
) -> None:
    """The first one that is listed is the item; the other entry names both."""
    bench.items("math/7", "english/7")
    _, found = await scanned(bench.bank(how=how))
    first, second = found
    assert (first.problem, second.revision) == (None, None)
    assert second.problem is not None
    assert second.problem.kind is ProblemKind.DUPLICATE_ID
    for one in (first, second):
        assert str(one.bank_id) in second.problem.message


@WAYS
async def test_what_is_listed_can_be_narrowed(bench: GitLabBench, how: How) -> None:
    """By name, by id, and to the group's own projects; what is no number is no item."""
    bench.items("7", "8", "9", "math/10")
    bench.item("itembankreports", b"{}")
    bench.item("notes", b"{}")
    bench.item("007", b"{}")
    bank = bench.bank(how=how, ignore_projects=["ITEMBANKREPORTS", "8"], ignore_items=[9])
    scan, found = await scanned(bank)
    assert set(keys(found)) == {"007", "7", "10"}
    assert scan.total == 3
    assert problems(found) == {"007": ProblemKind.BAD_KEY}
    for key in ("8", "9", "notes", "itembankreports"):
        assert await bank.head(key) is None

    bank = bench.bank(how=how, scope=Scope(group="itembank", include_subgroups=False))
    _, found = await scanned(bank)
    assert set(keys(found)) == {"007", "7", "8", "9"}
    assert await bank.head("10") is None


@WAYS
async def test_another_group_whose_name_begins_alike_is_not_this_one(
    bench: GitLabBench, fake: FakeGitLab, how: How
) -> None:
    """Of what the token's user is a member of, only this group's projects are items."""
    bench.items("7", "8", "9")
    fake.transfer("8", "itembank2")
    fake.transfer("9", "other/itembank")
    _, found = await scanned(bench.bank(how=how))
    assert keys(found) == ["7"]


def test_a_group_is_named_in_any_case() -> None:
    """A path is one whatever its case, as it is to GitLab."""
    assert Scope(group="ItemBank").holds("itembank/Math/7")
    assert not Scope(group="ItemBank", include_subgroups=False).holds("itembank/Math/7")


async def test_a_project_that_gitlab_fails_to_hand_out_stops_nobody(
    bench: GitLabBench, fake: FakeGitLab
) -> None:
    """Its branch, or itself, answers 500 for ever: a problem of this item, and not its absence."""
    bench.items("7", "8")
    broken = fake.project("7").id
    bank = bench.bank(how=REST)
    branch = fake.faults.add("status", f"/projects/{broken}/repository/branches", status=500)
    scan, found = await scanned(bank)
    assert scan.complete
    assert problems(found) == {"7": ProblemKind.NOT_ANSWERED}
    fake.faults.remove(branch)

    fake.faults.add("status", f"/projects/{broken}$", status=500)
    head = await bank.head("7", broken)
    assert head is not None
    assert head.problem is not None
    assert head.problem.kind is ProblemKind.NOT_ANSWERED
    assert str(broken) in head.problem.message


@pytest.mark.parametrize("status", [302, 301])
async def test_redirects_are_not_followed(
    bench: GitLabBench, fake: FakeGitLab, status: int
) -> None:
    """Where one asks for another place, or for a login, no token goes there."""
    bench.items("7", "8")
    broken = fake.project("7").id
    there = f"{fake.url}/users/sign_in"
    fake.faults.add(
        "status", f"/projects/{broken}/repo", status=status, headers={"Location": there}
    )
    scan, found = await scanned(bench.bank(how=REST, limits=LIMITS))
    assert (scan.complete, problems(found)) == (True, {"7": ProblemKind.NOT_ANSWERED})
    (problem,) = [one.problem for one in found if one.problem is not None]
    assert f"{status}, sent on to {there}" in problem.message
    assert not any("sign_in" in kind for kind in fake.requests.kinds)
