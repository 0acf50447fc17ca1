"""Waiting for the end of a job that was started, and what a person may want instead."""

import asyncio
import sys
from http import HTTPStatus
from typing import Final, NoReturn

import click

from ingest.cli import show
from ingest.cli.options import Json, Query, Service
from ingest.errors import JobDidNotCompleteError, ServiceUnreachableError
from ingest.model.job import JobStatus

COUNTS: Final = ("read", "created", "updated", "unchanged", "deleted", "failed")


def wait_for_end(service: Service, verb: str, started: Json, *, as_json: bool) -> None:
    """Follow a job that *verb* started to its end.

    Raises:
        JobDidNotCompleteError: It ended otherwise, or was left running at a person's wish.
    """
    from ingest.cli.follow import follow  # noqa: PLC0415 - rich and aiohttp take long to import

    execution_id = started["jobExecutionId"]
    while True:
        try:
            ended = follow(service, execution_id, sys.stderr if as_json else sys.stdout)
            break
        except KeyboardInterrupt:
            choice = _what_now(execution_id)
        if choice == "abandon":
            path = f"/abandon/{started['jobInstanceId']}"
            abandon_now(service, path, {"execution": execution_id})
            raise click.exceptions.Exit(1)
        if choice == "leave":
            _leave(verb, execution_id)
    if as_json:
        show.document(ended)
    else:
        show.line(_end(ended))
        if ended["status"] == JobStatus.COMPLETED and ended.get("dryRun"):
            show.line(ended["exitMessage"])
    if ended["status"] != JobStatus.COMPLETED:
        why = ended["exitMessage"] or "the service's log tells more"
        raise JobDidNotCompleteError(f"Job execution {execution_id} {ended['status']}: {why}")


def _what_now(execution_id: int) -> str:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return "leave"
    click.echo(err=True)
    try:
        choice: str = click.prompt(
            f"Job execution {execution_id} is running: leave it running, abandon it, or go on "
            "watching?",
            type=click.Choice(["leave", "abandon", "watch"]),
            default="leave",
            err=True,
        )
    except (click.Abort, KeyboardInterrupt):
        click.echo(err=True)
        return "leave"
    return choice


def _leave(verb: str, execution_id: int) -> NoReturn:
    raise JobDidNotCompleteError(
        f"Job execution {execution_id} was left running: ingest execution {execution_id} --follow "
        f"shows it, ingest abandon {verb} --execution {execution_id} stops it"
    )


def _end(ended: Json) -> str:
    counts = ", ".join(f"{ended['counts'][name]} {name}" for name in COUNTS)
    return f"Job execution {ended['jobExecutionId']} {ended['status']}: {counts}"


def abandon_now(service: Service, path: str, query: Query) -> bool:
    """Print the answer to an abandon as it came; return whether it is 200."""
    from ingest.cli.client import Client, refusal  # noqa: PLC0415 - aiohttp takes long to import

    async def ask() -> tuple[int, str, str]:
        async with Client(service) as client:
            # It takes as long as the service's grace, which only the service knows.
            answer = await client.ask("PUT", path, query, within_s=None)
            return answer.status, answer.text, refusal(answer)

    status, text, why = asyncio.run(ask())
    if status != HTTPStatus.OK and not text.startswith("{"):
        raise ServiceUnreachableError(why)
    click.echo(show.clean(text) if sys.stdout.isatty() else text)
    return status == HTTPStatus.OK
