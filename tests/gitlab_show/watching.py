"""When commits reach the database: read past the service, and so at no cost to it."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from attrs import define, field

_LOOK_EVERY_S: Final = 0.004


@define
class Watcher:
    """Notes when each row of the items' logs is first there, by the monotonic clock."""

    database: Path
    #: By the commit's hash.
    seen_at: dict[str, float] = field(factory=dict)
    _over: threading.Event = field(factory=threading.Event)

    def run(self) -> None:
        """Look again and again, until it is over."""
        last = 0
        uri = f"{self.database.resolve().as_uri()}?mode=ro"
        while not self._over.is_set():
            try:
                with closing(sqlite3.connect(uri, uri=True, timeout=1.0)) as connection:
                    if last == 0:
                        last = connection.execute(
                            "SELECT max(item_log_id) FROM item_log"
                        ).fetchone()[0]
                    while not self._over.wait(_LOOK_EVERY_S):
                        last = self._look(connection, last)
            except sqlite3.OperationalError:
                # As may be while the service dies and its successor recovers the file.
                self._over.wait(_LOOK_EVERY_S)

    def end(self) -> None:
        """Let it end."""
        self._over.set()

    def _look(self, connection: sqlite3.Connection, last: int) -> int:
        query = "SELECT item_log_id, commit_hash FROM item_log WHERE item_log_id > ?"
        for log_id, commit in connection.execute(query, (last,)).fetchall():
            self.seen_at.setdefault(commit, time.monotonic())
            last = max(last, log_id)
        return last


@contextmanager
def watching(database: Path) -> Iterator[Watcher]:
    """Watch a database for new rows of the items' logs."""
    watcher = Watcher(database)
    thread = threading.Thread(target=watcher.run, name="watcher")
    thread.start()
    try:
        yield watcher
    finally:
        watcher.end()
        thread.join()
