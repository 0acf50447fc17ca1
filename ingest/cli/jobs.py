"""Starting, following, abandoning and looking at jobs of a running service."""

from pathlib import Path
from typing import Any, Final

import click

from ingest.cli import show
from ingest.cli.client import Reply, ServiceClient, client_for, run, with_client
from ingest.cli.follow import follow
from ingest.errors import InvalidValueError, JobDidNotCompleteError

_JOBS: Final = {
    "sync": "itemSynchronizationJob",
    "migrate": "itemMigrationJob",
}

_json = click.option("--json", "as_json", is_flag=True, help="Print the JSON document.")
_reason = click.option("--reason", help="Kept with the execution, for those who wonder.")
_wait = click.option("--wait", is_flag=True, help="Follow it; exit 0 only if it COMPLETED.")
_item = click.option("--item", help="Only this item, now and outside any execution.")


@click.command()
@with_client
@_wait
@_item
@_reason
@click.option("--allow-deletes", help="How many items it may delete.")
@_json
def sync(*, allow_deletes: str | None, **options: Any) -> int:
    """Bring the database in step with the item bank."""
    return _start("/sync", {"allow-deletes": allow_deletes}, **options)


@click.command()
@with_client
@_wait
@_item
@_reason
@click.option("--from-stored", is_flag=True, help="Go by the stored documents alone.")
@_json
def migrate(*, from_stored: bool, **options: Any) -> int:
    """Derive every item's row anew, by the rules of today."""
    return _start("/migrate", {"source": "stored" if from_stored else None}, **options)


def _start(
    path: str,
    query: dict[str, str | None],
    *,
    url: str,
    token_file: Path | None,
    wait: bool,
    item: str | None,
    reason: str | None,
    as_json: bool,
) -> int:
    client = client_for(url, token_file)
    given = {name: value for name, value in {**query, "reason": reason}.items() if value}
    if item is not None:
        if given or wait:
            raise InvalidValueError("--item goes with no other option: it is done when it answers")
        path = f"{path}/{item}"
    reply = run(client.request("POST", path, given))
    if not reply.ok:
        return _refused(reply)
    document = reply.document
    if wait:
        ended = run(follow(client, document["jobExecutionId"], as_json=as_json))
        if ended["status"] != "COMPLETED":
            raise JobDidNotCompleteError(
                f"execution {ended['jobExecutionId']} is {ended['status']}: {ended['exitMessage']}"
            )
    elif as_json:
        show.document(document)
    else:
        click.echo(document.get("message") or f"{document['itemId']} {document['outcome']}")
    return 0


@click.command()
@click.argument("job")
@with_client
@click.option("--execution", help="Only if this execution is the one that runs.")
@_reason
def abandon(
    *,
    job: str,
    url: str,
    token_file: Path | None,
    execution: str | None,
    reason: str | None,
) -> int:
    """Stop the running execution of JOB: sync, migrate, a job's name or its instance id."""
    client = client_for(url, token_file)
    instance = run(_instance_id(client, job))
    query = {name: value for name, value in (("execution", execution), ("reason", reason)) if value}
    reply = run(client.request("PUT", f"/abandon/{instance}", query))
    if not reply.ok:
        return _refused(reply)
    click.echo(reply.text)
    return 0


async def _instance_id(client: ServiceClient, job: str) -> str:
    if job.lstrip("-").isdigit():
        return job
    name = _JOBS.get(job, job)
    known = (await client.request("GET", "/jobs")).document["jobs"]
    for one in known:
        if one["name"] == name:
            return str(one["jobInstanceId"])
    names = ", ".join([*_JOBS, *(one["name"] for one in known)])
    raise InvalidValueError(f"there is no job {job!r}: say one of {names}, or an instance id")


@click.command("jobs")
@with_client
@_json
def list_jobs(*, url: str, token_file: Path | None, as_json: bool) -> int:
    """Show both jobs: what runs, what ran last."""
    reply = run(client_for(url, token_file).request("GET", "/jobs"))
    if not reply.ok:
        return _refused(reply)
    if as_json:
        show.document(reply.document)
        return 0
    rows = []
    for job in reply.document["jobs"]:
        running, ended = job["running"], job["lastEnded"]
        rows.append(
            [
                job["jobInstanceId"],
                job["name"],
                "" if running is None else f"{running['jobExecutionId']} {running['status']}",
                "" if running is None else show.progress(running),
                "" if ended is None else f"{ended['jobExecutionId']} {ended['status']}",
                "" if ended is None else ended["exitMessage"],
            ]
        )
    show.table(["instance", "job", "running", "items", "last ended", "message"], rows)
    return 0


@click.command("executions")
@with_client
@click.option("--job", help="Only of the job with this name.")
@click.option("--status", help="Only with this status.")
@click.option("--limit", help="At most so many.")
@click.option("--before", help="Only older than this execution.")
@_json
def list_executions(
    *, url: str, token_file: Path | None, as_json: bool, **query: str | None
) -> int:
    """Show executions, newest first."""
    if query["job"] in _JOBS:
        query["job"] = _JOBS[query["job"]]
    given = {name: value for name, value in query.items() if value is not None}
    reply = run(client_for(url, token_file).request("GET", "/executions", given))
    if not reply.ok:
        return _refused(reply)
    if as_json:
        show.document(reply.document)
        return 0
    show.executions(reply.document["executions"])
    show.next_page(reply.document["next"], "--before")
    return 0


@click.command("execution")
@click.argument("execution_id")
@with_client
@click.option("--follow", "follows", is_flag=True, help="Follow it to its end.")
@_json
def show_execution(
    *, execution_id: str, url: str, token_file: Path | None, follows: bool, as_json: bool
) -> int:
    """Show one execution."""
    client = client_for(url, token_file)
    reply = run(client.request("GET", f"/executions/{execution_id}"))
    if not reply.ok:
        return _refused(reply)
    document = reply.document
    if follows:
        document = run(follow(client, document["jobExecutionId"], as_json=as_json))
    elif as_json:
        show.document(document)
    else:
        show.execution(document)
    return 0


def _refused(reply: Reply) -> int:
    click.echo(f"ingest: {reply.status}: {show.printable(reply.text)}", err=True)
    return 1
