"""The sample bank: real repositories, the same for the same seed, with documents of every kind."""

import json
import os
import subprocess
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pygit2
import pytest

from ingest.bank.sample import ITEMS_MAX, SampleSummary, make_sample_bank
from ingest.bank.sample_one_repository import ONE_REPOSITORY_ITEMS_MAX
from ingest.bank.sample_problems import BAD_KINDS
from ingest.errors import InvalidValueError
from ingest.model.item import ITEM_TYPES, ProblemKind

ITEMS = 100


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank of a hundred items, which no test changes."""
    directory: Path = tmp_path_factory.mktemp("sample") / "bank"
    make_sample_bank(directory, items=ITEMS)
    return directory


@pytest.fixture(scope="module")
def documents(bank: Path) -> dict[str, Any]:
    """The latest document of every item, by the repository's name without its suffix."""
    return {
        path.stem: json.loads(_blob(_head(path), "item.json")) for path in sorted(bank.iterdir())
    }


def _git(path: Path, *arguments: str) -> list[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    result = subprocess.run(
        ["git", "-C", str(path), *arguments],
        check=True,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=kept | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull},
    )
    return (result.stdout + result.stderr).splitlines()


def _head(path: Path) -> pygit2.Commit:
    return pygit2.Repository(str(path)).head.peel(pygit2.Commit)


def _blob(commit: pygit2.Commit, name: str) -> bytes:
    blob = commit.tree[name]
    assert isinstance(blob, pygit2.Blob)
    return blob.data


def _history(path: Path) -> list[pygit2.Commit]:
    """The commits of a repository, oldest first."""
    commits = [_head(path)]
    while commits[-1].parents:
        commits.append(commits[-1].parents[0])
    return commits[::-1]


def _heads(directory: Path, items: int, *, seed: int = 1) -> dict[str, str]:
    make_sample_bank(directory, items=items, seed=seed)
    return {path.name: str(_head(path).id) for path in directory.iterdir()}


def _content(document: Mapping[str, Any]) -> Any:
    return document["core"].get("en", document["core"])


def test_same_seed_gives_same_bank(tmp_path: Path) -> None:
    """Two banks of one seed have the same repositories with the same commits."""
    assert _heads(tmp_path / "one", 40) == _heads(tmp_path / "two", 40)


def test_other_seed_gives_other_bank(tmp_path: Path) -> None:
    """Another seed leaves no commit as it was."""
    one, two = (_heads(tmp_path / f"{seed}", 40, seed=seed) for seed in (1, 2))
    assert not set(one.values()) & set(two.values())


def test_item_is_the_same_in_a_larger_bank(bank: Path, tmp_path: Path) -> None:
    """Only an item whose stimulus a smaller bank does not reach differs there, by the link."""
    for name, head in _heads(tmp_path / "small", 30).items():
        if head != str(_head(bank / name).id):
            small, large = (
                json.loads(_blob(_head(directory / name), "item.json"))
                for directory in (tmp_path / "small", bank)
            )
            assert small["core"].pop("stimulusId") is None
            assert int(large["core"].pop("stimulusId")) > 100_030
            assert small == large


def test_summary_counts_what_is_there(tmp_path: Path) -> None:
    """The summary agrees with the documents, and fifty items are of all thirteen types."""
    told: list[int] = []
    summary = make_sample_bank(tmp_path / "bank", items=50, progress=told.append)
    documents = [
        json.loads(_blob(_head(path), "item.json")) for path in (tmp_path / "bank").iterdir()
    ]
    types = Counter(document["type"] for document in documents)
    assert set(types) == ITEM_TYPES
    assert told == list(range(1, 51))
    assert summary == SampleSummary(
        items=50,
        by_type=dict(types),
        stimuli=types["stim"],
        with_spanish=sum(
            document["translations"]["esp"]["isProvided"] in (True, "true")
            for document in documents
        ),
        first_id=100_001,
        last_id=100_050,
        problems={},
    )
    assert 0 < summary.with_spanish < 50


def test_git_is_happy_with_every_repository(bank: Path) -> None:
    """Git itself finds nothing amiss, neither in the objects nor in a work tree."""
    for path in sorted(bank.iterdir())[:60]:
        assert _git(path, "fsck", "--strict", "--full", "--no-dangling") == []
        if (path / ".git").exists():
            assert _git(path, "status", "--porcelain") == []


def test_git_logs_commits_in_order(bank: Path) -> None:
    """Git lists the latest commit first, every one later than its parent and in UTC."""
    people: set[str] = set()
    for path in sorted(bank.iterdir())[:40]:
        log = [line.split("\t") for line in _git(path, "log", "--format=%H\t%ct\t%cI\t%an")]
        times = [int(seconds) for _, seconds, _, _ in log]
        assert [commit for commit, *_ in log] == [str(c.id) for c in _history(path)][::-1]
        assert times == sorted(set(times), reverse=True)
        assert all(date.endswith(("+00:00", "Z")) for _, _, date, _ in log)
        people.update(author for *_, author in log)
    assert len(people) > 3


