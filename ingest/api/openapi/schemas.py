"""What answers about jobs hold, as JSON Schema; see `ingest.api.views`."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from ingest.api.openapi.parameters import JOB_NAMES, integer
from ingest.api.openapi.parts import JSON, Json, schema_ref
from ingest.api.views import NO_JOB_EXECUTIONS
from ingest.model.job import ENDED, RUNNING, EventName, ExitCode, JobStatus
from ingest.model.plan import PlannedChange

NUMBER: Final[Json] = {"type": "number"}
TEXT: Final[Json] = {"type": "string"}
MOMENT: Final[Json] = {"type": "string", "format": "date-time"}
COUNT: Final = integer(0)
ID: Final = integer(1)
#: The `next` of a list that always comes whole.
_NO_MORE: Final[Json] = {"type": "null"}


def nullable(schema: Json) -> Json:
    """Return a schema that accepts null too."""
    if "type" in schema and "enum" not in schema:
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def said(schema: Json, description: str) -> Json:
    """Return a schema with a line on what it says."""
    return {**schema, "description": description}


def closed(description: str, properties: Json, optional: Iterable[str] = ()) -> Json:
    """Return the schema of an object with these properties, and no others."""
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": [name for name in properties if name not in set(optional)],
        "additionalProperties": False,
    }


def page(name: str, row: str, cursor: Json) -> Json:
    """Return the schema of a list's page."""
    return closed(
        f"A page of {name}.",
        {
            name: {"type": "array", "items": schema_ref(row)},
            "next": said(cursor, "Where the next page begins; null on the last one."),
        },
    )


def one_of(choices: Iterable[StrEnum]) -> Json:
    """Return the schema of an enumeration's values."""
    return {"type": "string", "enum": [one.value for one in choices]}


def _names(statuses: Iterable[JobStatus]) -> str:
    return ", ".join(one.value for one in JobStatus if one in set(statuses))


def _counts(*names: str) -> Json:
    return dict.fromkeys(names, COUNT)


def _answer(description: str, status: Json, execution_id: Json) -> Json:
    return closed(
        description,
        {
            "jobExecutionId": execution_id,
            "jobInstanceId": ID,
            "name": schema_ref("JobName"),
            "status": status,
            "message": said(TEXT, "The same in words, for people."),
        },
    )


_EXECUTION: Final[Json] = {
    "jobExecutionId": said(ID, "Counts up from 1, and is never used again."),
    "jobInstanceId": said(ID, "The id to abandon by."),
    "name": schema_ref("JobName"),
    "status": schema_ref("JobStatus"),
    "exitCode": schema_ref("ExitCode"),
    "exitMessage": said(TEXT, "How it ended, in words; empty while it runs."),
    "createTime": MOMENT,
    "startTime": said(nullable(MOMENT), "When its work began."),
    "endTime": said(nullable(MOMENT), "When its work was over."),
    "lastUpdated": MOMENT,
    "counts": schema_ref("Counts"),
    "progress": schema_ref("Progress"),
    "steps": {"type": "array", "items": schema_ref("Step")},
    "receipt": said(nullable(schema_ref("Receipt")), "Once it was told to stop."),
    "parameters": {
        "type": "object",
        "description": "What its start asked for, by the names of the query parameters.",
        "additionalProperties": TEXT,
    },
    "dryRun": said(nullable(schema_ref("DryRun")), "What a dry run found; null for others."),
    "bankRequests": schema_ref("BankRequests"),
    "stack": {
        "type": ["array", "null"],
        "description": "Only with `stack=1`: the lines of code where it stands, outermost first; "
        "null where it does not run here.",
        "items": TEXT,
    },
}

