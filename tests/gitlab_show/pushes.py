"""Pushes by hooks that really call back, with the service killed in the middle."""

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from typing import Final

from attrs import define, field

from tests.bench import straight
from tests.bench.processes import free_port
from tests.bench.report import percentile
from tests.gitlab_show.banks import authors, keys_of
from tests.gitlab_show.fake import Fake, fake_gitlab
from tests.gitlab_show.report import Cell, Table
from tests.gitlab_show.service import Service, service
from tests.gitlab_show.stage import Stage, Way
from tests.gitlab_show.storm import Push, Storm, synchronizing
from tests.gitlab_show.waiting import until
from tests.gitlab_show.watching import Watcher, watching

#: For what was accepted, after the last push.
_IN_STEP_WITHIN_S: Final = 60.0

_KEPT_FROM_WRITING_S: Final = 0.2

_NOTE: Final = (
    "From the moment in which the fake has the 202 to the moment in which a reader of the database "
    "sees the commit in item_log, over all accepted pushes; where the service is killed, those "
    f"that waited for its successor are among them; in its last {_KEPT_FROM_WRITING_S:g} s another "
    "program holds the database's lock. Refused: no 2xx, for nobody listened; GitLab "
    "does not tell of such a push again, and the next synchronization has to find it. The "
    "synchronizations beside ask for every project's revision, one after the other."
)


def show(stage: Stage) -> Iterable[Table]:
    """Push in several ways."""
    sizes = stage.sizes
    table = Table(
        title=f"{sizes.pushes:,} pushes in {sizes.push_s:g} s to {sizes.pushed_items:,} items",
        note=_NOTE,
    )
    bank, folder = stage.bank(sizes.pushed_items), stage.folder / "pushes"
    with (
        authors(bank) as people,
        fake_gitlab(bank, folder, seed=stage.seed) as fake,
        closing(_Lives(fake, stage)) as lives,
    ):
        stage.say("a first synchronization, which makes the hooks")
        run = lives.ours.outcome()
        table.must(run.status == "COMPLETED", f"the first synchronization: {run.message}")
        for way in sizes.push_ways:
            stage.say(f"pushes, {way.name}")
            storm = Storm(
                fake=fake,
                people=people,
                keys=keys_of(bank),
                pushes=round(sizes.pushes * way.share),
                within_s=sizes.push_s,
                seed=f"{stage.seed} {way.name}",
            )
            table.rows.append(_Show(way, storm, lives, table).run())
    yield table


class _Lives:
    """The service, process after process, on one database and one port."""

    def __init__(self, fake: Fake, stage: Stage) -> None:
        self._fake = fake
        self._folder = stage.folder / "pushes"
        self._port = free_port()
        self._life = ExitStack()
        self.ours = self._begin()

    def kill(self) -> float:
        """Kill the process and start another one at once; return the seconds until it is ready.

        At its death it waits to write: a push that it had accepted then was not on record.
        """
        with closing(sqlite3.connect(self.ours.database, timeout=10.0)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(_KEPT_FROM_WRITING_S)
            killed_at = time.monotonic()
            os.kill(self.ours.pid, signal.SIGKILL)
            self._life.close()
        self.ours = self._begin()
        return time.monotonic() - killed_at

    def close(self) -> None:
        """End the process."""
        self._life.close()

    def _begin(self) -> Service:
        return self._life.enter_context(
            service(
                self._fake,
                self._folder,
                port=self._port,
                webhook_url=f"http://127.0.0.1:{self._port}/webhook",
                webhook_create_hooks="true",
                gitlab_listing="group",
                gitlab_full_check_every=1,
            )
        )


@define(eq=False)
class _Show:
    """Pushes in one way."""

    way: Way
    storm: Storm
    lives: _Lives
    table: Table
    down_s: float = 0.0
    made: list[Push] = field(factory=list)

    def run(self) -> dict[str, Cell]:
        """Push, wait, judge; return the figures."""
        self.storm.fake.clear_requests()
        with watching(self.lives.ours.database) as watcher, ExitStack() as stack:
            beside = None
            if self.way.is_beside:
                beside = stack.enter_context(synchronizing(self.lives.ours))
            self._push()
            accepted = [one for one in self.made if one.accepted_at is not None]
            until(
                lambda: all(one.commit in watcher.seen_at for one in accepted),
                f"{self.way.name}: all that was accepted is in step",
                within_s=_IN_STEP_WITHIN_S,
            )
        requests = self.storm.fake.requests()["total"]
        self._judge(accepted)
        return {
            "way": self.way.name,
            "pushes": len(self.made),
            "items": len({one.key for one in self.made}),
            "accepted": len(accepted),
            "refused": len(self.made) - len(accepted),
            **_latencies(accepted, watcher),
            "answer p99, ms": _percentile_ms([one.answer_s or 0.0 for one in accepted], 99),
            "down, s": self.down_s or None,
            "requests": requests,
            "syncs beside": None if beside is None else beside.completed,
        }

    def _push(self) -> None:
        thread = threading.Thread(target=self._storm, name="storm")
        thread.start()
        if self.way.is_killed:
            time.sleep(self.storm.within_s / 2)
            self.down_s = self.lives.kill()
        thread.join()

    def _storm(self) -> None:
        self.made = self.storm.run()

    def _judge(self, accepted: Sequence[Push]) -> None:
        """Compare the rows with the repositories, before and after another synchronization."""
        must, name, ours = self.table.must, self.way.name, self.lives.ours
        must(len(self.made) == self.storm.pushes, f"{name}: only {len(self.made)} were pushed")
        must(
            self.way.is_killed or len(accepted) == len(self.made),
            f"{name}: {len(self.made) - len(accepted)} were refused, though nobody was killed",
        )
        until(lambda: _pending(ours) == 0, f"{name}: no push is pending")
        last = {one.key: one for one in self.made}
        heads, stored = self.storm.people.heads(), _revisions(ours)
        late = [
            key
            for key, one in last.items()
            if one.accepted_at is not None and stored.get(key) != heads[key]
        ]
        must(not late, f"{name}: accepted and not in step: {', '.join(late[:5])}")
        run = ours.outcome()
        must(run.status == "COMPLETED", f"{name}, the next synchronization: {run.message}")
        try:
            straight.unchanged(self.storm.people.bank, ours.database)
        except ValueError as error:
            must(holds=False, what=f"{name}, after the next synchronization: {error}")


def _latencies(accepted: Sequence[Push], watcher: Watcher) -> dict[str, Cell]:
    """Return the milliseconds from accepting a push to its row."""
    took_s = [
        max(0.0, watcher.seen_at[one.commit] - one.accepted_at)
        for one in accepted
        if one.accepted_at is not None
    ]
    return {f"p{percent}, ms": _percentile_ms(took_s, percent) for percent in (50, 90, 99)}


def _percentile_ms(values_s: Sequence[float], percent: float) -> float | None:
    return percentile(values_s, percent) * 1000 if values_s else None


def _pending(ours: Service) -> int:
    return int(_rows(ours, "SELECT count(*) FROM pending_push")[0][0])


def _revisions(ours: Service) -> dict[str, str]:
    query = "SELECT bank_key, current_commit_hash FROM item_git"
    return {str(key): str(commit) for key, commit in _rows(ours, query)}


def _rows(ours: Service, query: str) -> list[tuple[str | int, ...]]:
    with closing(sqlite3.connect(ours.database, timeout=10.0)) as connection:
        return connection.execute(query).fetchall()
