"""What a history makes of an item: the facts that are folded, the problems, the log."""

import weakref
from collections.abc import Iterator, Sequence
from datetime import datetime

import pytest
from attrs import evolve, fields
from hypothesis import given
from hypothesis import strategies as st

from ingest.items.derivation import derive, rederive
from ingest.model.item import (
    Commit,
    Derived,
    Document,
    HistoryFacts,
    Ingested,
    ItemRow,
    NoItemYet,
    Problem,
    ProblemKind,
    Rejected,
)
from tests.support.documents import commit, history, item_content, lazily

TOO_LARGE = Problem(ProblemKind.TOO_LARGE, "the bank did not read it")
BAD = b"{"


def at(status: str) -> bytes:
    """Return a document with this status, in bytes of its own."""
    return item_content(7, **{"workflow.workflowStatusCode": status})


DRAFT, REVIEW, OPERATIONAL = at("Draft"), at("Review"), at("Operational")


def ingested(derived: Derived) -> Ingested:
    """Return what was derived, which is an item."""
    assert isinstance(derived, Ingested)
    return derived


def rejected(derived: Derived) -> Rejected:
    """Return what was derived, which is a problem."""
    assert isinstance(derived, Rejected)
    return derived


def facts_in(row: ItemRow) -> HistoryFacts:
    """Return the facts as they are stored with a row."""
    return HistoryFacts(**{fact.name: row.values[fact.name] for fact in fields(HistoryFacts)})


def facts_of(*states: bytes | Problem | Document | None) -> HistoryFacts:
    """Return the facts that a whole history comes to."""
    return facts_in(ingested(derive(history(*states), None)).row)


def day(number: int) -> datetime:
    """Return the date of a commit."""
    return commit(number).committed_at


def test_an_item_is_what_its_newest_document_says() -> None:
    """Place, commit, row and log of an item are taken from its history."""
    whole = history(None, DRAFT, REVIEW)
    item = ingested(derive(whole, None))
    assert (item.key, item.path, item.branch) == ("7", "bank/7", "main")
    assert (item.revision, item.commit) == (whole.revision, commit(2))
    assert item.row.values["item_json"].encode() == REVIEW
    assert item.row.keywords


def test_every_commit_is_logged() -> None:
    """The log has all commits in order: the empty first, the bad, the unchanged."""
    item = ingested(derive(history(None, DRAFT, BAD, TOO_LARGE, None, DRAFT, DRAFT), None))
    assert item.log == tuple(commit(number) for number in range(7))


def test_the_creator_is_who_first_committed_an_item_json() -> None:
    """The empty first commit made no item."""
    states = [
        Document(commit=commit(0, "Ada"), content=None),
        Document(commit=commit(1, "Grace"), content=DRAFT),
        Document(commit=commit(2, "Edsger"), content=REVIEW),
    ]
    facts = facts_in(ingested(derive(evolve(history(None), documents=states), None)).row)
    assert (facts.item_created_by, facts.item_created_at) == ("Grace", day(1))
    assert (facts.updated_by, facts.updated_at) == ("Edsger", day(2))


@pytest.mark.parametrize("first", [BAD, TOO_LARGE, b""])
def test_a_bad_item_json_is_an_item_json(first: bytes | Problem) -> None:
    """An item is as old as its file, even if that could not be read at first."""
    assert facts_of(None, first, DRAFT).item_created_at == day(1)


def test_who_updated_is_the_newest_commit_whatever_it_touched() -> None:
    """A commit that leaves item.json alone is an update all the same."""
    assert facts_of(DRAFT, DRAFT, DRAFT).updated_at == day(2)


def test_the_marker_counts_as_of_the_newest_commit() -> None:
    """Publishing removes the marker and may leave item.json as it is."""
    being_made = Document(commit=commit(0), content=DRAFT, is_being_created=True)
    assert ingested(derive(history(being_made), None)).row.values["is_being_created"] is True
    published = ingested(derive(history(being_made, DRAFT), None))
    assert published.row.values["is_being_created"] is False


@pytest.mark.parametrize(
    ("states", "set_at"),
    [
        ([DRAFT], 0),
        ([None, DRAFT, DRAFT], 1),
        ([DRAFT, REVIEW, at("Review")], 1),
        ([DRAFT, REVIEW, DRAFT], 2),
        ([DRAFT, BAD, REVIEW], 2),
        ([DRAFT, BAD, DRAFT], 0),
        ([DRAFT, None, TOO_LARGE, DRAFT], 0),
        ([DRAFT, at(""), at("")], 1),
    ],
)
def test_the_status_dates_from_its_last_change(states: Sequence[bytes], set_at: int) -> None:
    """Commits that leave the status, or cannot tell it, do not date it."""
    assert facts_of(*states).workflow_status_set_at == day(set_at)


def test_a_status_that_was_never_set_has_no_date() -> None:
    """A document without a status has no change of it."""
    assert facts_of(at(""), at(" ")).workflow_status_set_at is None


@pytest.mark.parametrize(
    ("states", "operational"),
    [
        ([DRAFT, REVIEW], None),
        ([DRAFT, OPERATIONAL, OPERATIONAL], 1),
        ([DRAFT, OPERATIONAL, REVIEW], 1),
        ([OPERATIONAL, REVIEW, OPERATIONAL], 2),
        ([at("operational"), at("Operational ")], None),
    ],
)
def test_operational_is_dated_when_it_becomes_so(
    states: Sequence[bytes], operational: int | None
) -> None:
    """The date is that of becoming exactly Operational, and outlasts the status."""
    expected = None if operational is None else day(operational)
    assert facts_of(*states).operational_at == expected


