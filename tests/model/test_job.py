"""What a start asks for, how executions stand and end, what is counted and shown of them."""

import pytest

from ingest.model.job import (
    ENDED,
    NEXT,
    RESUMABLE,
    RUNNING,
    TRACEBACK_MARK,
    Counts,
    EventName,
    ExitCode,
    JobParameters,
    JobStatus,
    Progress,
    StopReason,
    WorkEnd,
    conclude,
    exit_code,
    sources,
    step_status,
    summary,
)
from ingest.model.plan import PlannedChange, PlannedCounts


def test_counts_add_up_each_for_itself() -> None:
    """Every count is the sum of its own two, and of no others."""
    one = Counts(read=1, created=2, updated=4, unchanged=8, deleted=16, failed=32)
    ten = Counts(read=10, created=20, updated=40, unchanged=80, deleted=160, failed=320)
    both = Counts(read=11, created=22, updated=44, unchanged=88, deleted=176, failed=352)
    assert one + ten == both
    assert one.written == 22
    none = Counts(read=0, created=0, updated=0, unchanged=0, deleted=0, failed=0)
    assert Counts() == none
    assert PlannedCounts() == PlannedCounts(created=0, updated=0, deleted=0)
    assert Progress() == Progress(total=None, processed=0)


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        (JobParameters(), {}),
        (JobParameters(allow_deletes=0), {"allow-deletes": "0"}),
        (JobParameters(is_dry_run=True), {"dry-run": "true"}),
        (JobParameters(from_stored=True), {"source": "stored"}),
        (
            JobParameters(allow_deletes=7, is_dry_run=True, from_stored=True),
            {"allow-deletes": "7", "dry-run": "true", "source": "stored"},
        ),
    ],
)
def test_what_a_start_asked_for_has_the_names_of_the_api(
    parameters: JobParameters, named: dict[str, str]
) -> None:
    """What was not given is left out, and a zero is given."""
    assert parameters.named == named


STATUSES = {
    JobStatus.STARTING: (ExitCode.EXECUTING, JobStatus.STARTING, ENDED | {"STARTED", "STOPPING"}),
    JobStatus.STARTED: (ExitCode.EXECUTING, JobStatus.STARTED, ENDED | {"STOPPING"}),
    JobStatus.STOPPING: (ExitCode.EXECUTING, JobStatus.STOPPING, ENDED),
    JobStatus.COMPLETED: (ExitCode.COMPLETED, JobStatus.COMPLETED, set()),
    JobStatus.FAILED: (ExitCode.FAILED, JobStatus.FAILED, set()),
    JobStatus.STOPPED: (ExitCode.STOPPED, JobStatus.STOPPED, set()),
    JobStatus.ABANDONED: (ExitCode.STOPPED, JobStatus.STOPPED, set()),
}


@pytest.mark.parametrize("status", JobStatus)
def test_every_status_has_its_exit_code_its_step_and_its_edges(status: JobStatus) -> None:
    """There is no exit code ABANDONED, no abandoned step, and no way out of an end."""
    code, step, following = STATUSES[status]
    assert (exit_code(status), step_status(status), NEXT[status]) == (code, step, following)
    assert sources(status) == {one for one, row in STATUSES.items() if status in row[2]}
    assert {"COMPLETED", "FAILED", "STOPPED", "ABANDONED"} == ENDED == set(JobStatus) - RUNNING
    assert {"STOPPED", "FAILED"} == RESUMABLE


@pytest.mark.parametrize(
    ("asked", "end", "status"),
    [
        (None, WorkEnd.RETURNED, JobStatus.COMPLETED),
        (None, WorkEnd.RAISED, JobStatus.FAILED),
        (None, WorkEnd.CANCELLED, JobStatus.FAILED),
        (StopReason.SHUTDOWN, WorkEnd.RETURNED, JobStatus.COMPLETED),
        (StopReason.SHUTDOWN, WorkEnd.RAISED, JobStatus.STOPPED),
        (StopReason.SHUTDOWN, WorkEnd.CANCELLED, JobStatus.STOPPED),
        (StopReason.REQUEST, WorkEnd.RETURNED, JobStatus.COMPLETED),
        (StopReason.REQUEST, WorkEnd.RAISED, JobStatus.ABANDONED),
        (StopReason.REQUEST, WorkEnd.CANCELLED, JobStatus.ABANDONED),
    ],
)
def test_how_it_ended_depends_on_who_asked_and_what_became_of_the_work(
    asked: StopReason | None, end: WorkEnd, status: JobStatus
) -> None:
    """Work that returned is COMPLETED, whoever asked; else the highest ask decides."""
    assert conclude(asked, end) is status
    assert StopReason.REQUEST > StopReason.SHUTDOWN


def test_the_words_that_the_database_holds() -> None:
    """Runbooks and older databases know the planned changes and the events by these words."""
    assert {one.value for one in PlannedChange} == {"CREATED", "UPDATED", "DELETED"}
    assert {one.value for one in EventName} == {
        *("requested", "started", "checkpoint resumed", "stop asked", "ended", "recovered")
    }


def test_a_summary_ends_at_the_first_traceback() -> None:
    """Of an error that was raised from another, neither traceback is shown."""
    message = f"It failed{TRACEBACK_MARK} one\n\nfrom{TRACEBACK_MARK} two"
    assert summary(message) == "It failed"
    assert summary("It went well") == "It went well"
