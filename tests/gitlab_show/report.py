"""What was shown, as Markdown and as JSON."""

from collections.abc import Sequence
from typing import Any, Final

from attrs import define, field

Cell = str | int | float | None

#: A message told whole would hide the figures; JSON has all of it.
_CELL_CHARACTERS: Final = 120


@define(kw_only=True)
class Table:
    """Some figures, and what of them must not be."""

    title: str
    note: str = ""
    #: Each with the same columns.
    rows: list[dict[str, Cell]] = field(factory=list)
    wrong: list[str] = field(factory=list)

    def must(self, holds: object, what: str) -> None:
        """Take note where something that must hold does not; *what* says what there is instead."""
        if not holds:
            self.wrong.append(what)


def document(tables: Sequence[Table]) -> list[dict[str, Any]]:
    """Return the tables as JSON."""
    return [
        {"title": one.title, "note": one.note, "rows": one.rows, "wrong": one.wrong}
        for one in tables
    ]


def markdown(tables: Sequence[Table]) -> str:
    """Return the tables as Markdown."""
    return "\n\n".join(map(_markdown, tables))


def _markdown(table: Table) -> str:
    parts = [f"### {table.title}"]
    if table.rows:
        lines = [
            [_cell(name) for name in table.rows[0]],
            *([_cell(one) for one in row.values()] for row in table.rows),
        ]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        lines.insert(1, ["-" * width for width in widths])
        parts.append("\n".join(_line(line, widths) for line in lines))
    if table.note:
        parts.append(table.note)
    parts += [f"**WRONG**: {one}" for one in table.wrong]
    return "\n\n".join(parts)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return f"| {' | '.join(padded)} |"


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        line = value.replace("\n", " ")
        line = line if len(line) <= _CELL_CHARACTERS else f"{line[:_CELL_CHARACTERS]}…"
        return line.replace("|", "\\|")
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
