"""Starting, abandoning and looking at jobs."""

from typing import Final

from aiohttp import web

from ingest.api import params, views
from ingest.api.errors import RETRY_AFTER_S
from ingest.api.keys import JOBS
from ingest.errors import InvalidValueError
from ingest.items.migration import Migration
from ingest.items.synchronization import Synchronization
from ingest.jobs.engine import StillStopping
from ingest.model.job import JobParameters, JobStatus
from ingest.model.plan import PlannedChange

#: Where a migration may get its documents from.
SOURCES: Final = ("bank", "stored")


async def start_synchronization(request: web.Request) -> web.Response:
    """Start the synchronization job; the answer does not wait for it."""
    params.only(request, ["reason", "allow-deletes", "dry-run"])
    parameters = JobParameters(
        allow_deletes=params.query_integer(request, "allow-deletes", low=0),
        is_dry_run=params.query_boolean(request, "dry-run"),
    )
    return await _start(request, Synchronization.name, parameters)


async def start_migration(request: web.Request) -> web.Response:
    """Start the migration job; the answer does not wait for it."""
    params.only(request, ["reason", "source"])
    source = request.query.get("source", "bank")
    if source not in SOURCES:
        raise InvalidValueError(
            f"Query parameter source must be bank or stored, not {params.shown(source)}"
        )
    return await _start(request, Migration.name, JobParameters(from_stored=source == "stored"))


async def _start(request: web.Request, job_name: str, parameters: JobParameters) -> web.Response:
    instance, execution_id = await request.app[JOBS].start(
        job_name, params.ask(request), parameters
    )
    return views.json_response(
        views.started(instance, execution_id),
        headers={"Location": f"/executions/{execution_id}"},
    )


async def abandon(request: web.Request) -> web.Response:
    """Stop a running job; answer once it has wound down and its end is on record."""
    instance_id = params.path_integer(request, "instance_id", "Job instance id")
    params.only(request, ["reason", "execution"])
    prefers_s = params.preferred_wait_s(request)
    instance, became = await request.app[JOBS].abandon(
        instance_id,
        params.ask(request),
        wait_s=prefers_s,
        execution_id=params.query_integer(request, "execution"),
    )
    headers = {}
    if prefers_s is not None:
        # In whole seconds, as the header has it; never more than were waited for.
        applied_s = min(prefers_s, int(request.app[JOBS].abandon_grace_s))
        headers["Preference-Applied"] = f"wait={applied_s}"
    status = 200
    if isinstance(became, StillStopping):
        status = 503
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return views.json_response(views.abandonment(instance, became), status=status, headers=headers)


async def list_jobs(request: web.Request) -> web.Response:
    """Answer with both jobs, what runs of each and what ran last."""
    params.only(request, [])
    jobs = request.app[JOBS]
    states, withheld = await jobs.states(), await jobs.withheld_deletions()
    rows = [views.job(state, withheld) for state in states]
    return views.json_response({"jobs": rows, "next": None})


async def list_executions(request: web.Request) -> web.Response:
    """Answer with a page of executions, newest first."""
    params.only(request, ["job", "status", "limit", "before"])
    limit = params.limit(request)
    found = await request.app[JOBS].executions(
        limit=limit + 1,
        before=params.query_integer(request, "before"),
        job_name=request.query.get("job"),
        status=params.query_choice(request, "status", JobStatus),
    )
    rows = [views.execution(one) for one in found]
    return views.json_response(views.page("executions", rows, limit, "jobExecutionId"))


async def get_execution(request: web.Request) -> web.Response:
    """Answer with one execution, as far as it is; with ``?stack=1`` also where in the code."""
    params.only(request, ["stack"])
    execution_id = params.path_integer(request, "execution_id", "Job execution id")
    wants_stack = params.query_integer(request, "stack", low=0, high=1) == 1
    jobs = request.app[JOBS]
    document = views.execution(await jobs.execution(execution_id))
    if wants_stack:
        document["stack"] = jobs.stack(execution_id)
    return views.json_response(document)


async def list_planned_changes(request: web.Request) -> web.Response:
    """Answer with a page of what a dry run found that a synchronization would do."""
    params.only(request, ["change", "limit", "after"])
    execution_id = params.path_integer(request, "execution_id", "Job execution id")
    limit = params.limit(request)
    found = await request.app[JOBS].planned_changes(
        execution_id,
        limit=limit + 1,
        after=params.query_integer(request, "after"),
        change=params.query_choice(request, "change", PlannedChange),
    )
    rows = [views.planned_item(one) for one in found]
    return views.json_response(views.page("changes", rows, limit, "itemId"))


async def get_history(request: web.Request) -> web.Response:
    """Answer with an execution's events: who, when, why."""
    params.only(request, [])
    execution_id = params.path_integer(request, "execution_id", "Job execution id")
    events = await request.app[JOBS].history(execution_id)
    return views.json_response({"events": [views.event(one) for one in events], "next": None})
