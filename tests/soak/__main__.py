"""Kill the service in every phase of its work, and see whether it keeps its word.

``scripts/soak [--quick] [--rounds N] [--sigterm-rounds N] [--storms N] [--stubborn N] [--seed S]
[--only ROUND] [--json]``; the exit code is 1 if anything was violated.
"""

import argparse
import asyncio
import re
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import orjson
from attrs import frozen

from ingest.logs import configure
from ingest.settings import LogSettings
from ingest.storage.database import Database
from ingest.storage.schema import upgrade
from tests.soak import plan, report
from tests.soak.arena import Arena, Tally
from tests.soak.evidence import add_triggers
from tests.soak.processes import processes
from tests.soak.rounds import kill_round, term_round
from tests.soak.settling import settle
from tests.soak.storms import storm_rounds, stubborn_rounds

#: So many rounds share a database; then it is compared with the bank.
_ROUNDS_A_DATABASE: Final = 30

#: No round takes longer; one that does hangs.
_ROUND_WITHIN_S: Final = 120.0
_STORM_WITHIN_S: Final = 10.0


@frozen(kw_only=True)
class Amounts:
    """How many rounds of which kind."""

    rounds: int
    sigterm_rounds: int
    storms: int
    stubborn: int


_LONG: Final = Amounts(rounds=1000, sigterm_rounds=200, storms=50, stubborn=100)
_QUICK: Final = Amounts(rounds=30, sigterm_rounds=8, storms=3, stubborn=4)


def main() -> int:
    """Run what the arguments ask for; return the exit code."""
    arguments = _arguments()
    configure(LogSettings(level="ERROR"))
    folder = Path(tempfile.mkdtemp(prefix="ingest-soak-"))
    began = time.monotonic()
    try:
        tally = asyncio.run(_soak(arguments, folder))
    finally:
        for path in folder.iterdir():
            if path.name != "violations":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        if not any(folder.iterdir()):
            folder.rmdir()
    _say("")
    document = report.document(tally, seed=arguments.seed, took_s=time.monotonic() - began)
    if arguments.json:
        print(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        print(report.text(document))
    return 1 if tally.violations else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="half a minute of it")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds that end by kill -9")
    parser.add_argument("--sigterm-rounds", type=int, metavar="N", help="that end by a signal")
    parser.add_argument("--storms", type=int, metavar="N", help="100 starts and 100 abandons each")
    parser.add_argument("--stubborn", type=int, metavar="N", help="abandons of a job that won't")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9), metavar="S")
    parser.add_argument(
        "--only", type=_name, metavar="ROUND", help="only this one, such as kill/17 or term/3"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of words")
    arguments = parser.parse_args()
    amounts = _QUICK if arguments.quick else _LONG
    for name in ("rounds", "sigterm_rounds", "storms", "stubborn"):
        if getattr(arguments, name) is None:
            setattr(arguments, name, 0 if arguments.only else getattr(amounts, name))
    return arguments


def _name(text: str) -> str:
    if re.fullmatch(r"(kill|term)/[0-9]+", text) is None:
        raise argparse.ArgumentTypeError(f"no such round: {text}: say one like kill/17 or term/3")
    return text


async def _soak(arguments: argparse.Namespace, folder: Path) -> Tally:
    template = folder / "template.db"
    await _make_schema(template)
    add_triggers(template)
    async with processes() as made:
        arena = Arena(
            processes=made,
            folder=folder,
            template=template,
            kept=folder / "violations",
            seed=arguments.seed,
            say=_say,
        )
        rounds = list(_deaths(arena, arguments))
        for number, (name, act) in enumerate(rounds, start=1):
            sound = await _round(arena, name, act)
            _say(
                f"round {number} of {len(rounds)}: {name}; {len(arena.tally.violations)} violations"
            )
            if not sound:
                arena.renew()
            elif number % _ROUNDS_A_DATABASE == 0 or number == len(rounds):
                await _round(arena, f"{name}/settled", partial(settle, arena))
                arena.renew()
        for name, many, times in (
            ("storms", storm_rounds, arguments.storms),
            ("stubborn", stubborn_rounds, arguments.stubborn),
        ):
            if times:
                within_s = _ROUND_WITHIN_S + times * _STORM_WITHIN_S
                await _round(arena, name, partial(many, arena, times), within_s=within_s)
                arena.renew()
    return arena.tally


Act = Callable[[], Awaitable[list[str]]]


def _deaths(arena: Arena, arguments: argparse.Namespace) -> Iterator[tuple[str, Act]]:
    """Yield the rounds in which a process dies, the few among the many."""
    kills, terms = arguments.rounds, arguments.sigterm_rounds
    drawn = [(number / max(kills, 1), "kill", number) for number in range(kills)]
    drawn += [(number / max(terms, 1), "term", number) for number in range(terms)]
    names = [f"{kind}/{number}" for _, kind, number in sorted(drawn)]
    for name in [arguments.only] if arguments.only else names:
        kind, _, number = name.partition("/")
        if kind == "kill":
            one = plan.kill_round(arguments.seed, int(number))
            yield name, partial(kill_round, arena, one)
        else:
            one = plan.term_round(arguments.seed, int(number))
            yield name, partial(term_round, arena, one)


async def _round(arena: Arena, name: str, act: Act, *, within_s: float = _ROUND_WITHIN_S) -> bool:
    """Run a round; whatever goes wrong in it is a violation, and so is that it takes too long."""
    wrong: list[str] = []
    try:
        async with asyncio.timeout(within_s):
            wrong += await act()
    except Exception as error:  # noqa: BLE001 - that it broke is what is to be told
        wrong.append(f"{type(error).__name__}: {error}")
    return arena.close_round(name, wrong)


async def _make_schema(path: Path) -> None:
    database = Database(path)
    try:
        await upgrade(database)
    finally:
        await database.close()


def _say(text: str) -> None:
    """Tell how far it is, on a terminal in one line, and beside what is printed."""
    if sys.stderr.isatty() and not text.startswith("VIOLATION"):
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
