"""Following an execution to its end, with a progress bar where somebody watches."""

import asyncio
import sys
import time
from contextlib import aclosing
from typing import Any, Final, Self

import click

from ingest.cli import show
from ingest.cli.client import ServiceClient
from ingest.errors import ServiceUnreachableError

#: Where nobody watches, a line of progress at most this often.
LINE_S: Final = 5.0

#: How often an execution is looked at when its stream has broken.
POLL_S: Final = 1.0

#: How many times in a row the service may be out of reach before that is the answer.
PATIENCE: Final = 10

_RUNNING: Final = frozenset({"STARTING", "STARTED", "STOPPING"})


async def follow(client: ServiceClient, execution_id: int, *, as_json: bool) -> Any:
    """Show an execution's progress until it has ended; return its last document.

    Ctrl-C asks, on a terminal, whether to leave the job running or to abandon it.

    Raises:
        ServiceUnreachableError: The service has gone and did not come back.
        KeyboardInterrupt: The job was left running.
    """
    view = _Lines() if as_json or not sys.stdout.isatty() else _Bar()
    try:
        with view:
            last = await _watch(client, execution_id, view)
    except asyncio.CancelledError:
        _stay_or_stop(execution_id)
        last = await _abandon(client, execution_id)
    if as_json:
        show.document(last)
    else:
        click.echo(f"{last['status']}: {show.printable(last['exitMessage'])}")
    return last


async def _watch(client: ServiceClient, execution_id: int, view: "_Lines | _Bar") -> Any:
    path, failures = f"/executions/{execution_id}", 0
    while True:
        try:
            async with aclosing(client.stream(f"{path}/events")) as documents:  # type: ignore[type-var]
                async for document in documents:
                    failures = 0
                    view.show(document)
                    if document["status"] not in _RUNNING:
                        return document
        except ServiceUnreachableError:
            failures += 1
            if failures >= PATIENCE:
                raise
        await asyncio.sleep(POLL_S)


def _stay_or_stop(execution_id: int) -> None:
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
    if not (sys.stdin.isatty() and click.confirm(f"\nAbandon execution {execution_id}?")):
        click.echo(f"Execution {execution_id} is left running.", err=True)
        raise KeyboardInterrupt


async def _abandon(client: ServiceClient, execution_id: int) -> Any:
    path = f"/executions/{execution_id}"
    instance = (await client.request("GET", path)).document["jobInstanceId"]
    reply = await client.request("PUT", f"/abandon/{instance}", {"execution": str(execution_id)})
    click.echo(show.printable(reply.text), err=True)
    return (await client.request("GET", path)).document


class _Lines:
    """Progress for a file or a pipe: now and then a line."""

    def __init__(self) -> None:
        self._next = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def show(self, document: Any) -> None:
        """Print a line, if it is time for one; on stderr, for stdout is the answer's."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + LINE_S
            rate = document["progress"]["itemsPerSecond"]
            click.echo(
                f"{document['status']} {show.progress(document)} items"
                + ("" if rate is None else f", {rate} a second"),
                err=True,
            )


class _Bar:
    """Progress for a terminal: a bar with rate, percent and time left."""

    def __init__(self) -> None:
        from rich.progress import (  # noqa: PLC0415 - slow to import, and only needed here
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
        )

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.completed}/{task.total} items"),
            TextColumn("{task.fields[rate]}"),
        )
        self._task = self._progress.add_task("STARTING", total=None, rate="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._progress.stop()

    def show(self, document: Any) -> None:
        """Move the bar; rate and time left are the service's own figures."""
        how = document["progress"]
        rate = "" if how["itemsPerSecond"] is None else f"{how['itemsPerSecond']:.0f}/s"
        left = "" if how["etaSeconds"] is None else f", {how['etaSeconds']:.0f} s left"
        self._progress.update(
            self._task,
            description=document["status"],
            total=how["total"],
            completed=how["processed"],
            rate=rate + left,
        )
