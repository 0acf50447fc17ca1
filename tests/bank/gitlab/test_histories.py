"""Histories at GitLab: what is read of them, how often, and how much of it is held."""

import tracemalloc
from contextlib import aclosing

from attrs import evolve

from ingest.bank.base import Wanted
from ingest.bank.fake_gitlab.gitlab import FakeGitLab
from ingest.bank.gitlab.bank import GitLabBank
from ingest.model.item import History, Rejected
from tests.support.bank_calls import changes
from tests.support.documents import item_content
from tests.support.gitlab_bench import GitLabBench, wanted_of


async def contents(bank: GitLabBank, wanted: Wanted) -> tuple[History, list[bytes | None]]:
    """Return a history, and what its documents hold."""
    (read,) = await changes(bank, [wanted])
    assert not isinstance(read, Rejected)
    return read[0], [document.content for document in read[1]]


def raw_requests(fake: FakeGitLab) -> int:
    """Return how many documents were asked for."""
    return sum(count for kind, count in fake.requests.kinds.items() if kind.endswith("/raw"))


async def test_after_a_forced_push_the_whole_history_is_read(bench: GitLabBench) -> None:
    """Also where the stored commit is one that nobody knows."""
    repository = bench.item("7", b"1", b"2")
    known = repository.revision()
    bank = bench.bank()
    repository.commit(b"3", anew=True)
    for after in (known, "0" * 40, "no commit"):
        (wanted,) = await wanted_of(bank, after=after)
        history, found = await contents(bank, wanted)
        assert (history.is_whole, found) == (True, [b"3"])


async def test_a_history_begins_behind_the_commit_that_is_known(
    bench: GitLabBench, fake: FakeGitLab
) -> None:
    """Of a long one, only what is new is asked for; where nothing is, the newest alone."""
    repository = bench.item("7", *(b"%d" % number for number in range(30)))
    known = repository.revision()
    newest = repository.commit(b"30")
    bank = bench.bank()
    (wanted,) = await wanted_of(bank, after=known)
    history, found = await contents(bank, wanted)
    assert (history.is_whole, found) == (False, [b"30"])

    fake.requests.clear()
    history, found = await contents(bank, evolve(wanted, after=newest))
    assert (history.is_whole, found) == (False, [b"30"])
    assert fake.requests.kinds["GET /projects/{id}/repository/commits"] == 1


async def test_a_document_is_fetched_once_for_all_commits_that_leave_it_alone(
    bench: GitLabBench, fake: FakeGitLab
) -> None:
    """Of a hundred commits, three of which change item.json, three documents are fetched."""
    repository = bench.item("7", None)
    expected: list[bytes | None] = [None]
    for number in range(105):
        content = b"%d" % (number // 40)
        repository.commit(content, beside={"notes.txt": b"%d" % number})
        expected.append(content)
    bank = bench.bank()
    (wanted,) = await wanted_of(bank)
    fake.requests.clear()
    history, found = await contents(bank, wanted)
    assert (history.is_whole, found) == (True, expected)
    assert raw_requests(fake) == 3
    # The root, two pages of commits, and one of those that changed the document.
    assert fake.requests.total == 3 + 1 + 2 + 1

    fake.requests.clear()
    after = repository.git("rev-parse", "HEAD~60")
    history, found = await contents(bank, evolve(wanted, after=after))
    assert (history.is_whole, found) == (False, expected[-60:])
    assert raw_requests(fake) == 2


async def test_a_document_that_is_removed_and_comes_back(bench: GitLabBench) -> None:
    """In between there is none, which is told commit by commit."""
    bench.item("7", b"1", None, b"2", None)
    bank = bench.bank()
    (wanted,) = await wanted_of(bank)
    _, found = await contents(bank, wanted)
    assert found == [b"1", None, b"2", None]


async def test_the_root_of_a_project_may_hold_hundreds_of_files(bench: GitLabBench) -> None:
    """What matters of it may stand on any of its pages."""
    beside = {f"{number:03}.xml": b"" for number in range(240)} | {"a create": b"", "create": b""}
    repository = bench.item("7", None)
    repository.commit(item_content(7), beside=beside)
    bank = bench.bank()
    document = await bank.read("7", repository.revision())
    assert document.is_being_created
    assert document.content == item_content(7)


async def test_a_history_of_large_versions_is_never_held_whole(bench: GitLabBench) -> None:
    """However long it is: of 60 versions of 1 MB, a few are there at a time."""
    repository = bench.item("7", None)
    for number in range(60):
        repository.commit(b"%08d" % number + b" " * 1_000_000)
    bank = bench.bank()
    wanted = await wanted_of(bank)
    sizes: list[int] = []

    def measure(history: History) -> str:
        sizes.extend(len(document.content or b"") for document in history.documents)
        return history.key

    tracemalloc.start()
    try:
        async with aclosing(bank.read_changes(wanted, measure)) as slices:
            assert [one async for some in slices for one in some] == ["7"]
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(sizes) == 60 * 1_000_008
    # The fake, in the same process, holds what it sends as well.
    assert peak_bytes < 15_000_000
