"""What must be true of an execution that has ended, whatever happened to it."""

from collections.abc import Collection, Iterator

from ingest.model.job import EventName, JobStatus, exit_code, step_status
from tests.points.cases import Case
from tests.points.records import Content, Execution

_ENDED = {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.STOPPED, JobStatus.ABANDONED}
_STOPPED = {JobStatus.STOPPED, JobStatus.ABANDONED}
_COUNTS = ("read", "created", "updated", "unchanged", "deleted", "failed")


def violations(
    case: Case, execution: Execution, *, before: Content, now: Content, allowed: Collection[str]
) -> list[str]:
    """Return what is wrong with the record of an execution and with what it has written.

    Args:
        case: What was run.
        execution: The execution, as it is on record.
        before: The items when it began.
        now: The items when it had ended.
        allowed: The statuses that would be true.
    """
    return [
        f"execution {execution.row['job_execution_id']} ({execution.status}): {wrong}"
        for wrong in (
            *_row(execution, allowed),
            *_step(execution),
            *_events(execution),
            *_counts(execution, before, now),
            *halves(case, now),
            *_completed(case, execution, before, now),
        )
    ]


def halves(case: Case, now: Content) -> Iterator[str]:
    """Yield the items that are neither as they were nor as an undisturbed run makes them."""
    for item_id in {*case.before.items, *case.after.items, *now.items}:
        whole = (case.before.items.get(item_id), case.after.items.get(item_id))
        if now.items.get(item_id) not in whole:
            yield f"item {item_id} is neither as it was nor as a clean run makes it"


def _row(execution: Execution, allowed: Collection[str]) -> Iterator[str]:
    row = execution.row
    if execution.status not in allowed:
        yield f"may only be {' or '.join(sorted(allowed))}; it says: {execution.message[:300]}"
    if execution.status not in _ENDED:
        return
    if row["exit_code"] != exit_code(JobStatus(execution.status)):
        yield f"has exit code {row['exit_code']}"
    if row["end_time"] is None or row["owner"] != "":
        yield "has no end time, or still an owner"
    if not execution.message:
        yield "has no exit message"


def _step(execution: Execution) -> Iterator[str]:
    if EventName.STARTED not in execution.events:
        if execution.steps or execution.progress:
            yield "has a step or progress, but was never started"
        return
    if len(execution.steps) != 1 or execution.progress is None:
        yield f"has {len(execution.steps)} steps, progress {execution.progress}"
        return
    (step,) = execution.steps
    status = step_status(JobStatus(execution.status))
    if step["status"] != status or step["exit_code"] != exit_code(status):
        yield f"has a step {step['status']}, {step['exit_code']}"
    if status in _ENDED and step["end_time"] is None:
        yield "has a step without an end time"
    progress = execution.progress
    told = (step["read_count"], step["filter_count"], step["write_count"])
    written = progress["created"] + progress["updated"] + progress["deleted"]
    if told != (progress["read"], progress["unchanged"], written):
        yield f"has step counts {told} beside the progress {progress}"


def _events(execution: Execution) -> Iterator[str]:
    events = execution.events
    if events[:1] != [EventName.REQUESTED]:
        yield f"does not begin with its request: {events}"
    ends = sum(events.count(event) for event in (EventName.ENDED, EventName.RECOVERED))
    if ends != (execution.status in _ENDED):
        yield f"has {ends} ends: {events}"
    if execution.status in _STOPPED and EventName.STOP_ASKED not in events:
        yield f"was stopped, and no event says who asked: {events}"


def _counts(execution: Execution, before: Content, now: Content) -> Iterator[str]:
    progress = execution.progress or dict.fromkeys(_COUNTS, 0)
    both = before.items.keys() & now.items.keys()
    written = {
        "created": len(now.items.keys() - before.items.keys()),
        "updated": sum(before.items[one] != now.items[one] for one in both),
        "deleted": len(before.items.keys() - now.items.keys()),
    }
    told = {name: progress[name] for name in written}
    if told != written:
        yield f"tells {told}, and has written {written}"
    if execution.logged != written["created"] + written["updated"]:
        yield f"has logged {execution.logged} items, and has written {written}"


def _completed(case: Case, execution: Execution, before: Content, now: Content) -> Iterator[str]:
    if execution.status != JobStatus.COMPLETED:
        return
    if now != case.after:
        yield "is COMPLETED, and the content is not that of an undisturbed run"
    if before == case.before and case.clean.progress is not None:
        clean = {name: case.clean.progress[name] for name in (*_COUNTS, "total", "processed")}
        told = {name: (execution.progress or {}).get(name) for name in clean}
        if told != clean:
            yield f"is COMPLETED with {told}, an undisturbed one has {clean}"
        if execution.message != case.clean.message:
            yield f"is COMPLETED with the message {execution.message!r}"
