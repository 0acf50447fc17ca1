"""How answers look: tables on a terminal, plain lines for everything else."""

import sys
from collections.abc import Sequence
from typing import Any

import click
import orjson


def printable(value: object) -> str:
    """Return a value as a terminal may show it: nothing in it steers the terminal."""
    text = "" if value is None else str(value)
    return "".join(character if character.isprintable() else " " for character in text)


def document(value: Any) -> None:
    """Print a document as JSON on one line."""
    click.echo(orjson.dumps(value).decode())


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows: as a table on a terminal, else a header and tab-separated lines."""
    cells = [[printable(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for line in ([*columns], *cells):
            click.echo("\t".join(line))
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import, and only needed here
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    drawn = Table(box=None, pad_edge=False)
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in cells:
        # As Text, or square brackets would be read as markup.
        drawn.add_row(*(Text(cell) for cell in row))
    Console().print(drawn)


def next_page(value: Any, option: str) -> None:
    """Say on stderr how to see what did not fit on the page."""
    if value is not None:
        click.echo(f"There is more: {option} {printable(value)}", err=True)


def executions(found: Sequence[Any]) -> None:
    """Print executions, a line each."""
    table(
        ["execution", "job", "status", "started", "ended", "items", "message"],
        [
            [
                one["jobExecutionId"],
                one["name"],
                one["status"],
                one["startTime"] or one["createTime"],
                one["endTime"],
                progress(one),
                one["exitMessage"],
            ]
            for one in found
        ],
    )


def progress(execution: Any) -> str:
    """Return how far an execution is, in a few words."""
    how = execution["progress"]
    total = "?" if how["total"] is None else how["total"]
    return f"{how['processed']}/{total}"


def execution(one: Any) -> None:
    """Print an execution, a line a fact."""
    counts = ", ".join(f"{name} {count}" for name, count in one["counts"].items())
    rate = one["progress"]["itemsPerSecond"]
    facts = {
        "execution": one["jobExecutionId"],
        "job": f"{one['name']} (instance {one['jobInstanceId']})",
        "status": one["status"],
        "message": one["exitMessage"],
        "started": one["startTime"],
        "ended": one["endTime"],
        "items": progress(one) + ("" if rate is None else f", {rate} a second"),
        "counts": counts,
    }
    if one["receipt"] is not None:
        facts["told to stop"] = f"{one['receipt']['askedAt']} by {one['receipt']['by']}"
    for name, value in facts.items():
        click.echo(f"{name + ':':<14}{printable(value)}")