def test_what_is_known_is_gone_on_from() -> None:
    """A later piece of history changes only what it tells of."""
    known = facts_of(None, DRAFT, OPERATIONAL)
    later = facts_in(ingested(derive(history(OPERATIONAL, first=3, known=True), known)).row)
    assert later == evolve(known, updated_at=day(3))


def test_a_whole_history_begins_anew() -> None:
    """After a force-push nothing that was known before counts, but who made the item."""
    known = facts_of(OPERATIONAL)
    anew = facts_in(ingested(derive(history(None, DRAFT, first=5), known)).row)
    assert anew.item_created_at == known.item_created_at
    assert anew.workflow_status_set_at == day(6)
    assert anew.operational_at is None


@pytest.mark.parametrize(
    ("newest", "kind"),
    [
        (BAD, ProblemKind.NOT_JSON),
        (TOO_LARGE, ProblemKind.TOO_LARGE),
        (item_content(8), ProblemKind.WRONG_ID),
    ],
)
def test_a_bad_newest_document_is_rejected(newest: bytes | Problem, kind: ProblemKind) -> None:
    """The problem is that of the newest commit, and names the revision that has it."""
    changed = history(DRAFT, newest)
    refusal = rejected(derive(changed, None))
    assert refusal.problem.kind is kind
    assert (refusal.key, refusal.path, refusal.revision) == ("7", "bank/7", changed.revision)


def test_a_repository_without_an_item_is_none_yet() -> None:
    """As long as no commit ever held an item.json there is nothing wrong."""
    empty = history(None, None)
    assert derive(empty, None) == NoItemYet(key="7", revision=empty.revision)


def test_a_removed_item_json_is_a_problem() -> None:
    """Whether the removal is in the history, or what was known is gone, the item is not."""
    known = facts_of(DRAFT)
    for derived in (
        derive(history(DRAFT, None), None),
        derive(history(BAD, None), None),
        derive(history(None, first=1, known=True), known),
        derive(history(None), known),
    ):
        assert rejected(derived).problem.kind is ProblemKind.DOCUMENT_REMOVED


def test_a_fault_of_the_mapping_is_a_problem_of_the_item() -> None:
    """Whatever goes wrong with one document, the job goes on to the next."""
    naive = Commit("c" * 40, day(0).replace(tzinfo=None), "Ada")
    content = item_content(
        7, **{"workflow.workflowStatusCode": "Operational", "core.en.updatedDate": "2021-01-01"}
    )
    broken = evolve(history(None), documents=[Document(commit=naive, content=content)])
    problem = rejected(derive(broken, None)).problem
    assert problem.kind is ProblemKind.UNMAPPABLE
    assert "TypeError" in problem.message


def test_a_bank_that_breaks_off_is_no_problem_of_the_item() -> None:
    """What reading the documents raises is for the caller to judge."""

    def breaking_off() -> Iterator[Document]:
        yield Document(commit=commit(0), content=DRAFT)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        derive(evolve(history(None), documents=breaking_off()), None)


def test_a_history_has_a_document() -> None:
    """A bank that hands out a history of nothing is at fault, and told so."""
    with pytest.raises(ValueError, match="item 7 has no document"):
        derive(evolve(history(None), documents=[]), None)


def test_documents_are_not_held() -> None:
    """However long a history is, no more than its newest documents are in memory."""
    gone: list[weakref.ref[Document]] = []

    def one_by_one() -> Iterator[Document]:
        for number in range(20):
            document = Document(commit=commit(number), content=at(f"Status {number}"))
            gone.append(weakref.ref(document))
            yield document
            del document
            assert [ref() for ref in gone[:-1]] == [None] * number

    assert len(ingested(derive(evolve(history(None), documents=one_by_one()), None)).log) == 20


STATES = st.sampled_from(
    [None, BAD, TOO_LARGE, item_content(8), DRAFT, REVIEW, OPERATIONAL, at(""), at("Draft")]
)


@given(st.lists(STATES, min_size=1, max_size=12))
def test_folding_in_pieces_comes_to_the_same(states: list[bytes | Problem | None]) -> None:
    """One fold of all commits equals as many folds as commits, each going on from the row stored.

    As a job does: only what was ingested is stored, and the next history begins after it.
    """
    known, begin = None, 0
    log: list[Commit] = []
    derived: Derived
    for end in range(1, len(states) + 1):
        piece = history(*states[begin:end], first=begin, known=known is not None)
        derived = derive(lazily(piece), known)
        if isinstance(derived, Ingested):
            known, begin = facts_in(derived.row), end
            log += derived.log
    at_once = derive(lazily(history(*states)), None)
    if isinstance(derived, Ingested):
        derived = evolve(derived, log=tuple(log))
    assert derived == at_once


def test_the_stored_document_gives_the_stored_row() -> None:
    """Rederiving from what was stored changes nothing under the same rules."""
    row = ingested(derive(history(None, DRAFT, OPERATIONAL, REVIEW), None)).row
    again = rederive("7", REVIEW, facts_in(row), is_being_created=False)
    assert again == row


def test_rederiving_reads_the_document_anew_and_keeps_the_facts() -> None:
    """What only the history tells is carried over, the marker too."""
    known = facts_of(DRAFT)
    row = rederive("7", REVIEW, known, is_being_created=True)
    assert isinstance(row, ItemRow)
    assert row.values["workflow_status"] == "Review"
    assert row.values["workflow_status_set_at"] == known.workflow_status_set_at
    assert row.values["is_being_created"] is True


def test_rederiving_a_bad_document_is_a_problem() -> None:
    """A stored document that today's rules refuse names its problem."""
    problem = rederive("7", item_content(8), HistoryFacts(), is_being_created=False)
    assert isinstance(problem, Problem)
    assert problem.kind is ProblemKind.WRONG_ID
