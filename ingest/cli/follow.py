"""Following an execution to its end: a progress bar on a terminal, plain lines elsewhere."""

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from datetime import timedelta
from typing import Final, TextIO

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ingest.cli.client import Client
from ingest.cli.options import Json, Service
from ingest.cli.show import clean

#: Plain lines come no closer together.
_LINE_EVERY_S: Final = 3.0

Update = Callable[[Json], None]


def follow(service: Service, execution_id: int, stream: TextIO) -> Json:
    """Show the execution's progress on *stream* until it has ended; return its last document.

    Raises:
        KeyboardInterrupt: A person did not want to wait; the execution goes on.
        ServiceUnreachableError: The service refuses, or has been away for too long.
    """
    with _bar(stream) if stream.isatty() else _lines(stream) as update:
        return asyncio.run(_follow(service, execution_id, update))


async def _follow(service: Service, execution_id: int, update: Update) -> Json:
    last: Json = {}
    async with Client(service) as client, aclosing(client.follow(execution_id)) as documents:
        async for last in documents:
            update(last)
    return last


@contextmanager
def _bar(stream: TextIO) -> Iterator[Update]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[count]}", markup=False),
        TextColumn("{task.fields[rate]}", markup=False),
        TextColumn("{task.fields[left]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(file=stream)) as progress:
        task = progress.add_task("STARTING", total=None, count="", rate="", left="")

        def update(document: Json) -> None:
            now = document["progress"]
            progress.update(
                task,
                description=clean(f"{document['jobExecutionId']} {document['status']}"),
                total=now["total"],
                completed=now["processed"],
                count=_count(document),
                rate=_rate(document),
                left=_left(document),
            )

        yield update


@contextmanager
def _lines(stream: TextIO) -> Iterator[Update]:
    written_at = -math.inf

    def update(document: Json) -> None:
        nonlocal written_at
        if time.monotonic() - written_at < _LINE_EVERY_S:
            return
        written_at = time.monotonic()
        parts = [_percent(document), _count(document), _rate(document), _left(document)]
        progress = ", ".join(part for part in parts if part)
        name = clean(f"Job execution {document['jobExecutionId']} {document['status']}")
        click.echo(f"{name}: {progress}", file=stream)

    yield update


def _percent(document: Json) -> str:
    total, processed = document["progress"]["total"], document["progress"]["processed"]
    return f"{100 * processed // total} %" if total else ""


def _count(document: Json) -> str:
    total, processed = document["progress"]["total"], document["progress"]["processed"]
    return f"{processed} items" if total is None else f"{processed} of {total}"


def _rate(document: Json) -> str:
    rate = document["progress"]["itemsPerSecond"]
    return "" if rate is None else f"{rate:.1f} items/s"


def _left(document: Json) -> str:
    eta_s = document["progress"]["etaSeconds"]
    return "" if eta_s is None else f"{timedelta(seconds=max(0, round(eta_s)))} left"
