"""The item tables: items are written whole, and go whole."""

from collections.abc import Iterable

from attrs import evolve
from sqlalchemy import Connection, text

from ingest.model.item import Commit, Ingested, Problem, ProblemKind, Rejected
from ingest.model.job import Counts
from ingest.storage.database import Database
from ingest.storage.items import (
    ItemWrite,
    Saved,
    StoredRevision,
    delete_items,
    forget_problems,
    item_ids,
    load_items,
    save_items,
    stored_facts,
    stored_revisions,
)
from ingest.storage.problems import known_problems, record_problems
from tests.support.databases import (
    A_DAY,
    ITEM_CHILDREN,
    ingested,
    row_count,
    rows,
    started,
    stored_items,
)


async def save(
    database: Database, *items: Ingested, replaces: str | None = None, by: int | None = None
) -> Saved:
    """Save items, all of which replace the same revision."""
    writes = [ItemWrite(ingested=one, replaces=replaces) for one in items]
    return await database.write(lambda c: save_items(c, writes, execution_id=by))


async def found_by_text(database: Database, word: str) -> list[int]:
    """Return the ids of the items that full-text search finds, after a check of the index."""

    def search(connection: Connection) -> list[int]:
        check = "INSERT INTO item_keyword_fts(item_keyword_fts) VALUES('integrity-check')"
        connection.execute(text(check))
        query = (
            "SELECT item.id FROM item_keyword_fts"
            " JOIN item_keyword ON item_keyword_id = item_keyword_fts.rowid"
            " JOIN item ON item.key = item_key"
            " WHERE item_keyword_fts MATCH :word ORDER BY item.id"
        )
        return list(connection.execute(text(query), {"word": word}).scalars())

    return await database.write(search)


async def test_a_new_item_is_saved_with_all_that_is_its(database: Database) -> None:
    """What was saved can be loaded again as it was, and names the execution that did it."""
    writer = await started(database)
    one = ingested(7, words=("árbol", "casa"))
    saved = await save(database, one, by=writer.execution_id)
    assert saved.counts == Counts(created=1)

    stored = (await database.read(lambda c: load_items(c, [7, 8])))[7]
    assert stored.row == one.row
    assert (stored.key, stored.path, stored.branch) == ("7", "bank/7", "main")
    assert stored.stored == StoredRevision(revision="r1", commit_hash="hash of r1", path="bank/7")
    assert (stored.commit.hash, stored.commit.committed_at) == (one.commit.hash, A_DAY)
    (log,) = await rows(database, "SELECT commit_hash, author, job_execution_id FROM item_log")
    assert tuple(log) == ("hash of r1", "Ada", writer.execution_id)
    assert await found_by_text(database, "arbol") == [7]


async def test_an_update_replaces_everything_but_the_log(database: Database) -> None:
    """Columns and lists are the new ones, in their order; the log grows; the key stays."""
    await save(database, ingested(7, words=("old", "both")), ingested(8, words=("old",)))
    (key,) = await rows(database, "SELECT key FROM item WHERE id = 7")
    newer = ingested(7, revision="r2", subject="ELA", words=("new", "both"))
    newer = evolve(
        newer, row=evolve(newer.row, attachments=(), forms=newer.row.forms[1:]), path="bank/7.git"
    )
    newer = evolve(newer, log=(Commit("between", A_DAY, "Bob"), newer.commit))
    assert (await save(database, newer, replaces="r1")).counts == Counts(updated=1)

    stored = (await database.read(lambda c: load_items(c, [7])))[7]
    assert stored.row == newer.row
    assert (stored.path, stored.stored.revision) == ("bank/7.git", "r2")
    assert await rows(database, "SELECT key FROM item WHERE id = 7") == [key]
    log = await rows(
        database, "SELECT commit_hash FROM item_log JOIN item ON key = item_key WHERE id = 7"
    )
    assert [row[0] for row in log] == ["hash of r1", "between", "hash of r2"]
    assert await found_by_text(database, "old") == [8]
    assert await found_by_text(database, "new") == [7]
    assert await found_by_text(database, "both") == [7]


async def test_a_deleted_item_leaves_nothing(database: Database) -> None:
    """With an item go its children, its place in the index and its problem; others stay."""
    await save(database, ingested(7, words=("gone", "shared")), ingested(8, words=("shared",)))
    problem = Rejected(
        key="7", path="bank/7", revision="r2", problem=Problem(ProblemKind.NOT_JSON, "broken")
    )
    await database.write(lambda c: record_problems(c, [problem]))
    assert await database.write(lambda c: delete_items(c, {7: "r1", 99: "r1"})) == [7]

    assert list(await stored_items(database)) == [8]
    for table in ("item_log", *ITEM_CHILDREN):
        (left,) = await rows(database, f"SELECT DISTINCT item_key FROM {table}")  # noqa: S608
        (kept,) = await rows(database, "SELECT key FROM item")
        assert left == kept
    assert await row_count(database, "ingest_problem") == 0
    assert await found_by_text(database, "gone") == []
    assert await found_by_text(database, "shared") == [8]


