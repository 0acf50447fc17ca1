"""Starting, abandoning and looking at jobs on a running service."""

import re
import sys
from collections.abc import Mapping

import click

from ingest.cli import show
from ingest.cli.options import (
    JOB_NAMES,
    Json,
    Query,
    Service,
    fetch,
    limit_option,
    service_options,
)
from ingest.cli.waiting import COUNTS, abandon_now, wait_for_end
from ingest.model.job import JobStatus

_INTEGER = re.compile(r"-?[0-9]+", re.ASCII)

_item_option = click.option(
    "--item", "item_id", type=click.IntRange(min=1), metavar="ID", help="Only this item, now."
)
_wait_option = click.option(
    "--wait", is_flag=True, help="Follow the job to its end; exit 0 only if it COMPLETED."
)
_reason_option = click.option("--reason", metavar="TEXT", help="Why; kept with the execution.")


@click.command()
@_wait_option
@_item_option
@_reason_option
@click.option(
    "--allow-deletes", type=click.IntRange(min=0), metavar="N", help="How many items may go."
)
@click.option(
    "--dry-run", is_flag=True, help="Write no item, but say what would be written (with --wait)."
)
@service_options
def sync(
    *,
    service: Service,
    item_id: int | None,
    reason: str | None,
    allow_deletes: int | None,
    dry_run: bool,
    wait: bool,
    as_json: bool,
) -> None:
    """Bring the database in step with the item bank."""
    if item_id is not None:
        given = {"--reason": reason, "--allow-deletes": allow_deletes, "--dry-run": dry_run or None}
        _only_the_item(given)
        _one_item(service, f"/sync/{item_id}", as_json=as_json)
    else:
        query = {
            "reason": reason,
            "allow-deletes": allow_deletes,
            "dry-run": "true" if dry_run else None,
        }
        _start(service, "sync", query, wait=wait, as_json=as_json)


@click.command()
@_wait_option
@_item_option
@_reason_option
@click.option("--from-stored", is_flag=True, help="Go by the stored documents, without the bank.")
@service_options
def migrate(
    *,
    service: Service,
    item_id: int | None,
    reason: str | None,
    from_stored: bool,
    wait: bool,
    as_json: bool,
) -> None:
    """Derive every item's row anew from its latest revision."""
    source = "stored" if from_stored else None
    if item_id is not None:
        _only_the_item({"--reason": reason, "--from-stored": source})
        _one_item(service, f"/migrate/{item_id}", as_json=as_json)
    else:
        query = {"reason": reason, "source": source}
        _start(service, "migrate", query, wait=wait, as_json=as_json)


def _only_the_item(others: Mapping[str, object]) -> None:
    given = [name for name, value in others.items() if value is not None]
    if given:
        raise click.UsageError(f"{given[0]} is for a whole job: it cannot go with --item")


def _one_item(service: Service, path: str, *, as_json: bool) -> None:
    done = fetch(service, "POST", path)
    if as_json:
        show.document(done)
    else:
        show.line(f"Item {done['itemId']}: {done['outcome']}")


def _start(service: Service, verb: str, query: Query, *, wait: bool, as_json: bool) -> None:
    started = fetch(service, "POST", f"/{verb}", query)
    if not as_json:
        show.line(f"{started['message']} (job execution {started['jobExecutionId']})")
    elif not wait:
        show.document(started)
    if wait:
        wait_for_end(service, verb, started, as_json=as_json)


@click.command()
@click.argument("job", metavar="JOB-or-INSTANCE-ID")
@click.option("--execution", "execution_id", type=int, help="Only if this one is running.")
@_reason_option
@service_options
def abandon(
    *, service: Service, job: str, execution_id: int | None, reason: str | None, as_json: bool
) -> None:
    """Stop a running job; done once it has wound down and that is on record.

    JOB is sync, migrate, itemSynchronizationJob or itemMigrationJob.
    """
    del as_json  # the answer is a JSON document as it is
    instance_id = job if _INTEGER.fullmatch(job) else _instance_id(service, job)
    query = {"execution": execution_id, "reason": reason}
    if not abandon_now(service, f"/abandon/{instance_id}", query):
        raise click.exceptions.Exit(1)


def _instance_id(service: Service, job: str) -> int:
    name = JOB_NAMES.get(job, job)
    ids = {one["name"]: one["jobInstanceId"] for one in fetch(service, "GET", "/jobs")["jobs"]}
    if name not in ids:
        known = ", ".join([*JOB_NAMES, *map(show.clean, ids)])
        raise click.BadParameter(
            f"there is no job {show.clean(job)!r}: name one of {known}, or a job instance id",
            param_hint="JOB-or-INSTANCE-ID",
        )
    instance_id: int = ids[name]
    return instance_id


