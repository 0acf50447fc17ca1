"""What is on record, looked at from outside after every commit; what must never be seen there."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from attrs import field, frozen

from ingest.model.job import ENDED, NEXT, RUNNING, EventName, ExitCode, JobStatus, exit_code

#: A table of the tests' own: the rows that jobs write.
WRITTEN_TABLE: Final = (
    "CREATE TABLE written (job_execution_id INTEGER, number INTEGER, "
    "PRIMARY KEY (job_execution_id, number))"
)

_EXECUTIONS: Final = (
    "SELECT job_execution_id, job_instance_id, version, status, exit_code, exit_message, "
    "create_time, start_time, end_time FROM batch_job_execution ORDER BY job_execution_id"
)
_STEPS: Final = (
    "SELECT job_execution_id, status, commit_count, read_count, write_count, exit_message, "
    "end_time FROM batch_step_execution"
)
_PROGRESS: Final = (
    "SELECT job_execution_id, processed, read, created, updated, unchanged, deleted, failed "
    "FROM batch_job_execution_progress"
)
_EVENTS: Final = (
    "SELECT job_execution_id, event, actor FROM batch_job_execution_event ORDER BY event_id"
)


@frozen(kw_only=True)
class Row:
    """All that is on record of one execution."""

    id: int
    instance_id: int
    version: int
    status: JobStatus
    #: The rest of its row.
    rest: tuple[object, ...]
    step: tuple[object, ...] | None
    progress: tuple[int, ...]
    checkpoint: str | None
    #: Names and actors, oldest first.
    events: tuple[tuple[str, str], ...]
    #: The numbers of the writes that are there.
    written: frozenset[int]

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.status in ENDED

    def actors(self, event: EventName) -> list[str]:
        """Return who did something."""
        return [actor for name, actor in self.events if name == event]


@frozen
class Record:
    """The rows of one database file, through a connection of its own."""

    path: Path
    _connection: sqlite3.Connection = field(init=False)

    def __attrs_post_init__(self) -> None:
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=0)
        object.__setattr__(self, "_connection", connection)

    def version(self) -> int:
        """Return a number that changes with every commit of anybody else."""
        (number,) = self._connection.execute("PRAGMA data_version").fetchone()
        return int(number)

    def rows(self) -> dict[int, Row]:
        """Return what is on record of every execution, as of one moment."""
        look = self._connection.execute
        look("BEGIN")
        steps = {row[0]: row[1:] for row in look(_STEPS)}
        progress = {row[0]: row[1:] for row in look(_PROGRESS)}
        checkpoints = dict(look("SELECT * FROM batch_job_execution_context").fetchall())
        events: dict[int, list[tuple[str, str]]] = {}
        for execution_id, event, actor in look(_EVENTS):
            events.setdefault(execution_id, []).append((event, actor))
        written: dict[int, set[int]] = {}
        for execution_id, number in look("SELECT * FROM written"):
            written.setdefault(execution_id, set()).add(number)
        found = look(_EXECUTIONS).fetchall()
        look("COMMIT")
        return {
            one[0]: Row(
                id=one[0],
                instance_id=one[1],
                version=one[2],
                status=JobStatus(one[3]),
                rest=one[4:],
                step=steps.get(one[0]),
                progress=progress.get(one[0], (0,) * 7),
                checkpoint=checkpoints.get(one[0]),
                events=tuple(events.get(one[0], ())),
                written=frozenset(written.get(one[0], ())),
            )
            for one in found
        }

    def edit(self, execution_id: int, status: JobStatus) -> bool:
        """End a row as a person with a runbook does; return whether the database was free."""
        try:
            self._connection.execute(
                "UPDATE batch_job_execution SET status = ?, exit_code = ?, "
                "end_time = last_updated WHERE job_execution_id = ?",
                (status, exit_code(status), execution_id),
            )
        except sqlite3.OperationalError:
            return False
        return True

    def copy_to(self, path: Path) -> None:
        """Write what is committed into a file: what a process that dies now leaves behind."""
        with closing(sqlite3.connect(path)) as image:
            self._connection.backup(image)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def check_row(row: Row) -> None:
    """Check what holds of each row by itself."""
    code, _, _, _, end_time = row.rest
    assert code == exit_code(row.status)
    assert (end_time is not None) is row.ended, "an end time means that it has ended"
    created = len(row.written)
    assert row.progress == (created, created, created, 0, 0, 0, 0), "counts and rows differ"
    asked = row.actors(EventName.STOP_ASKED)
    assert len(asked) == len(set(asked)), "one ask is on record twice"
    if row.step is None:
        return
    status, commits, read, write, _, step_end = row.step
    assert (commits, read, write) == (created,) * 3, "the step counts something else"
    assert status != JobStatus.ABANDONED, "a step is never ABANDONED"
    assert (step_end is None) is (status in RUNNING)


def check_change(before: Row | None, now: Row, *, by_hand: bool) -> None:
    """Check a row against what was there before it; *by_hand* tells that somebody ended it."""
    if before is None:
        assert now.status is JobStatus.STARTING
        assert now.actors(EventName.REQUESTED) != []
        return
    if before.ended:
        # The step of a row that was ended by hand may still be settled.
        assert _without_step(before) == _without_step(now), "an ended row has changed"
        assert by_hand or before.step == now.step, "an ended row's step has changed"
        return
    assert now.status is before.status or now.status in NEXT[before.status]
    assert by_hand or now == before or now.version > before.version, "saved without a new version"
    assert before.written <= now.written
    assert before.events == now.events[: len(before.events)], "history was rewritten"
    if now.ended and not by_hand and now.step is not None:
        expected = JobStatus.STOPPED if now.status is JobStatus.ABANDONED else now.status
        assert now.step[0] == expected
    if now.ended and not by_hand:
        assert now.rest[0] in set(ExitCode) - {ExitCode.EXECUTING}


def check_rows(rows: dict[int, Row]) -> None:
    """Check what holds of all rows together."""
    running = [row.instance_id for row in rows.values() if not row.ended]
    assert len(running) == len(set(running)), "two executions of one instance are running"


def _without_step(row: Row) -> tuple[object, ...]:
    return (
        *(row.id, row.instance_id, row.version, row.status, row.rest),
        *(row.progress, row.checkpoint, row.events, row.written),
    )