async def test_deleting_a_stimulus_leaves_its_items(database: Database) -> None:
    """The link is a view: it goes with the stimulus, and comes back with it, in any order."""

    def linked(item: Ingested, values: Iterable[tuple[str, object]]) -> Ingested:
        return evolve(item, row=evolve(item.row, values=item.row.values | dict(values)))

    item = linked(ingested(7), [("associated_stimulus_id", 8)])
    stimulus = linked(ingested(8), [("classification", "stim")])
    links = "SELECT item_id, stimulus_id FROM stim_link"
    await save(database, item)
    assert await rows(database, links) == []
    await save(database, stimulus)
    assert [tuple(row) for row in await rows(database, links)] == [(7, 8)]
    await database.write(lambda c: delete_items(c, {8: "r1"}))
    assert await rows(database, links) == []
    assert await database.read(lambda c: item_ids(c, after=0, limit=9)) == [7]


async def test_an_overtaken_write_is_left_alone(database: Database) -> None:
    """What somebody else has written since stays, whether the item is new to the writer or not."""
    await save(database, ingested(7, revision="r2", subject="theirs"))
    for replaces in ("r1", None):
        mine = ingested(7, revision="r3", subject="mine", words=("mine",))
        saved = await save(database, mine, replaces=replaces)
        assert (list(saved.overtaken), saved.counts) == ([mine], Counts(unchanged=1))
    gone = await save(database, ingested(9, revision="r3"), replaces="r2")
    assert len(gone.overtaken) == 1

    assert await database.read(lambda c: item_ids(c, after=0, limit=9)) == [7]
    stored = (await database.read(lambda c: load_items(c, [7])))[7]
    assert (stored.stored.revision, stored.row.values["subject"]) == ("r2", "theirs")
    assert await row_count(database, "item_log") == 1
    assert await found_by_text(database, "mine") == []


async def test_an_item_that_came_back_changed_is_not_deleted(database: Database) -> None:
    """A delete names the revision that it means, and spares any other."""
    await save(database, ingested(7, revision="r2"))
    assert await database.write(lambda c: delete_items(c, {7: "r1"})) == []
    assert await row_count(database, "item") == 1


async def test_one_batch_may_create_update_and_be_overtaken(database: Database) -> None:
    """Each item of a batch meets its own fate."""
    await save(database, ingested(7), ingested(8))
    writes = [
        ItemWrite(ingested=ingested(7, revision="r2"), replaces="r1"),
        ItemWrite(ingested=ingested(8, revision="r2"), replaces="r0"),
        ItemWrite(ingested=ingested(9), replaces=None),
    ]
    saved = await database.write(lambda c: save_items(c, writes, execution_id=None))
    assert saved.counts == Counts(created=1, updated=1, unchanged=1)
    found = await database.read(lambda c: stored_revisions(c, ["7", "8", "9"]))
    assert {key: one.revision for key, one in found.items()} == {"7": "r2", "8": "r1", "9": "r1"}


async def test_what_is_known_of_the_past_is_told(database: Database) -> None:
    """People and dates come back as they were saved, with their zone; the unknown is left out."""
    one = ingested(7)
    values = one.row.values | {"item_created_by": "Ada", "item_created_at": A_DAY}
    await save(database, evolve(one, row=evolve(one.row, values=values)))
    facts = await database.read(lambda c: stored_facts(c, ["7", "8"]))
    assert list(facts) == ["7"]
    assert (facts["7"].item_created_by, facts["7"].item_created_at) == ("Ada", A_DAY)


async def test_ids_come_page_by_page(database: Database) -> None:
    """Ascending, behind the one named, at most so many."""
    await save(database, *(ingested(id_) for id_ in (30, 7, 100, 8)))
    assert await database.read(lambda c: item_ids(c, after=0, limit=3)) == [7, 8, 30]
    assert await database.read(lambda c: item_ids(c, after=30, limit=3)) == [100]


async def test_a_problem_counts_its_attempts(database: Database) -> None:
    """The same item's next problem replaces the one before, and is one attempt more."""

    def rejected(revision: str, kind: ProblemKind) -> Rejected:
        return Rejected(key="7", path="bank/7", revision=revision, problem=Problem(kind, "why"))

    for revision, kind in (("r1", ProblemKind.NOT_JSON), ("r2", ProblemKind.WRONG_ID)):
        problem = rejected(revision, kind)
        await database.write(lambda c, one=problem: record_problems(c, [one]))  # type: ignore[misc]
    (row,) = await rows(database, "SELECT kind, attempts, commit_hash FROM ingest_problem")
    assert tuple(row) == ("WRONG_ID", 2, "r2")
    assert await database.read(lambda c: known_problems(c, ["7", "8"])) == {"7": "r2"}
    await database.write(lambda c: forget_problems(c, ["7", "8"]))
    assert await row_count(database, "ingest_problem") == 0
