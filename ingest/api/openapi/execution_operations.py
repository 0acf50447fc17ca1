"""Looking at executions: what each operation takes, answers and refuses."""

from typing import Final

from ingest import errors
from ingest.api.openapi import examples, parameters
from ingest.api.openapi.parts import (
    EVENT_STREAM,
    Answer,
    Link,
    Operation,
    Tag,
    schema_ref,
)

_PATH: Final = "/executions/{execution_id}"
_MEETS: Final = (errors.JobExecutionNotFoundError, errors.DatabaseUnavailableError)
_SAME: Final = {"jobExecutionId": "$request.path.jobExecutionId"}

EXECUTION_OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/executions",
        id="listExecutions",
        tag=Tag.EXECUTIONS,
        summary="Executions, newest first",
        description="By descending id, in pages.",
        parameters=(parameters.JOB, parameters.STATUS, parameters.LIMIT, parameters.BEFORE),
        answers=(
            Answer(
                description="A page of executions.",
                schema=schema_ref("Executions"),
                examples={"page": examples.executions()},
                links={
                    "getExecution": Link(
                        operation="getExecution",
                        description="The first of them.",
                        parameters={
                            "jobExecutionId": "$response.body#/executions/0/jobExecutionId"
                        },
                    ),
                    "next": Link(
                        operation="listExecutions",
                        description="The next page.",
                        parameters={"before": "$response.body#/next"},
                    ),
                },
            ),
        ),
        refusals=(errors.DatabaseUnavailableError,),
    ),
    Operation(
        method="GET",
        path=_PATH,
        id="getExecution",
        tag=Tag.EXECUTIONS,
        summary="One execution, as far as it is",
        description="Its counts are on disk together with the rows they count; its receipt tells "
        "when it was told to stop, when its work was over, and when that was on record.",
        parameters=(parameters.STACK,),
        answers=(
            Answer(
                description="The execution.",
                schema=schema_ref("Execution"),
                examples={
                    "completed": examples.execution(examples.COMPLETED),
                    "abandoned": examples.execution(examples.ABANDONED),
                    "dry run": examples.execution(examples.DRY_RUN),
                    "with stack=1": examples.stacked(),
                },
                links={
                    "getExecutionHistory": Link(
                        operation="getExecutionHistory",
                        description="Who asked for what.",
                        parameters=_SAME,
                    ),
                    "abandon": Link(
                        operation="abandon",
                        description="Stop it, and only it.",
                        parameters={
                            "jobInstanceId": "$response.body#/jobInstanceId",
                            "execution": "$response.body#/jobExecutionId",
                        },
                    ),
                },
            ),
        ),
        refusals=_MEETS,
    ),
    Operation(
        method="GET",
        path=f"{_PATH}/history",
        id="getExecutionHistory",
        tag=Tag.EXECUTIONS,
        summary="Its history: who asked for what and when",
        description="Requested, started, resumed at a checkpoint, told to stop, ended, recovered.",
        answers=(
            Answer(
                description="Its events, oldest first; they only ever become more.",
                schema=schema_ref("History"),
                examples={"abandoned": examples.history()},
                links={
                    "getExecution": Link(
                        operation="getExecution", description="The execution.", parameters=_SAME
                    )
                },
            ),
        ),
        refusals=_MEETS,
    ),
    Operation(
        method="GET",
        path=f"{_PATH}/changes",
        id="listPlannedChanges",
        tag=Tag.EXECUTIONS,
        summary="What a dry run found",
        description="By ascending item id.",
        parameters=(parameters.CHANGE, parameters.LIMIT, parameters.AFTER_ITEM),
        answers=(
            Answer(
                description="A page of what a synchronization would do.",
                schema=schema_ref("Changes"),
                examples={"page": examples.changes()},
                links={
                    "synchronizeItem": Link(
                        operation="synchronizeItem",
                        description="Do it to the first item, now.",
                        parameters={"itemId": "$response.body#/changes/0/itemId"},
                    )
                },
            ),
        ),
        refusals=(*_MEETS, errors.NotADryRunError),
    ),
    Operation(
        method="GET",
        path=f"{_PATH}/events",
        id="streamExecution",
        tag=Tag.EXECUTIONS,
        summary="The execution at every change, as it comes",
        description="Server-sent events, at most a few a second: each the same document as "
        "`GET /executions/{jobExecutionId}`. The stream ends after a terminal status; a comment "
        "comes every 15 seconds. There is no HEAD.",
        answers=(
            Answer(
                description="Events, each as the schema has it.",
                media_type=EVENT_STREAM,
                schema=schema_ref("ExecutionEvent"),
                examples={"the last event": examples.event()},
            ),
        ),
        refusals=_MEETS,
    ),
)