SCHEMAS: Final[Json] = {
    "JobName": {"type": "string", "enum": JOB_NAMES},
    "JobStatus": said(
        one_of(JobStatus),
        f"{_names(RUNNING)}: it runs, and the job cannot be started. {_names(ENDED)}: it has "
        "ended, and is never rewritten. STOPPED: the service went away first, and the next start "
        "may go on from there. ABANDONED: given up on request, after winding down.",
    ),
    "ExitCode": said(
        one_of(ExitCode), "Spring Batch's. An execution that was abandoned exits STOPPED."
    ),
    "Started": _answer(
        "A start that is on record.", {"type": "string", "const": JobStatus.STARTING.value}, ID
    ),
    "Abandoned": _answer(
        "Nothing of it happens any more; or nothing ran.",
        {"type": "string", "enum": [JobStatus.ABANDONED.value, NO_JOB_EXECUTIONS]},
        said(COUNT, "0 where nothing ran."),
    ),
    "StillStopping": _answer(
        "It was told to stop, and has not wound down yet. It can write nothing any more.",
        {"type": "string", "const": JobStatus.STOPPING.value},
        ID,
    ),
    "Job": closed(
        "A job: what runs of it, and what ran last.",
        {
            "jobInstanceId": ID,
            "name": schema_ref("JobName"),
            "running": nullable(schema_ref("Execution")),
            "lastEnded": nullable(schema_ref("Execution")),
            "withheldDeletions": schema_ref("WithheldDeletions"),
        },
        ["withheldDeletions"],
    ),
    "Jobs": page("jobs", "Job", _NO_MORE),
    "Execution": closed("One run of a job.", _EXECUTION, ["stack"]),
    "Executions": page("executions", "Execution", nullable(ID)),
    "ExecutionEvent": {
        "type": "object",
        "description": "A server-sent event.",
        "properties": {
            "data": {
                "type": "string",
                "contentMediaType": JSON,
                "contentSchema": schema_ref("Execution"),
                "description": "The execution, as JSON.",
            }
        },
        "required": ["data"],
    },
    "Counts": closed(
        "How many items met which fate. read: documents read from the bank; created, updated and "
        "deleted: items written; failed: items with a problem, read again or not.",
        _counts("read", "created", "updated", "unchanged", "deleted", "failed"),
    ),
    "Progress": closed(
        "How far it is.",
        {
            "total": said(nullable(COUNT), "Items to go through; null until that is known."),
            "processed": COUNT,
            "itemsPerSecond": nullable(NUMBER),
            "etaSeconds": said(nullable(NUMBER), "How long it will still take, while it runs."),
        },
    ),
    "Step": closed(
        "A step of an execution, as Spring Batch counts it.",
        {
            "stepExecutionId": ID,
            "name": TEXT,
            "status": schema_ref("JobStatus"),
            "exitCode": schema_ref("ExitCode"),
            "exitMessage": TEXT,
            "startTime": nullable(MOMENT),
            "endTime": nullable(MOMENT),
            **_counts("commitCount", "readCount", "filterCount", "writeCount"),
            **_counts("processSkipCount", "rollbackCount"),
        },
    ),
    "Receipt": closed(
        "What an execution that was told to stop can show for it.",
        {
            "askedAt": MOMENT,
            "by": said(TEXT, "Who asked: an address, a token's name, a signal."),
            "reason": nullable(TEXT),
            "workEndedAt": said(nullable(MOMENT), "When the last of the work was over."),
            "recordedAt": said(nullable(MOMENT), "When that was durably on record."),
        },
    ),
    "DryRun": closed(
        "What a synchronization would write, as far as the dry run has come.",
        {
            **_counts("created", "updated", "deleted"),
            "inStep": said(
                nullable({"type": "boolean"}),
                "Whether bank and database agree; null unless the dry run came to its end.",
            ),
        },
    ),
    "PlannedChange": closed(
        "What a synchronization would do with an item.",
        {"itemId": schema_ref("ItemId"), "change": one_of(PlannedChange)},
    ),
    "Changes": page("changes", "PlannedChange", nullable(TEXT)),
    "WithheldDeletions": closed(
        "Deletions that wait for a person's word, because more items are missing than the rule "
        "allows.",
        {
            "jobExecutionId": ID,
            "missing": COUNT,
            "stored": COUNT,
            "allowed": COUNT,
            "message": said(TEXT, "What happened, and the way out."),
        },
    ),
    "BankRequests": closed(
        "What it has asked of an item bank behind a network; a bank on the machine is asked "
        "nothing.",
        {
            "made": said(COUNT, "Requests sent, those that were sent again among them."),
            "retried": said(COUNT, "Requests sent again."),
            "waitedSeconds": said(NUMBER, "For how long requests were held back."),
        },
    ),
    "Event": closed(
        "One line of an execution's history.",
        {
            "at": MOMENT,
            "event": one_of(EventName),
            "actor": said(TEXT, "Who: an address, a token's name, a signal, the service."),
            "detail": nullable(TEXT),
        },
    ),
    "History": page("events", "Event", _NO_MORE),
}
