"""Measure the service beside its floors: ``scripts/bench [--quick | --large] [--rows a,b]``."""

import argparse
import asyncio
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import orjson
from attrs import asdict

from ingest.bank.sample import make_sample_bank
from ingest.logs import configure
from ingest.settings import LogSettings
from ingest.storage.database import Database
from ingest.storage.schema import upgrade
from tests.bench import report
from tests.bench.large import Compared, measure_large
from tests.bench.plan import Plan
from tests.bench.processes import Place
from tests.bench.rows import ROWS, measure


def main() -> int:
    """Make a bank, measure, print; return the exit code.

    However slow it is, nothing fails. Rows that an abandon has changed do.
    """
    arguments = _arguments()
    configure(LogSettings(level="WARNING"))
    machine = report.machine()
    compared: list[Compared] = []
    with tempfile.TemporaryDirectory(prefix="ingest-bench-") as folder:
        plan = _plan(arguments, Path(folder))
        if arguments.large:
            measured, compared = measure_large(plan)
        else:
            measured = measure(plan, arguments.rows)
        documents = [report.document(one) for one in measured]
    machine["load at the end"] = report.machine()["load"]
    _say("")
    if arguments.json:
        head = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine}
        document = head | {"items": plan.items, "rows": documents}
        if arguments.large:
            document["abandoned"] = [asdict(one) for one in compared]
        print(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        print(", ".join(f"{name} {value}" for name, value in machine.items()))
        print(report.table(documents))
        for one in compared:
            print(one)
    return 1 if any(one.different for one in compared) else 0


def _plan(arguments: argparse.Namespace, folder: Path) -> Plan:
    place = Place(folder, arguments.bank or folder / "bank", folder / "template.db")
    items: int = arguments.items or _items(arguments)
    if place.bank.exists():
        items = len(list(place.bank.iterdir()))
    else:
        _say(f"making a bank of {items:,} items")
        make_sample_bank(place.bank, items=items)
    asyncio.run(_make_schema(place.template))
    repetitions = 1 if arguments.large else 2 if arguments.quick else 3
    return Plan(
        items=items,
        abandons=arguments.abandons or (20 if arguments.quick else 150),
        starts=30 if arguments.quick else 100,
        repetitions=repetitions,
        place=place,
        say=_say,
    )


def _items(arguments: argparse.Namespace) -> int:
    return 100_000 if arguments.large else 2_000 if arguments.quick else 10_000


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2,000 items, in a minute and a half")
    parser.add_argument(
        "--large",
        action="store_true",
        help="100,000 items: each job once, its memory, and its rows after an abandon",
    )
    parser.add_argument(
        "--bank",
        type=lambda text: Path(text).resolve(),
        help="the folder of repositories to take; made, and kept, where it is not there",
    )
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
    sys.exit(main())
