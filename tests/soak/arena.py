"""Where the rounds take place: bank, database, processes, and the tally of it all."""

import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

from attrs import asdict, define, field, frozen

from tests.soak.bank import SoakBank
from tests.soak.clients import Exchange
from tests.soak.evidence import copied, stored_keys
from tests.soak.invariants import Observer
from tests.soak.processes import Processes

ITEMS: Final = 150

#: Items are deleted only with few others, so no more may wait for that.
_PENDING_MAX: Final = 8


@frozen(kw_only=True)
class Violation:
    """Something that must not be, the round that showed it, and where its traces are."""

    round: str
    what: str
    traces: Path


@define
class Tally:
    """What was tried, and what came of it."""

    #: By phase: how often tried, and how often hit.
    tried: Counter[str] = field(factory=Counter)
    hit: Counter[str] = field(factory=Counter)
    #: By phase: what stood in the rows of executions that were running at the end.
    found: "defaultdict[str, Counter[str]]" = field(factory=lambda: defaultdict(Counter))
    answers: Counter[str] = field(factory=Counter)
    statuses: Counter[str] = field(factory=Counter)
    exit_codes: Counter[str] = field(factory=Counter)
    comparisons: int = 0
    #: Looks at a database by `db check` and everything else.
    looks: int = 0
    violations: list[Violation] = field(factory=list)


@define(kw_only=True)
class Arena:
    """A bank and a database, both of them new after some rounds."""

    processes: Processes
    folder: Path
    template: Path
    #: Where the traces of violations are kept.
    kept: Path
    seed: int
    say: Callable[[str], None]
    tally: Tally = field(factory=Tally)
    bank: SoakBank = field(init=False)
    observer: Observer = field(init=False)
    log: Path = field(init=False)
    #: Whether the database notes what is written.
    has_evidence: bool = True
    record: list[Exchange] = field(factory=list)
    _databases: int = 0
    _lives: int = 0

    def __attrs_post_init__(self) -> None:
        self.log = self.folder / "none.log"
        self.renew()

    @property
    def database(self) -> Path:
        """The database of these rounds."""
        return self.observer.database

    def renew(self, *, empty: bool = False) -> None:
        """Begin with a new bank, and a database without items; *empty*, with no database at all."""
        if self._databases:
            self.count_statuses()
            shutil.rmtree(self.folder / f"{self._databases}")
            shutil.rmtree(self.bank.folder)
        self._databases += 1
        self.bank = SoakBank.made(self.folder / f"bank-{self._databases}", items=ITEMS)
        self.observer = Observer(self.new_database(f"{self._databases}"))
        self.has_evidence = not empty
        if empty:
            self.database.unlink()

    def change(self, rng: Random, *, removals: int = 0) -> None:
        """Let the authors work on the bank."""
        pending = self.bank.gone - self.observer.deleted
        allowed = max(0, _PENDING_MAX - len(pending))
        removals = min(removals or rng.choice((0, 0, 1)), allowed)
        # What was never stored is not deleted, and taking it away tries nothing.
        stored = sorted(set(stored_keys(self.database)) - self.bank.gone)
        self.bank.change(
            rng,
            edits=rng.randint(5, 30),
            removals=rng.sample(stored, min(removals, len(stored))),
        )

    def new_database(self, name: str) -> Path:
        """Return a database with nothing in it."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return Path(shutil.copy(self.template, folder / "ingest.db"))

    def new_log(self) -> Path:
        """Return where the next process logs to."""
        self._lives += 1
        self.log = self.folder / f"{self._lives}.log"
        return self.log

    def report(self) -> Path:
        """Return where a victim tells of its blow, with nothing told yet."""
        path = self.folder / "blow.jsonl"
        path.unlink(missing_ok=True)
        return path

    def look(self, phase: str, record: Sequence[Exchange]) -> None:
        """Look at the database, which no process has, and count what was answered."""
        copy = copied(self.database, self.folder / "copy")
        found = self.observer.look(copy, record)
        self.record = list(record)
        self.tally.looks += 1
        self.tally.answers.update(one.kind for one in record)
        running = sorted(one.status for one in found.values() if one.is_running)
        self.tally.found[phase][" and ".join(running) or "none"] += 1

    def close_round(self, name: str, more: Sequence[str] = ()) -> bool:
        """Take what was found in a round; return whether it was sound."""
        wrong = [*self.observer.violations, *more]
        self.observer.violations.clear()
        if wrong:
            traces = self._keep(name)
            self.tally.violations += [
                Violation(round=name, what=one, traces=traces) for one in wrong
            ]
            for one in wrong:
                self.say(f"VIOLATION in round {name}: {one[:600]} (traces: {traces})")
        else:
            self.log.unlink(missing_ok=True)
        return not wrong

    def count_statuses(self) -> None:
        """Count how the executions of this database have ended."""
        self.tally.statuses.update(one.status for one in self.observer.ended.values())

    def _keep(self, name: str) -> Path:
        folder = self.kept / name.replace("/", "-")
        folder.mkdir(parents=True, exist_ok=True)
        for path in (*self.database.parent.iterdir(), self.log):
            if path.exists():
                shutil.copy(path, folder)
        lines = [json.dumps(asdict(one), default=str) for one in self.record]
        (folder / "requests.jsonl").write_text("\n".join(lines))
        return folder


def draw(seed: str) -> Random:
    """Return what draws a round's details."""
    return Random(seed)  # noqa: S311 - to be repeated, not to be secret


def blows(report: Path) -> list[dict[str, Any]]:
    """Return the blows that a victim has told of."""
    if not report.exists():
        return []
    return [json.loads(line) for line in report.read_text().splitlines()]
