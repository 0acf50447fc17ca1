"""The parameters there are, with the limits that `ingest.api.params` holds them to."""

from enum import StrEnum
from typing import Any, Final

from ingest.api import params
from ingest.api.items import CRITERIA, Q_MAX_CHARACTERS
from ingest.api.jobs import SOURCES
from ingest.api.openapi.parts import Json, Parameter
from ingest.items.migration import Migration
from ingest.items.synchronization import Synchronization
from ingest.model.columns import ITEM_COLUMNS
from ingest.model.item import ITEM_ID_MAX
from ingest.model.job import JobStatus
from ingest.model.plan import PlannedChange

JOB_NAMES: Final = [Synchronization.name, Migration.name]


def integer(low: int = params.INTEGER_MIN, high: int = params.INTEGER_MAX, **more: Any) -> Json:
    """Return the schema of an integer within limits."""
    return {"type": "integer", "format": "int64", "minimum": low, "maximum": high, **more}


def _query(name: str, schema: Json, example: Any, description: str) -> Parameter:
    return Parameter(
        name=name, place="query", schema=schema, example=example, description=description
    )


def _choice(choices: type[StrEnum]) -> Json:
    return {"type": "string", "enum": [one.value for one in choices]}


def _path(name: str, schema: Json, example: Any, description: str) -> Parameter:
    return Parameter(
        name=name, place="path", schema=schema, example=example, description=description
    )


#: By the names that the router has for them.
PATH: Final = {
    "instance_id": _path(
        "jobInstanceId",
        integer(),
        1,
        "The job *instance* id, which never changes: 1 is the synchronization, 2 the migration. "
        "It is not the execution's id.",
    ),
    "execution_id": _path(
        "jobExecutionId", integer(), 14, "The id that a start has answered, and that lists show."
    ),
    "item_id": _path(
        "itemId", integer(1, ITEM_ID_MAX), 205030, "The item's id, without leading zeros."
    ),
}

LIMIT: Final = _query(
    "limit",
    integer(1, params.LIMIT_MAX, default=params.LIMIT_DEFAULT),
    20,
    "How many rows at most.",
)
REASON: Final = _query(
    "reason",
    {"type": "string", "maxLength": params.REASON_MAX_CHARACTERS},
    "bank maintenance tonight",
    "Why; kept with who asked and when, in the execution's history.",
)
ALLOW_DELETES: Final = _query(
    "allow-deletes",
    integer(0),
    25,
    "How many items this run may delete, where more than the rule allows are missing.",
)
DRY_RUN: Final = _query(
    "dry-run",
    {"type": "boolean", "default": False},
    True,
    "Write no item, and say what would be written: see the execution's `dryRun` and its changes.",
)
SOURCE: Final = _query(
    "source",
    {"type": "string", "enum": list(SOURCES), "default": SOURCES[0]},
    "stored",
    "Where documents come from: `bank` reads those that have changed there, `stored` goes by what "
    "the database holds, without asking the bank.",
)
EXECUTION: Final = _query(
    "execution",
    integer(),
    14,
    "Stop only this execution: if it is not the one that runs, nothing is stopped (412). So a slow "
    "click never hits the next run.",
)
JOB: Final = _query(
    "job", {"type": "string", "enum": JOB_NAMES}, JOB_NAMES[0], "Only executions of this job."
)
STATUS: Final = _query(
    "status", _choice(JobStatus), JobStatus.FAILED.value, "Only executions of this status."
)
BEFORE: Final = _query(
    "before", integer(), 14, "Only executions with a lower id: the `next` of the page before."
)
STACK: Final = _query(
    "stack",
    {"type": "integer", "enum": [0, 1], "default": 0},
    1,
    "1: also the lines of code where a running execution stands.",
)
CHANGE: Final = _query(
    "change", _choice(PlannedChange), PlannedChange.DELETED.value, "Only changes of this kind."
)
AFTER_ITEM: Final = _query(
    "after", integer(), 100001, "Only items with a higher id: the `next` of the page before."
)
AFTER_KEY: Final = _query(
    "after",
    {"type": "string"},
    "100012",
    "Only what comes behind this item id: the `next` of the page before.",
)
Q: Final = _query(
    "q",
    {"type": "string", "maxLength": Q_MAX_CHARACTERS, "pattern": "^[^\\u0000]*$"},
    "equivalent fractions",
    "Items with a text that has all these words; with a tag in it (MathML) exactly that text.",
)
_COLUMNS: Final = {column.name: column for column in ITEM_COLUMNS}
_LIKE: Final = {"subject": "Science", "grade": "3", "type": "mc", "status": "Operational"}
ITEM_CRITERIA: Final = tuple(
    _query(
        name,
        {"type": "string"},
        _LIKE[name],
        f"Only items with exactly this `{column}`. {_COLUMNS[column].description}.",
    )
    for name, column in CRITERIA.items()
)

PREFER: Final = Parameter(
    name="Prefer",
    place="header",
    schema={"type": "string"},
    example="wait=5",
    description="`wait=5` waits at most 5 seconds in the place of the usual time, never longer "
    "than that (RFC 7240). An invalid one is ignored.",
)
REQUEST_ID: Final = Parameter(
    name="X-Request-ID",
    place="header",
    schema={"type": "string"},
    example="night-7",
    description="An id to find the request in the service's log by. It comes back in the answer; "
    "one of more than 128 characters, or with others than printable ASCII, is replaced.",
)
GITLAB_TOKEN: Final = Parameter(
    name="X-Gitlab-Token",
    place="header",
    schema={"type": "string"},
    example="the secret that the hook was given",
    description="The secret that the bank's own notifications are known by.",
)
GITLAB_EVENT: Final = Parameter(
    name="X-Gitlab-Event",
    place="header",
    schema={"type": "string"},
    example="Push Hook",
    description="What it is about. What is no push is ignored.",
)
