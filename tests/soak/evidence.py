"""What the database shows: every row of every execution, and what triggers have noted.

The triggers are the harness's own. They note every row of item_log and every deleted item in
tables that nothing else touches, in the transaction of the row itself: so the notes survive
crashes and deletions, and are exact.
"""

import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

_TRIGGERS: Final = """
    CREATE TABLE soak_written (job_execution_id INTEGER, item_id INTEGER);
    CREATE INDEX ix_soak_written ON soak_written (job_execution_id);
    CREATE TABLE soak_deleted (item_id INTEGER);
    CREATE TRIGGER soak_written AFTER INSERT ON item_log BEGIN
        INSERT INTO soak_written SELECT new.job_execution_id, id FROM item
        WHERE key = new.item_key;
    END;
    CREATE TRIGGER soak_deleted AFTER DELETE ON item BEGIN
        INSERT INTO soak_deleted VALUES (old.id);
    END;
"""

#: The tables whose rows belong to an execution.
_TABLES: Final = (
    "batch_step_execution",
    "batch_job_execution_progress",
    "batch_job_execution_event",
    "batch_job_execution_context",
    "bank_scan",
)

RUNNING: Final = frozenset({"STARTING", "STARTED", "STOPPING"})

Row = tuple[Any, ...]


@frozen(kw_only=True)
class Execution:
    """All there is of one execution."""

    id: int
    instance: int
    status: str
    create_time: str
    end_time: str | None
    exit_message: str
    #: The items that it says it has created, updated, and deleted.
    created: int
    updated: int
    deleted: int
    #: How many different items its rows of the log were ever about, and how many rows.
    items_logged: int
    rows_logged: int
    events: tuple[str, ...]
    #: When its end was recorded.
    recorded_at: str | None
    #: Every column of every row of it.
    rows: tuple[tuple[str, Row], ...] = field(repr=False)

    @property
    def written(self) -> tuple[int, ...]:
        """How much it has written, by the rows and by its own counts."""
        return self.rows_logged, self.items_logged, self.created, self.updated, self.deleted

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.status in RUNNING


def add_triggers(database: Path) -> None:
    """Let a database note what is written."""
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(_TRIGGERS)


@contextmanager
def reading(database: Path) -> Iterator[sqlite3.Connection]:
    """Open a database to read it, whatever else goes on."""
    uri = f"{database.resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=10.0)) as connection:
        connection.isolation_level = None
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")
        yield connection


def copied(database: Path, to: Path) -> Path:
    """Copy a database that nobody has open, without SQLite noticing: the next owner finds it so."""
    to.mkdir(parents=True, exist_ok=True)
    for path in to.iterdir():
        path.unlink()
    for suffix in ("", "-wal"):
        source = database.with_name(database.name + suffix)
        if source.exists():
            shutil.copy(source, to / source.name)
    return to / database.name


def executions(connection: sqlite3.Connection, only: int | None = None) -> dict[int, Execution]:
    """Return the executions, or only one of them, by id."""
    where = "" if only is None else f" WHERE job_execution_id = {only}"
    rows: defaultdict[int, list[tuple[str, Row]]] = defaultdict(list)
    events: defaultdict[int, list[sqlite3.Row]] = defaultdict(list)
    progress: dict[int, sqlite3.Row] = {}
    for table in _TABLES:
        for row in connection.execute(f"SELECT * FROM {table}{where} ORDER BY rowid"):
            rows[row["job_execution_id"]].append((table, tuple(row)))
            if table == "batch_job_execution_event":
                events[row["job_execution_id"]].append(row)
            elif table == "batch_job_execution_progress":
                progress[row["job_execution_id"]] = row
    logged = {
        row[0]: (row[1], row[2])
        for row in connection.execute(
            "SELECT job_execution_id, count(DISTINCT item_id), count(*) FROM soak_written"
            f"{where} GROUP BY 1"
        )
    }
    return {
        row["job_execution_id"]: _execution(
            row,
            rows[row["job_execution_id"]],
            events[row["job_execution_id"]],
            progress.get(row["job_execution_id"]),
            logged.get(row["job_execution_id"], (0, 0)),
        )
        for row in connection.execute(f"SELECT * FROM batch_job_execution{where} ORDER BY 1")
    }


def _execution(
    row: sqlite3.Row,
    rows: list[tuple[str, Row]],
    events: list[sqlite3.Row],
    progress: sqlite3.Row | None,
    logged: tuple[int, int],
) -> Execution:
    ends = [one["at"] for one in events if one["event"] in ("ended", "recovered")]
    return Execution(
        id=row["job_execution_id"],
        instance=row["job_instance_id"],
        status=row["status"],
        create_time=row["create_time"],
        end_time=row["end_time"],
        exit_message=row["exit_message"],
        created=0 if progress is None else progress["created"],
        updated=0 if progress is None else progress["updated"],
        deleted=0 if progress is None else progress["deleted"],
        items_logged=logged[0],
        rows_logged=logged[1],
        events=tuple(one["event"] for one in events),
        recorded_at=ends[0] if ends else None,
        rows=(("batch_job_execution", tuple(row)), *rows),
    )


def stored_keys(database: Path) -> list[str]:
    """Return the ids of the items that a database has."""
    with reading(database) as connection:
        return [row[0] for row in connection.execute("SELECT bank_key FROM item_git ORDER BY 1")]


def deletions(connection: sqlite3.Connection) -> list[str]:
    """Return the ids of the items that were ever deleted."""
    return [f"{row[0]}" for row in connection.execute("SELECT item_id FROM soak_deleted")]


def content(database: Path) -> dict[str, list[Row]]:
    """Return what a database says of items, in an order and in columns that keys do not touch."""
    item = "item.key = item_key ORDER BY item.id"
    with reading(database) as connection:
        names = [row["name"] for row in connection.execute("PRAGMA table_info(item)")][1:]
        queries = {
            "item": f"SELECT {', '.join(names)} FROM item ORDER BY id",
            "item_git": "SELECT id, bank_key, path, branch, current_commit_hash, "
            f"current_commit_at, revision FROM item JOIN item_git ON {item}",
            "item_keyword": "SELECT id, section, content FROM item JOIN item_keyword "
            f"ON {item}, item_keyword_id",
            "item_attachment": "SELECT id, file_type, file_name, uploaded_at FROM item "
            f"JOIN item_attachment ON {item}, item_attachment_id",
            "item_form": "SELECT id, administration_id, form_id, form_type, assessment_type, "
            f"exposures FROM item JOIN item_form ON {item}, item_form_id",
            "item_content_update_need": "SELECT id, content_update_need_create_date, notes, "
            "resolution, resolution_date, resolution_notes, internal_resolution, "
            "internal_resolution_date FROM item JOIN item_content_update_need "
            f"ON {item}, item_content_update_need_id",
            "item_assignment": "SELECT id, item_assignment.assigned_to, assigned_by, "
            f"assigned_date FROM item JOIN item_assignment ON {item}, item_assignment_id",
            "ingest_problem": "SELECT bank_key, path, kind, message, commit_hash "
            "FROM ingest_problem ORDER BY bank_key",
        }
        return {
            name: [tuple(row) for row in connection.execute(sql)] for name, sql in queries.items()
        }
