"""What the sample bank is worth: its items fill every column and every list, its bad ones none."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import orjson
import pytest

from ingest.bank.repository import (
    first_parents,
    head_revision,
    open_repository,
    read_documents,
)
from ingest.bank.sample import make_sample_bank
from ingest.items.document import JsonObject
from ingest.items.mapping import map_row
from ingest.model.columns import ITEM_COLUMNS
from ingest.model.item import ITEM_TYPES, HistoryFacts, ItemRow
from ingest.model.job import Counts, JobStatus
from ingest.storage.database import Database
from tests.support.databases import row_count, rows
from tests.support.job_bench import JobBench, WatchedBank
from tests.support.repositories import FolderKind

#: What only a history tells, or every row of one derivation has alike.
NOT_OF_A_DOCUMENT = {
    *("workflow_status_set_at", "operational_at", "content_changed_after_operational"),
    *("is_being_created", "item_created_by", "item_created_at", "updated_by", "updated_at"),
    "derivation_version",
}


def age_of(document: JsonObject) -> str:
    """Tell how old a document's model is, by its names and places."""
    if "en" not in document["core"]:
        return "oldest"
    return "new" if "intendedGrade" in document["core"].get("metadata", {}) else "old"


@pytest.fixture(scope="module")
def sampled(large_bank: list[Path]) -> list[tuple[JsonObject, ItemRow]]:
    """The newest document of every item, and its row."""
    found = []
    for path in large_bank:
        repository = open_repository(path)
        revision = head_revision(repository)
        assert revision is not None
        commits, _ = first_parents(repository, revision, None, lambda: None)
        states = [(commits[-1], commits[-1].tree)]
        (newest,) = read_documents(repository, states, lambda: None)
        assert newest.content is not None
        document = orjson.loads(newest.content)
        row = map_row(document, HistoryFacts(), is_being_created=False, content=newest.content)
        found.append((document, row))
    return found


def test_the_sample_fills_every_column(sampled: list[tuple[JsonObject, ItemRow]]) -> None:
    """Each column has at least two values, the unset one among them where it can be unset."""
    for column in ITEM_COLUMNS:
        values = {row.values[column.name] for _, row in sampled}
        assert len(values) > 1 or column.name in NOT_OF_A_DOCUMENT, column.name
        if column.nullable and column.name not in NOT_OF_A_DOCUMENT:
            assert None in values, column.name


def test_the_sample_is_of_every_type_in_every_age(
    sampled: list[tuple[JsonObject, ItemRow]],
) -> None:
    """Thirteen types, and of those that have a prompt all three ages."""
    ages: dict[str, set[str]] = defaultdict(set)
    for document, row in sampled:
        ages[row.values["item_type"]].add(age_of(document))
    assert set(ages) == ITEM_TYPES
    for item_type in ITEM_TYPES - {"stim", "tut"}:
        assert ages[item_type] == {"oldest", "old", "new"}


@pytest.mark.parametrize("age", ["oldest", "old", "new"])
def test_the_sample_has_entries_in_every_list_in_every_age(
    sampled: list[tuple[JsonObject, ItemRow]], age: str
) -> None:
    """Forms of several administrations, needs resolved and not, assignments, doubled files."""
    of_age = [(document, row) for document, row in sampled if age_of(document) == age]
    forms = [{form.administration_id for form in row.forms} for _, row in of_age]
    assert max(len(administrations) for administrations in forms) > 1
    needs = [need for _, row in of_age for need in row.content_update_needs]
    assert {bool(need.resolution) for need in needs} == {True, False}
    assert {bool(need.internal_resolution) for need in needs} == {True, False}
    assert any(row.assignments for _, row in of_age)
    assert any(row.values["primary_enhanced_id"] for _, row in of_age)
    assert any(row.values["translated_glossary_required"] for _, row in of_age)
    assert any(row.values["visual_tts_provided"] for _, row in of_age)
    assert any(row.values["grade"] and row.values["maximum_points"] for _, row in of_age)
    uploads = [
        (sum(len(document[kind]["attachments"]) for kind in ("asl", "braille", "cc")), row)
        for document, row in of_age
    ]
    assert any(number > len(row.attachments) > 0 for number, row in uploads)


def test_the_sample_has_passages_in_both_languages(
    sampled: list[tuple[JsonObject, ItemRow]],
) -> None:
    """Stimuli with passages, some of them translated."""
    counts = [
        (row.values["english_passages_count"], row.values["spanish_passages_count"])
        for _, row in sampled
        if row.values["classification"] == "stim"
    ]
    assert all(english for english, _ in counts)
    assert {bool(spanish) for _, spanish in counts} == {True, False}


#: A word that the message of each kind must have, for whoever is to mend the item.
FAULTS: dict[str, str] = {
    "BAD_KEY": "leading zeros",
    "NOT_A_REPOSITORY": "no git repository",
    "UNREADABLE_REPOSITORY": "unsupported repository version",
    "DOCUMENT_REMOVED": "item.json",
    "NOT_A_FILE": "a symbolic link",
    "NO_DEFAULT_BRANCH": "HEAD names refs/heads/trunk",
    "NOT_UTF8": "0xE9",
    "BYTE_ORDER_MARK": "EF BB BF",
    "NOT_JSON": "line 1, column",
    "NOT_AN_OBJECT": "a list",
    "TOO_LARGE": "5242880",
    "LFS_POINTER": "Git LFS",
    "WRONG_ID": "but the repository is that of item",
    "DUPLICATE_ID": "both claim item",
    "UNKNOWN_TYPE": "'essay'",
}


async def test_bad_items_cost_the_good_ones_nothing(tmp_path: Path, database: Database) -> None:
    """One of every kind among 200 good ones: the job completes, each fault is a row that names it.

    The next synchronization knows them, and reads none again.
    """
    kind = FolderKind(tmp_path / "sample")
    made = make_sample_bank(kind.root, items=200, bad=len(FAULTS))
    bank = kind.bank()
    bench = JobBench(WatchedBank(bank), database)
    execution = await bench.synchronize()
    assert execution.status is JobStatus.COMPLETED
    assert (execution.counts.created, execution.counts.failed) == (200, len(FAULTS))
    assert execution.progress.processed == execution.progress.total == 200 + len(FAULTS)
    assert await row_count(database, "item") == 200

    found: list[Any] = await rows(database, "SELECT bank_key, kind, message FROM ingest_problem")
    assert {row.bank_key: row.kind for row in found} == made.problems
    assert len(found) == len(FAULTS) == len({row.kind for row in found})
    for row in found:
        assert FAULTS[row.kind] in row.message

    bench.bank.asked.clear()
    again = await bench.synchronize()
    assert again.counts == Counts(unchanged=200, failed=len(FAULTS))
    assert bench.bank.asked == []
    await bank.aclose()
