"""What an item's history makes of it: its row, a problem, or nothing yet.

`derive` folds the documents oldest to newest. Folding a history in one go or piece by piece, with
the facts of the stored row carried from one piece to the next, comes to the same.
"""

from attrs import define, evolve

from ingest.items.document import DocumentError, JsonObject, parse, shown
from ingest.items.mapping import map_row, workflow_status
from ingest.model.item import (
    Commit,
    Document,
    History,
    HistoryFacts,
    Ingested,
    ItemRow,
    NoItemYet,
    Problem,
    ProblemKind,
    Rejected,
)

_OPERATIONAL = "Operational"


def derive(history: History, known: HistoryFacts | None) -> Ingested | Rejected | NoItemYet:
    """Return what became of an item; *known* is what its stored row tells, None if there is none.

    Reads the documents once and keeps one of them at a time. Facts that are known count only where
    the history goes on from them: a whole one tells them anew, but for who made the item and when.

    Raises:
        ValueError: The history has no document, which no item bank may hand out.
    """
    facts = known or HistoryFacts()
    if known is not None and history.is_whole:
        # The past is told anew, but for who made the item: that never changes later.
        facts = HistoryFacts(
            item_created_by=known.item_created_by, item_created_at=known.item_created_at
        )
    fold = _Fold(key=history.key, facts=facts)
    log: list[Commit] = []
    newest: Document | None = None
    for newest in history.documents:
        fold.add(newest)
        log.append(newest.commit)
    if newest is None:
        raise ValueError(f"the history of item {history.key} has no document")
    row = fold.row(newest)
    if row is None:
        if known is None and fold.facts.item_created_at is None:
            return NoItemYet(key=history.key, revision=history.revision)
        row = Problem(
            ProblemKind.DOCUMENT_REMOVED,
            f"item.json was there, and is gone as of commit {newest.commit.hash}: commit it again, "
            "or remove the item from the bank if it is to go",
        )
    if isinstance(row, Problem):
        return Rejected(key=history.key, path=history.path, revision=history.revision, problem=row)
    return Ingested(
        key=history.key,
        path=history.path,
        branch=history.branch,
        revision=history.revision,
        commit=newest.commit,
        row=row,
        log=tuple(log),
        bank_id=history.bank_id,
    )


def rederive(
    key: str, content: bytes, known: HistoryFacts, *, is_being_created: bool
) -> ItemRow | Problem:
    """Return the row of a document by today's rules, with the facts carried over as they are.

    For a document whose history has nothing new to tell: *content* is the stored item.json.
    """
    document = _parsed(key, content)
    if isinstance(document, Problem):
        return document
    return _mapped(document, known, is_being_created=is_being_created, content=content)


@define(kw_only=True)
class _Fold:
    """What is known of an item as of the documents added so far."""

    key: str
    facts: HistoryFacts
    #: What became of the last document; None if the commit holds none.
    parsed: JsonObject | Problem | None = None
    #: What `parsed` was parsed from.
    _content: bytes | None = None

    def add(self, document: Document) -> None:
        """Go on to the next commit."""
        commit = document.commit
        if document.content is None:
            self.parsed = document.problem
        elif document.content is not self._content:
            self.parsed = _parsed(self.key, document.content)
        self._content = document.content
        if self.parsed is None:
            return
        if self.facts.item_created_at is None:
            self.facts = evolve(
                self.facts, item_created_by=commit.author, item_created_at=commit.committed_at
            )
        if isinstance(self.parsed, Problem):
            return
        status = workflow_status(self.parsed)
        if status != self.facts.workflow_status:
            self.facts = evolve(
                self.facts, workflow_status=status, workflow_status_set_at=commit.committed_at
            )
            if status == _OPERATIONAL:
                self.facts = evolve(self.facts, operational_at=commit.committed_at)

    def row(self, newest: Document) -> ItemRow | Problem | None:
        """Return the row, given that *newest* was the last document; None if it holds no item."""
        parsed, content = self.parsed, newest.content
        if isinstance(parsed, Problem):
            return parsed
        if parsed is None or content is None:
            return None
        facts = evolve(
            self.facts,
            updated_by=newest.commit.author,
            updated_at=newest.commit.committed_at,
        )
        return _mapped(parsed, facts, is_being_created=newest.is_being_created, content=content)


def _parsed(key: str, content: bytes) -> JsonObject | Problem:
    try:
        return parse(key, content)
    except DocumentError as error:
        return error.problem


def _mapped(
    document: JsonObject, facts: HistoryFacts, *, is_being_created: bool, content: bytes
) -> ItemRow | Problem:
    try:
        return map_row(document, facts, is_being_created=is_being_created, content=content)
    # The mapping is meant to be total. Should it not be, one item's odd document must cost that
    # item its update, and not all the others their job.
    except Exception as error:  # noqa: BLE001
        return Problem(
            ProblemKind.UNMAPPABLE,
            f"item.json could not be mapped: {type(error).__name__}: {shown(str(error))}: "
            "report this as a fault of the service",
        )
