"""Measure the service beside its floors: ``scripts/bench [--quick] [--json] [--rows a,b]``."""

import argparse
import asyncio
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import orjson

from ingest.bank.sample import make_sample_bank
from ingest.logs import configure
from ingest.settings import LogSettings
from ingest.storage.database import Database
from ingest.storage.schema import upgrade
from tests.bench import report
from tests.bench.processes import Place
from tests.bench.rows import ROWS, Plan, measure


def main() -> None:
    """Make a bank, measure, print. However slow it is, nothing fails."""
    arguments = _arguments()
    configure(LogSettings(level="WARNING"))
    items = arguments.items or (2_000 if arguments.quick else 10_000)
    machine = report.machine()
    with tempfile.TemporaryDirectory(prefix="ingest-bench-") as folder:
        _say(f"making a bank of {items:,} items")
        place = Place(Path(folder), Path(folder, "bank"), Path(folder, "template.db"))
        make_sample_bank(place.bank, items=items)
        asyncio.run(_make_schema(place.template))
        plan = Plan(
            items=items,
            abandons=arguments.abandons or (20 if arguments.quick else 200),
            starts=30 if arguments.quick else 100,
            repetitions=2 if arguments.quick else 3,
            place=place,
            say=_say,
        )
        documents = [report.document(one) for one in measure(plan, arguments.rows)]
    _say("")
    if arguments.json:
        head = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine}
        document = head | {"items": items, "rows": documents}
        print(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        print(", ".join(f"{name} {value}" for name, value in machine.items()))
        print(report.table(documents))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2,000 items, in about a minute")
    parser.add_argument("--items", type=int, help="so many items instead")
    parser.add_argument("--abandons", type=int, help="so many abandons instead")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument(
        "--rows", type=_names, default=list(ROWS), help=f"some of: {','.join(ROWS)}"
    )
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(ROWS):
        raise argparse.ArgumentTypeError(f"no such row: {', '.join(sorted(unknown))}")
    return names


async def _make_schema(path: Path) -> None:
    database = Database(path)
    try:
        await upgrade(database)
    finally:
        await database.close()


def _say(text: str) -> None:
    """Tell how far it is, on a terminal in one line, and beside what is printed."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
