"""The process that is to die: the real ``ingest serve``, with a fuse laid to a moment of its work.

Nothing of the service is touched: the fuse watches SQLAlchemy's events, and what is written to
stderr. Run as a program, this is a server that has imported everything and forks a victim for
each line it reads: so a process costs milliseconds. It keeps to one thread, for a fork copies
only the one that forks.
"""

import gc
import io
import json
import os
import re
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.engine import Engine

#: What a line asks for in the place of the command line: a service with a stubborn job.
STUBBORN: Final = "stubborn"

Json = dict[str, Any]


class Fuse:
    """Watches for an ordered row of moments, and after the last of them sends signals to itself.

    Args:
        steps: ``[kind, pattern, times]`` each: the so-manieth time counts.
        delay_s: How long after the last moment the first signal comes; 0 is within the moment.
        signals: ``[number, seconds after the one before]`` each.
        report: The file that is told of it, in the moment before.
    """

    def __init__(
        self, *, steps: list[Any], delay_s: float, signals: list[Any], report: str
    ) -> None:
        self._steps = [(kind, re.compile(pattern), times) for kind, pattern, times in steps]
        self._delay_s = delay_s
        self._signals = signals
        self._report = os.open(report, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._seen = 0
        self._last = ""

    def see(self, kind: str, text: str) -> None:
        """Take in a moment of the service's work."""
        self._last = text[:200]
        if not self._steps:
            return
        wanted, pattern, times = self._steps[0]
        if kind != wanted or pattern.search(text) is None:
            return
        self._seen += 1
        if self._seen == times:
            del self._steps[0]
            self._seen = 0
            if not self._steps:
                self._light()

    def _light(self) -> None:
        if self._delay_s == 0 and len(self._signals) == 1:
            self._send(self._signals[0][0])
        else:
            threading.Thread(target=self._burn, daemon=True).start()

    def _burn(self) -> None:
        time.sleep(self._delay_s)
        for number, after_s in self._signals:
            time.sleep(after_s)
            self._send(number)

    def _send(self, number: int) -> None:
        line = {"signal": number, "at": time.monotonic(), "last": self._last}
        os.write(self._report, json.dumps(line).encode() + b"\n")
        os.kill(os.getpid(), number)


def lay(fuse: Fuse) -> None:
    """Show a fuse everything that the service does from now on."""

    def statement(*seen: Any) -> None:
        _, _, sql, parameters, _, is_many = seen
        text = sql
        if sql.startswith("UPDATE batch_job_execution SET") and not is_many:
            text = f"{sql}|{','.join(map(str, parameters))}"
        fuse.see("sql", text)

    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "commit", lambda _: fuse.see("commit", ""))
    sys.stderr = _Watched(sys.stderr.buffer, fuse)


class _Watched(io.TextIOWrapper):
    """Standard error, which the fuse reads along."""

    def __init__(self, buffer: Any, fuse: Fuse) -> None:
        super().__init__(buffer, encoding="utf-8", line_buffering=True)
        self._fuse = fuse

    def write(self, text: str, /) -> int:
        written = super().write(text)
        self.flush()
        self._fuse.see("log", text)
        return written


def run(order: Json) -> None:
    """Be the victim that *order* describes; does not return."""
    os.environ.update(order["environment"])
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, sys.stderr.fileno())
    if order["fuse"] is not None:
        lay(Fuse(**order["fuse"]))
    code = 1
    try:
        if order["arguments"][0] == STUBBORN:
            from tests.soak.stubborn import serve_stubborn  # noqa: PLC0415 - imports this module

            code = serve_stubborn(*order["arguments"][1:])
        else:
            from ingest.cli import cli  # noqa: PLC0415 - the server has imported it

            cli(order["arguments"], prog_name="ingest")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - the process's last words, whatever they are
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _fork(order: Json, close: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        close()
        run(order)
    return pid


def _tell(document: Json) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def _reap(children: set[int]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        children.discard(pid)
        _tell({"pid": pid, "exit": os.waitstatus_to_exitcode(status)})


def serve_forks() -> None:
    """Fork a victim for every line of stdin, and tell of each one's pid and end on stdout."""
    import alembic.command  # noqa: F401, PLC0415

    import ingest.cli  # noqa: PLC0415 - all of it is imported once, and for all victims
    import ingest.serve  # noqa: F401, PLC0415
    import tests.soak.stubborn  # noqa: F401, PLC0415

    woken, wakes = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    children: set[int] = set()
    lines = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115 - for the whole life

    def close() -> None:
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1):
            os.dup2(nothing, number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.close(woken)
        os.close(wakes)

    while True:
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _reap(children)
        if 0 in ready:
            line = lines.readline()
            if not line:
                break
            order = json.loads(line)
            pid = _fork(order, close)
            children.add(pid)
            _tell({"number": order["number"], "pid": pid})
    for pid in children:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    serve_forks()
