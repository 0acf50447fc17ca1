"""What holds of the rows of items, and of those that tell who wrote them: see `Invariant`."""

from typing import Final

from ingest.storage.invariants import Invariant

_READ_ANEW: Final = (
    "stop the service, delete the item's row from the table item with PRAGMA foreign_keys = ON, "
    "and synchronize: the item is read anew"
)
_REBUILD: Final = (
    "stop the service and rebuild the index: "
    "INSERT INTO item_keyword_fts (item_keyword_fts) VALUES ('rebuild')"
)

ITEM_INVARIANTS: Final = (
    Invariant(
        name="the log names no more items than are counted",
        thing="execution",
        sql="""
            SELECT job_execution_id AS id, count(DISTINCT item_key) AS logged,
                coalesce(created + updated, 0) AS written
            FROM item_log LEFT JOIN batch_job_execution_progress USING (job_execution_id)
            WHERE job_execution_id IS NOT NULL GROUP BY job_execution_id HAVING logged > written
        """,
        wrong="counts {written} items created and updated, and item_log names {logged}",
    ),
    Invariant(
        name="the log names all items that are counted",
        thing="execution",
        # Rows of the log go with their item. Deletions are counted by the execution that deletes,
        # but one item deleted by itself (POST /sync/<id>) leaves no trace.
        sql="""
            SELECT job_execution_id AS id, created + updated AS written, (
                SELECT count(DISTINCT item_key) FROM item_log AS l
                WHERE l.job_execution_id = x.job_execution_id
            ) AS logged
            FROM batch_job_execution AS x JOIN batch_job_execution_progress USING (job_execution_id)
            WHERE logged < written AND NOT EXISTS (
                SELECT * FROM batch_job_execution_progress AS d
                JOIN batch_job_execution AS y ON y.job_execution_id = d.job_execution_id
                WHERE d.deleted > 0 AND (y.job_execution_id >= x.job_execution_id
                    OR y.end_time IS NULL OR y.end_time >= x.create_time))
        """,
        wrong="counts {written} items created and updated, and item_log names {logged}: sound "
        "only if the others were since deleted one by one (POST /sync/<item id>), or if the "
        "service was cut while it forgot this execution (retain_executions)",
        remedy="nothing, if so; else keep a copy of the file and report it",
        is_fault=False,
    ),
    Invariant(
        name="items have a place in the bank",
        thing="item",
        sql="""
            SELECT id FROM item
            WHERE NOT EXISTS (SELECT * FROM item_git WHERE item_key = item.key)
        """,
        wrong="is half an item: it has no row in item_git",
        remedy=_READ_ANEW,
    ),
    Invariant(
        name="items have their own place in the bank",
        thing="item",
        sql="""
            SELECT id, bank_key FROM item JOIN item_git ON item_key = key
            WHERE bank_key <> CAST(id AS TEXT)
        """,
        wrong="has the place of {bank_key} in item_git",
        remedy=_READ_ANEW,
    ),
    Invariant(
        name="items have a log that names where they stand",
        thing="item",
        sql="""
            SELECT id, current_commit_hash AS hash FROM item JOIN item_git AS g ON item_key = key
            WHERE NOT EXISTS (
                SELECT * FROM item_log AS l
                WHERE l.item_key = item.key AND l.commit_hash = g.current_commit_hash)
        """,
        wrong="stands at commit {hash}, which item_log does not have for it",
        remedy=_READ_ANEW,
    ),
    Invariant(
        name="keywords are indexed",
        thing="keyword",
        sql="""
            SELECT item_keyword_id AS id FROM item_keyword
            WHERE item_keyword_id NOT IN (SELECT id FROM item_keyword_fts_docsize)
        """,
        wrong="is not in the full-text index: no search finds it",
        remedy=_REBUILD,
    ),
    Invariant(
        name="the index knows no other keywords",
        thing="keyword",
        sql="""
            SELECT id FROM item_keyword_fts_docsize
            WHERE id NOT IN (SELECT item_keyword_id FROM item_keyword)
        """,
        wrong="is in the full-text index, and is no keyword any more",
        remedy=_REBUILD,
    ),
    Invariant(
        name="problems",
        thing="problem",
        sql="""
            SELECT p.bank_key AS id, attempts, coalesce(p.commit_hash, 'unknown') AS hash
            FROM ingest_problem AS p LEFT JOIN item_git AS g ON g.bank_key = p.bank_key
            WHERE p.bank_key = '' OR p.kind = '' OR attempts < 1 OR p.commit_hash = g.revision
        """,
        wrong="has no key or kind, or {attempts} attempts, or is of the revision that is stored "
        "as good ({hash})",
        remedy="synchronize: it heals what is well",
    ),
)
