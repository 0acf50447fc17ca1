"""What has changed: the bank's listing against what is stored."""

from collections.abc import Mapping, Sequence

from attrs import define, field
from sqlalchemy import Connection

from ingest.aio import together
from ingest.bank.base import ItemBank, Listing, Wanted
from ingest.model.item import HistoryFacts, Problem, ProblemKind, Rejected
from ingest.storage.database import Transactions
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
    moved: list[Listing] = field(factory=list)
    #: Entries that the bank says are unchanged, while it is not known as what.
    unsettled: list[Listing] = field(factory=list)

    def add(self, other: "Comparison") -> None:
        """Take in what was found of other entries."""
        self.stored = {**self.stored, **other.stored}
        self.facts = {**self.facts, **other.facts}
        self.wanted += other.wanted
        self.rejected += other.rejected
        self.healed += other.healed
        self.moved += other.moved
        self.unchanged += other.unchanged
        self.still_bad += other.still_bad

    def replaces(self, key: str) -> str | None:
        """Return the stored revision of an item, None where it is not stored."""
        stored = self.stored.get(key)
        return None if stored is None else stored.revision


async def compare_with(
    bank: ItemBank, database: Transactions, listings: Sequence[Listing]
) -> Comparison:
    """Tell what to read; what the bank's listing leaves open is asked for.

    Raises:
        BankUnavailableError: The bank cannot tell.
    """
    found = await database.read(lambda connection: compare(connection, listings))
    if found.unsettled:
        heads = await together(bank.head(one.key, one.bank_id) for one in found.unsettled)
        present = [one for one in heads if one is not None]
        found.add(await database.read(lambda connection: compare(connection, present)))
    return found


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
    elif listing.is_unchanged:
        _sort_in_unchanged(found, listing, problems)
    elif revision is None:
        if stored is None:
            found.unchanged += 1
        else:
            found.rejected.append(_emptied(listing))
    elif stored is not None and stored.revision == revision:
        found.unchanged += 1
        if key in problems:
            found.healed.append(key)
        if _has_moved(listing, stored):
            found.moved.append(listing)
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


def _sort_in_unchanged(
    found: Comparison, listing: Listing, problems: Mapping[str, str | None]
) -> None:
    stored = found.stored.get(listing.key)
    # That nothing has happened in a project says nothing of an item that was another's.
    if stored is not None and stored.bank_id != listing.bank_id:
        found.unsettled.append(listing)
    elif listing.key not in problems and stored is not None:
        found.unchanged += 1
        if _has_moved(listing, stored):
            found.moved.append(listing)
    elif problems.get(listing.key) is not None:
        found.still_bad += 1
    else:
        found.unsettled.append(listing)


def _has_moved(listing: Listing, stored: StoredRevision) -> bool:
    """Return whether a bank that numbers its items has one elsewhere than is stored."""
    return listing.bank_id is not None and (
        listing.bank_id != stored.bank_id or listing.path != stored.path
    )


def _emptied(listing: Listing) -> Rejected:
    problem = Problem(
        ProblemKind.DOCUMENT_REMOVED,
        f"{listing.path} has no commits any more: restore its default branch, or remove it",
    )
    return Rejected(key=listing.key, path=listing.path, revision=None, problem=problem)
