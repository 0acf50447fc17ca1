"""Starting, abandoning and looking at jobs: what each operation takes, answers and refuses."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from ingest import errors
from ingest.api.openapi import examples, parameters
from ingest.api.openapi.parts import Answer, Link, Operation, Parameter, Tag, schema_ref
from ingest.model.job import JobInstance

_STARTS: Final = (
    errors.JobAlreadyRunningError,
    errors.DatabaseInUseError,
    errors.EndNotRecordedError,
    errors.StartPendingError,
    errors.ServiceStoppingError,
    errors.DatabaseUnavailableError,
)

#: What the id of an execution in an answer leads to.
_EXECUTION_LINKS: Final = {
    "getExecution": "how far it is",
    "getExecutionHistory": "who asked for what",
    "streamExecution": "every change, as it comes",
}


def _links(expression: str) -> dict[str, Link]:
    return {
        name: Link(
            operation=name,
            description=f"The execution: {leads_to}.",
            parameters={"jobExecutionId": expression},
        )
        for name, leads_to in _EXECUTION_LINKS.items()
    }


def _abandon_link(at: str) -> dict[str, Link]:
    link = Link(
        operation="abandon",
        description="Stop it, and only it.",
        parameters={
            "jobInstanceId": f"$response.body#{at}/jobInstanceId",
            "execution": f"$response.body#{at}/jobExecutionId",
        },
    )
    return {"abandon": link}


_STARTED_LINKS: Final[Mapping[str, Link]] = {
    **_links("$response.body#/jobExecutionId"),
    **_abandon_link(""),
}


def _start(path: str, verb: str, does: str, instance: JobInstance, *more: Parameter) -> Operation:
    return Operation(
        method="POST",
        path=path,
        id=f"start{verb}",
        tag=Tag.JOBS,
        summary=f"Start the {verb.lower()}",
        description=f"{does} The answer comes when the start is on disk, and does not wait for the "
        "end. The job runs at most once at a time.",
        parameters=(parameters.REASON, *more),
        answers=(
            Answer(
                description="It was started; `Location` is the execution.",
                schema=schema_ref("Started"),
                examples={"started": examples.started(instance)},
                headers=("Location",),
                links=_STARTED_LINKS,
            ),
        ),
        refusals=_STARTS,
        # Of the problem document: the text has the ids in words.
        refusal_links={HTTPStatus.CONFLICT: _STARTED_LINKS},
    )


JOB_OPERATIONS: Final = (
    _start(
        "/sync",
        "Synchronization",
        "Brings the item database in step with the item bank.",
        examples.SYNCHRONIZATION,
        parameters.ALLOW_DELETES,
        parameters.DRY_RUN,
    ),
    _start(
        "/migrate",
        "Migration",
        "Derives every item's row anew from its latest revision.",
        examples.MIGRATION,
        parameters.SOURCE,
    ),
    Operation(
        method="PUT",
        path="/abandon/{instance_id}",
        id="abandon",
        tag=Tag.JOBS,
        summary="Stop what runs of a job",
        description="Waits until the work has wound down and its end is on disk. After "
        "`ABANDONED` nothing of it happens any more, and the next start works. It may be asked "
        "again and again, also where nothing runs.",
        parameters=(parameters.EXECUTION, parameters.REASON, parameters.PREFER),
        answers=(
            Answer(
                description="It was abandoned, or nothing ran: it had come to its end by itself.",
                schema=schema_ref("Abandoned"),
                examples=examples.abandonments(),
                headers=("Preference-Applied",),
                links=_links("$response.body#/jobExecutionId"),
            ),
            Answer(
                status=HTTPStatus.SERVICE_UNAVAILABLE,
                description="It has not wound down within the grace, or its end could not be "
                "written. It can write nothing any more; calling again goes on waiting.",
                schema=schema_ref("StillStopping"),
                examples=examples.still_stopping(),
                headers=("Preference-Applied", "Retry-After"),
                links=_links("$response.body#/jobExecutionId"),
            ),
        ),
        refusals=(
            errors.JobInstanceNotFoundError,
            errors.ExecutionNotRunningError,
            errors.DatabaseUnavailableError,
        ),
    ),
    Operation(
        method="GET",
        path="/jobs",
        id="listJobs",
        tag=Tag.JOBS,
        summary="Both jobs, what runs of each and what ran last",
        description="Also before the first run: the two jobs are there from the beginning. "
        "Deletions that a synchronization has withheld stand there until a later one settles them.",
        answers=(
            Answer(
                description="Both jobs.",
                schema=schema_ref("Jobs"),
                examples={"jobs": examples.jobs()},
                links=_abandon_link("/jobs/0/running"),
            ),
        ),
        refusals=(errors.DatabaseUnavailableError,),
    ),
)
