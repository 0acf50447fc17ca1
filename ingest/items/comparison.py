"""What has changed: the bank's listing against what is stored."""

from collections.abc import Mapping, Sequence

from attrs import define, field
from sqlalchemy import Connection

from ingest.bank.base import Listing, Wanted
from ingest.model.item import HistoryFacts, Problem, ProblemKind, Rejected
from ingest.storage.items import StoredRevision, stored_facts, stored_revisions
from ingest.storage.problems import known_problems


@define(kw_only=True)
class Comparison:
    """A slice of the listing, sorted by what is to be done with each entry."""

    #: To be read, with the stored revision that each would replace.
    wanted: list[Wanted] = field(factory=list)
    stored: Mapping[str, StoredRevision]
    #: What is known of the past of those to be read.
    facts: Mapping[str, HistoryFacts] = field(factory=dict)
    rejected: list[Rejected] = field(factory=list)
    unchanged: int = 0
    still_bad: int = 0
    healed: list[str] = field(factory=list)

    def replaces(self, key: str) -> str | None:
        """Return the stored revision of an item, None where it is not stored."""
        stored = self.stored.get(key)
        return None if stored is None else stored.revision


def compare(connection: Connection, listings: Sequence[Listing]) -> Comparison:
    """Tell what to read: an item whose revision is stored, or is known to be bad, is not read."""
    keys = [listing.key for listing in listings]
    problems = known_problems(connection, keys)
    found = Comparison(stored=stored_revisions(connection, keys))
    for listing in listings:
        _sort_in(found, listing, problems)
    if found.stored and found.wanted:
        found.facts = stored_facts(connection, [wanted.key for wanted in found.wanted])
    return found


def _sort_in(found: Comparison, listing: Listing, problems: Mapping[str, str | None]) -> None:
    key, revision = listing.key, listing.revision
    stored = found.stored.get(key)
    if listing.problem is not None:
        found.rejected.append(
            Rejected(key=key, path=listing.path, revision=None, problem=listing.problem)
        )
    elif revision is None:
        if stored is None:
            found.unchanged += 1
        else:
            found.rejected.append(_emptied(listing))
    elif stored is not None and stored.revision == revision:
        found.unchanged += 1
        if key in problems:
            found.healed.append(key)
    elif problems.get(key) == revision:
        found.still_bad += 1
    else:
        after = None if stored is None else stored.commit_hash
        found.wanted.append(
            Wanted(
                key=key,
                path=listing.path,
                revision=revision,
                after=after,
                bank_id=listing.bank_id,
                branch=listing.branch,
            )
        )


def _emptied(listing: Listing) -> Rejected:
    problem = Problem(
        ProblemKind.DOCUMENT_REMOVED,
        f"{listing.path} has no commits any more: restore its default branch, or remove it",
    )
    return Rejected(key=listing.key, path=listing.path, revision=None, problem=problem)