def test_repositories_are_of_every_kind(bank: Path) -> None:
    """Bare, with and without a suffix, or not; packed, loose and stale refs; two branch names."""
    kinds: Counter[object] = Counter()
    for number, path in enumerate(sorted(bank.iterdir()), start=100_001):
        assert path.stem == str(number)
        repository = pygit2.Repository(str(path))
        git = Path(repository.path)
        kinds[path.suffix, repository.is_bare] += 1
        kinds[repository.head.shorthand] += 1
        kinds[(git / "packed-refs").exists(), (git / "refs/heads").exists()] += 1
        assert len([file for file in git.rglob("*") if file.is_file()]) <= 7
    assert kinds[".git", True] > ITEMS / 2
    assert min(kinds["", True], kinds["", False], kinds["main"], kinds["master"]) > 0
    assert min(kinds[True, False], kinds[False, True], kinds[True, True]) > 0


def test_most_histories_begin_with_an_empty_commit(bank: Path) -> None:
    """Most first commits hold nothing at all; then follow two to six versions of the document."""
    histories = [_history(path) for path in bank.iterdir()]
    assert sum(not len(history[0].tree) for history in histories) > ITEMS * 3 / 4
    for history in histories:
        blobs = [commit.tree["item.json"].id for commit in history if "item.json" in commit.tree]
        assert 2 <= len(set(blobs)) <= 6
        assert _blob(history[-1], "item.json")


def test_publishing_touches_only_the_marker(bank: Path) -> None:
    """The commit that removes the marker leaves item.json alone; some items keep theirs."""
    published = 0
    for path in bank.iterdir():
        history = _history(path)
        for before, after in pairwise(history):
            if "create" in before.tree and "create" not in after.tree:
                published += 1
                assert before.tree["item.json"].id == after.tree["item.json"].id
    unpublished = sum("create" in _head(path).tree for path in bank.iterdir())
    assert published > ITEMS / 2
    assert 0 < unpublished < ITEMS / 4


def test_workflows_differ(bank: Path) -> None:
    """Items begin as drafts; some become operational, and some of those are edited afterwards."""
    edited = 0
    statuses: Counter[str] = Counter()
    for path in bank.iterdir():
        versions = [
            json.loads(_blob(commit, "item.json"))
            for commit in _history(path)
            if "item.json" in commit.tree
        ]
        codes = [version["workflow"]["workflowStatusCode"] for version in versions]
        assert codes[0] == "Draft"
        statuses[codes[-1]] += 1
        if "Operational" in codes:
            edited += versions[codes.index("Operational")] != versions[-1]
    assert edited > 0
    assert statuses["Operational"] > edited
    assert len(statuses) > 3


def test_documents_are_of_every_age(documents: dict[str, Any]) -> None:
    """Old and new field names, content in either place, and flags of either type are all there."""
    seen: set[object] = set()
    for name, document in documents.items():
        assert document["id"] == name
        assert _content(document)["content" if document["type"] in ("stim", "tut") else "prompt"]
        seen.add("en" in document["core"])
        seen.add(type(_content(document)["isProvided"]))
        metadata = document["core"].get("metadata")
        assert (metadata is None) == (document["type"] == "tut")
        seen.add("grade" if "grade" in (metadata or {}) else "intendedGrade")
    assert seen == {True, False, bool, str, "grade", "intendedGrade"}


def test_links_lead_to_stimuli(documents: dict[str, Any]) -> None:
    """A stimulus id is absent, a text or a number, and always that of a stimulus in the bank."""
    links = [document["core"]["stimulusId"] for document in documents.values()]
    assert {type(link) for link in links} == {type(None), str, int}
    assert {documents[str(link)]["type"] for link in links if link is not None} == {"stim"}


def test_optional_parts_occur(documents: dict[str, Any]) -> None:
    """Some documents have numbers of tests, open needs, assignees, attachments, even doubled."""
    texts = json.dumps(list(documents.values()), ensure_ascii=False)
    for part in ("itemDifficultyQuintile", "assignedTo", "primaryEnhancedId", "glossary"):
        assert part in texts
    for markup in ("&nbsp;", "style=", "<math xmlns=", "&rsquo;", "&oacute;", "ó"):
        assert markup in texts
    needs = [n for d in documents.values() for n in d["core"].get("contentUpdateNeeds", [])]
    assert {bool(need.get("resolution")) for need in needs} == {True, False}
    doubled = [
        document
        for document in documents.values()
        for section in ("asl", "braille", "cc")
        if len(names := [a["fileName"] for a in document[section]["attachments"]]) > len(set(names))
    ]
    assert doubled


