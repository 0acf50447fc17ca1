"""Show what the service does with a bank at GitLab: ``scripts/gitlab [--quick] [--only a,b]``.

The exit code is 1 if something did not hold that must.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson

from ingest.logs import configure
from ingest.settings import LogSettings
from tests.bench.report import machine
from tests.gitlab_show import abandons, bad_days, cost, pushes, report
from tests.gitlab_show.report import Table
from tests.gitlab_show.stage import LONG, QUICK, Stage

SHOWS: Final[dict[str, Callable[[Stage], Iterable[Table]]]] = {
    "cost": cost.show,
    "bad-days": bad_days.show,
    "pushes": pushes.show,
    "abandon": abandons.show,
}


def main() -> int:
    """Show what the arguments ask for; return the exit code."""
    arguments = _arguments()
    configure(LogSettings(level="WARNING"))
    found = machine()
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="ingest-gitlab-"))
    stage = Stage(
        sizes=QUICK if arguments.quick else LONG,
        banks=arguments.bank_dir or folder / "banks",
        folder=folder,
        seed=arguments.seed,
        say=_say,
    )
    tables = [table for name in arguments.only for table in _shown(name, stage)]
    wrong = [one for table in tables for one in table.wrong]
    _say("")
    found["load at the end"] = machine()["load"]
    head = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": arguments.seed,
        "tookSeconds": round(time.monotonic() - began, 1),
        "machine": found,
    }
    if arguments.json:
        told = head | {"tables": report.document(tables)}
        print(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
    else:
        print(f"{report.markdown(tables)}\n\n{_line(head)}")
    if wrong:
        print(f"databases and logs: {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    return 1 if wrong else 0


def _shown(name: str, stage: Stage) -> list[Table]:
    """Return the tables of a show; whatever goes wrong in it is something that must not be."""
    tables: list[Table] = []
    try:
        tables += SHOWS[name](stage)
    except Exception as error:  # noqa: BLE001 - that it broke is what is to be told
        tables.append(Table(title=name, wrong=[f"{type(error).__name__}: {error}"]))
    return tables


def _line(head: dict[str, object]) -> str:
    machine_, rest = head.pop("machine"), head
    assert isinstance(machine_, dict)
    return ", ".join(f"{name} {value}" for name, value in {**rest, **machine_}.items())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/gitlab", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, in half a minute")
    parser.add_argument(
        "--bank-dir",
        type=lambda text: Path(text).resolve(),
        help="the folder that keeps the sample bank from run to run",
    )
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of faults and pushes")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    parser.add_argument(
        "--only", type=_names, default=list(SHOWS), help=f"some of: {','.join(SHOWS)}"
    )
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(SHOWS):
        raise argparse.ArgumentTypeError(f"no such show: {', '.join(sorted(unknown))}")
    return names


def _say(text: str) -> None:
    """Tell how far it is, on a terminal in one line, and beside what is printed."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