@click.command()
@service_options
def jobs(*, service: Service, as_json: bool) -> None:
    """Show both jobs: what runs of each, and what ran last."""
    answer = fetch(service, "GET", "/jobs")
    if as_json:
        show.document(answer)
        return
    show.rows(
        ("instance", "name", "running", "progress", "lastEnded", "status", "endTime"),
        [_job_row(job) for job in answer["jobs"]],
    )
    for job in answer["jobs"]:
        if withheld := job.get("withheldDeletions"):
            show.line(f"Execution {withheld['jobExecutionId']}: {withheld['message']}")


def _job_row(job: Json) -> tuple[object, ...]:
    running, last = job["running"] or {}, job["lastEnded"] or {}
    progress = running.get("progress")
    total = "?" if not progress or progress["total"] is None else progress["total"]
    return (
        job["jobInstanceId"],
        job["name"],
        running.get("jobExecutionId"),
        f"{progress['processed']}/{total}" if progress else None,
        last.get("jobExecutionId"),
        last.get("status"),
        last.get("endTime"),
    )


@click.command()
@click.option("--job", metavar="JOB", help="Only of this job: sync, migrate, or its whole name.")
@click.option("--status", type=click.Choice([*JobStatus], case_sensitive=False))
@limit_option
@click.option("--before", type=int, metavar="ID", help="Only those before this one.")
@service_options
def executions(
    *,
    service: Service,
    job: str | None,
    status: str | None,
    limit: int | None,
    before: int | None,
    as_json: bool,
) -> None:
    """Show what ran and what runs, newest first."""
    name = None if job is None else JOB_NAMES.get(job, job)
    query = {"job": name, "status": status, "limit": limit, "before": before}
    answer = fetch(service, "GET", "/executions", query)
    if as_json:
        show.document(answer)
        return
    show.rows(
        ("id", "name", "status", "startTime", "endTime", *COUNTS, "exitMessage"),
        [
            (
                one["jobExecutionId"],
                one["name"],
                one["status"],
                one["startTime"],
                one["endTime"],
                *(one["counts"][count] for count in COUNTS),
                one["exitMessage"],
            )
            for one in answer["executions"]
        ],
    )
    show.next_page("--before", answer["next"])


@click.command()
@click.argument("execution_id", metavar="ID", type=int)
@click.option("--follow", "follows", is_flag=True, help="Show its progress until it has ended.")
@click.option("--changes", "with_changes", is_flag=True, help="Show what a dry run has planned.")
@click.option("--stack", "with_stack", is_flag=True, help="Show where in the code it stands.")
@service_options
def execution(
    *,
    service: Service,
    execution_id: int,
    follows: bool,
    with_changes: bool,
    with_stack: bool,
    as_json: bool,
) -> None:
    """Show one execution: its status, its counts, its steps."""
    if with_changes:
        _show_changes(service, execution_id, as_json=as_json)
        return
    if follows and with_stack:
        raise click.UsageError("--stack tells of this moment: it cannot go with --follow")
    query = {"stack": 1 if with_stack else None}
    one = fetch(service, "GET", f"/executions/{execution_id}", query)
    if follows:
        from ingest.cli.follow import follow  # noqa: PLC0415 - rich takes long to import

        one = follow(service, execution_id, sys.stderr if as_json else sys.stdout)
    if as_json:
        show.document(one)
        return
    plain = [(name, value) for name, value in one.items() if not isinstance(value, (dict, list))]
    nested = [
        (name, value)
        for group in ("counts", "progress", "receipt", "parameters", "dryRun", "bankRequests")
        for name, value in (one.get(group) or {}).items()
    ]
    steps = [
        ("step", f"{step['name']} {step['status']}: {step['writeCount']} written")
        for step in one["steps"]
    ]
    stack = [("stack", line) for line in one.get("stack") or ()]
    show.facts([*plain, *nested, *steps, *stack])


def _show_changes(service: Service, execution_id: int, *, as_json: bool) -> None:
    """Show every page of what a dry run has planned."""
    after, found = None, []
    while True:
        query = {"limit": 1000, "after": after}
        page = fetch(service, "GET", f"/executions/{execution_id}/changes", query)
        found += page["changes"]
        after = page["next"]
        if after is None:
            break
    if as_json:
        show.document({"changes": found})
    else:
        show.rows(("itemId", "change"), [(one["itemId"], one["change"]) for one in found])