def test_stimuli_come_before_and_after_their_items(documents: dict[str, Any]) -> None:
    """The order of arrival is no matter of course, whichever way the bank is listed."""
    links = {name: document["core"]["stimulusId"] for name, document in documents.items()}
    assert {int(link) < int(name) for name, link in links.items() if link} == {True, False}


def test_bad_items_come_after_the_good_ones(tmp_path: Path) -> None:
    """Of every kind in turn, the good ones as they would be without, all the same each time."""
    without = _heads(tmp_path / "without", 5)
    first, second = (
        make_sample_bank(tmp_path / name, items=5, bad=len(BAD_KINDS) + 1)
        for name in ("one", "two")
    )
    assert first == second
    assert (first.items, first.last_id) == (5, 100_005)
    assert list(first.problems.values()) == [*BAD_KINDS, BAD_KINDS[0]]
    assert [int(key) for key in first.problems] == list(range(100_006, 100_007 + len(BAD_KINDS)))
    elsewhere = {
        ProblemKind.UNMAPPABLE,
        ProblemKind.NOT_A_FOLDER,
        ProblemKind.NOT_ANSWERED,
        ProblemKind.RENAMED,
    }
    assert set(BAD_KINDS) == set(ProblemKind) - elsewhere
    for name, head in without.items():
        assert str(_head(tmp_path / "one" / name).id) == head
    trees = [
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (tmp_path / "one", tmp_path / "two")
    ]
    assert trees[0] == trees[1]


@pytest.mark.parametrize("bad", [-1, ITEMS_MAX + 1])
def test_impossible_number_of_bad_items_is_refused(tmp_path: Path, bad: int) -> None:
    """A number out of range is named, with the range, and nothing is made."""
    with pytest.raises(InvalidValueError, match=rf"{bad} bad items.*0 to 1000000"):
        make_sample_bank(tmp_path / "bank", items=1, bad=bad)
    assert not (tmp_path / "bank").exists()


@pytest.mark.parametrize("items", [-1, 0, ITEMS_MAX + 1])
def test_impossible_number_is_refused(tmp_path: Path, items: int) -> None:
    """A number out of range is named, with the range, and nothing is made."""
    with pytest.raises(InvalidValueError, match=rf"{items} items.*1 to 1000000"):
        make_sample_bank(tmp_path / "bank", items=items)
    assert not (tmp_path / "bank").exists()


def test_directory_in_use_is_refused(tmp_path: Path) -> None:
    """A directory that holds something, or a file in its place, is named and left as it is."""
    kept = tmp_path / "bank" / "kept"
    kept.parent.mkdir()
    kept.touch()
    for taken in (kept.parent, kept):
        with pytest.raises(InvalidValueError, match=rf"{taken} is there already.*empty it"):
            make_sample_bank(taken, items=1)
    assert list(kept.parent.iterdir()) == [kept]


def test_empty_directory_is_used(tmp_path: Path) -> None:
    """A directory that is there but empty is as good as none."""
    make_sample_bank(tmp_path, items=1)
    assert [path.stem for path in tmp_path.iterdir()] == ["100001"]


def test_one_repository_holds_the_same_items(bank: Path, tmp_path: Path) -> None:
    """Git finds nothing amiss, every folder is the item's own tree, and commits go by time."""
    one = tmp_path / "one"
    assert make_sample_bank(one, items=ITEMS, one_repository=True).items == ITEMS
    assert _git(one, "fsck", "--strict", "--full", "--no-dangling") == []
    head = _head(one)
    assert {entry.name: entry.id for entry in head.tree} == {
        path.stem: _head(path).tree_id for path in bank.iterdir()
    }
    times = [commit.commit_time for commit in _history(one)]
    assert times == sorted(times)
    filled = [commit for path in bank.iterdir() for commit in _history(path) if len(commit.tree)]
    assert len(times) == len(filled)


def test_one_repository_has_no_bad_items(tmp_path: Path) -> None:
    """Most of the bad kinds are of repositories of their own: refused, and nothing is made."""
    with pytest.raises(InvalidValueError, match=r"1 bad items.*0 to 0"):
        make_sample_bank(tmp_path / "bank", items=1, bad=1, one_repository=True)
    assert not (tmp_path / "bank").exists()


def test_one_repository_has_a_lower_limit(tmp_path: Path) -> None:
    """More items than are reasonable in one repository are refused, and nothing is made."""
    many = ONE_REPOSITORY_ITEMS_MAX + 1
    with pytest.raises(InvalidValueError, match=rf"{many} items.*1 to {many - 1}"):
        make_sample_bank(tmp_path / "bank", items=many, one_repository=True)
    assert not (tmp_path / "bank").exists()
