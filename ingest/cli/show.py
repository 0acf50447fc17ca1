"""Answers for people and for scripts: tables on a terminal, plain lines elsewhere, or JSON."""

import re
import sys
from collections.abc import Sequence
from typing import Any, Final

import click
import orjson

#: ANSI escapes: CSI, OSC and the like, two characters; with ESC or as one C1 character.
_ESCAPES: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[]P^_X]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]"
)


def clean(text: str) -> str:
    """Return a text without anything that a terminal would obey, on one line."""
    return "".join(
        character if character.isprintable() else " " if character.isspace() else ""
        for character in _ESCAPES.sub("", text)
    )


def document(value: object) -> None:
    """Print a JSON document: indented for a terminal, on one line elsewhere."""
    if not sys.stdout.isatty():
        click.echo(orjson.dumps(value).decode())
        return
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    # JSON escapes the controls of ASCII itself; the others would reach the terminal.
    click.echo(
        "".join(
            character if character.isprintable() or character == "\n" else _escaped(character)
            for character in text
        )
    )


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def line(text: str) -> None:
    """Print a line of words."""
    click.echo(clean(text))


def rows(columns: Sequence[str], cells: Sequence[Sequence[Any]]) -> None:
    """Print a list: a table on a terminal, elsewhere tab-separated lines under a header."""
    texts = [["" if cell is None else clean(str(cell)) for cell in row] for row in cells]
    if not sys.stdout.isatty():
        for row in (columns, *texts):
            click.echo("\t".join(row))
        return
    from rich.console import Console  # noqa: PLC0415 - takes long to import
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in texts:
        table.add_row(*map(Text, row))
    Console().print(table)


def facts(pairs: Sequence[tuple[str, Any]]) -> None:
    """Print names and values, those without a value left out: aligned on a terminal."""
    known = [(name, clean(str(value))) for name, value in pairs if value is not None]
    if not sys.stdout.isatty():
        for name, value in known:
            click.echo(f"{name}\t{value}")
        return
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        click.echo(f"{click.style(name.ljust(width), bold=True)}  {value}")


def next_page(option: str, value: object) -> None:
    """Say that there is more, and how to get it."""
    if value is not None:
        click.echo(f"There is more: the same command with {option} {clean(str(value))}", err=True)
