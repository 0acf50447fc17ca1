"""The processes that are measured, seen from outside: started, asked over HTTP, ended."""

import http.client
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson
from attrs import define, frozen

_READY_WITHIN_S: Final = 30.0
_END_WITHIN_S: Final = 30.0
#: The processes that can be started for the time they take to be ready.
COLD_STARTS: Final = ("service", "floor")
_ENDED: Final = frozenset({"COMPLETED", "FAILED", "STOPPED", "ABANDONED"})
_NO_SETTINGS: Final[Mapping[str, str]] = {}


@frozen
class Place:
    """Where a run keeps its bank and its databases; *template* has the schema and no rows."""

    folder: Path
    bank: Path
    template: Path

    @property
    def synchronized(self) -> Path:
        """Where a database is kept in which the whole bank is stored."""
        return self.folder / "synchronized.db"

    def keep(self, database: Path) -> None:
        """Keep a copy of a database in which the whole bank is stored, which nobody has open."""
        shutil.copy(database, self.synchronized)

    def new_database(self, name: str, *, begun_with: Path | None = None) -> Path:
        """Return a fresh database, in place of the last one of this name."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return Path(shutil.copy(begun_with or self.template, folder / "ingest.db"))

    def part(self, items: int) -> "Place":
        """Return another place, whose bank has the first items of this one only."""
        folder = self.folder / f"part-{items}"
        bank = folder / "bank"
        if not bank.exists():
            bank.mkdir(parents=True)
            for path in sorted(self.bank.iterdir())[:items]:
                (bank / path.name).symlink_to(path)
        return Place(folder, bank, self.template)


@define
class Server:
    """A process that listens, and one connection to it that stays open."""

    database: Path
    connection: http.client.HTTPConnection
    pid: int

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.connection.port

    def peak_bytes(self) -> int:
        """Return the most memory that the process has held so far."""
        status = Path("/proc", f"{self.pid}", "status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024

    def ask(self, method: str, path: str) -> tuple[Any, float]:
        """Return the answer's document and how long it took, in seconds.

        Raises:
            RuntimeError: The answer is not 200.
        """
        began = time.perf_counter()
        self.connection.request(method, path)
        answer = self.connection.getresponse()
        body = answer.read()
        took_s = time.perf_counter() - began
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{method} {path}: {answer.status} {body.decode()}")
        return orjson.loads(body), took_s

    def abandon(self, instance_id: int = 1) -> tuple[Any, float]:
        """Abandon what runs, which must be running; return the answer and the seconds."""
        answer, took_s = self.ask("PUT", f"/abandon/{instance_id}")
        if answer["status"] != "ABANDONED":
            raise RuntimeError(f"it had ended before it could be abandoned: {answer}")
        return answer, took_s

    def parts_of_abandon(self, answer: Any, took_s: float) -> dict[str, float]:
        """Return where the milliseconds of an abandon went, by the execution's own receipt."""
        receipt = self.ask("GET", f"/executions/{answer['jobExecutionId']}")[0]["receipt"]
        asked, ended, recorded = (
            datetime.fromisoformat(receipt[name]).timestamp() * 1000
            for name in ("askedAt", "workEndedAt", "recordedAt")
        )
        return {
            "the work winds down": ended - asked,
            "its end is written": recorded - ended,
            "it is committed, synced and answered": took_s * 1000 - (recorded - asked),
        }

    def run(self, path: str) -> float:
        """Run a job to its end; return the seconds from asking to its last commit."""
        execution_id = self.ask("POST", path)[0]["jobExecutionId"]
        return self.ended(execution_id)

    def ended(self, execution_id: int) -> float:
        """Wait for an execution's success; return its seconds, by the service's own records.

        Raises:
            RuntimeError: It did not end well.
        """
        status = self.until_ended(execution_id)
        if status != "COMPLETED":
            raise RuntimeError(f"execution {execution_id} ended as {status}")
        events = self.ask("GET", f"/executions/{execution_id}/history")[0]["events"]
        at = {event["event"]: datetime.fromisoformat(event["at"]) for event in events}
        return (at["ended"] - at["requested"]).total_seconds()

    def until_ended(self, execution_id: int) -> str:
        """Wait for an execution's end; return its status."""
        while (status := self.stored_status(execution_id)) not in _ENDED:
            time.sleep(0.1)
        # It may have lain idle for longer than a server keeps a connection.
        self.connection.close()
        return status

    def stored_status(self, execution_id: int) -> str:
        """Return an execution's status, read past the process and so at no cost to it."""
        connection = sqlite3.connect(self.database, timeout=10.0)
        query = "SELECT status FROM batch_job_execution WHERE job_execution_id = ?"
        (status,) = connection.execute(query, (execution_id,)).fetchone()
        connection.close()
        return str(status)

    def empty(self) -> None:
        """Take every item out of the database."""
        _change(self.database, "DELETE FROM item", "DELETE FROM ingest_problem")


def outdate(database: Path) -> None:
    """Make every row one that older rules have derived."""
    _change(database, "UPDATE item SET derivation_version = 0")


def _change(database: Path, *statements: str) -> None:
    with sqlite3.connect(database, timeout=10.0) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()


@contextmanager
def service(place: Place, *, begun_with: Path | None = None) -> Iterator[Server]:
    """Run the service on a fresh database, or a copy of that one."""
    database = place.new_database("service", begun_with=begun_with)
    port = free_port()
    command = _serve(place, database, port)
    with running(command, port, place.folder / "service.log") as (connection, pid):
        yield Server(database, connection, pid)


def _serve(place: Place, database: Path, port: int) -> list[str]:
    command = ["ingest", "serve", "--host", "127.0.0.1", "--port", f"{port}"]
    return [*command, "--database", f"{database}", "--bank", f"{place.bank}"]


@contextmanager
def floor(name: str, place: Place) -> Iterator[Server]:
    """Run a floor that listens, on a fresh database."""
    database = place.new_database(name)
    port = free_port()
    command = ["tests.bench.floors", name, f"{place.bank}", f"{database}", f"{port}"]
    with running(command, port, place.folder / f"{name}.log") as (connection, pid):
        yield Server(database, connection, pid)


def script(name: str, bank: Path, database: Path) -> float:
    """Run a floor that is a straight script; return the seconds that it took."""
    command = [sys.executable, "-m", "tests.bench.floors", name, f"{bank}", f"{database}"]
    return float(
        subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment()).stdout
    )


def cold_start_s(name: str, place: Place) -> float:
    """Start one of `COLD_STARTS` on a database that is there; return the seconds until ready."""
    database = place.new_database(name)
    port = free_port()
    command = _serve(place, database, port)
    if name == "floor":
        command = ["tests.bench.bare_start", f"{database}", f"{port}"]
    log = place.folder / f"{name}.log"
    began = time.perf_counter()
    with running(command, port, log, path="/health/ready", look_every_s=0.002):
        return time.perf_counter() - began


@contextmanager
def running(
    command: list[str],
    port: int,
    log: Path,
    *,
    path: str = "/health/live",
    look_every_s: float = 0.02,
    settings: Mapping[str, str] = _NO_SETTINGS,
) -> Iterator[tuple[http.client.HTTPConnection, int]]:
    """Run a module until it answers at *path*; end it on leaving, if it has not ended.

    Args:
        command: The module and its arguments.
        port: Where it listens.
        log: Gets what it prints.
        path: What it answers with 200 once it is ready.
        look_every_s: How often to ask for that.
        settings: Variables of its environment.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdout=output,
            stderr=output,
            env={**environment(), **settings},
        )
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60.0)
        try:
            _wait_until_ready(process, connection, log, path, look_every_s)
            yield connection, process.pid
        finally:
            connection.close()
            process.terminate()
            try:
                process.wait(_END_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(
    process: "subprocess.Popen[bytes]",
    connection: http.client.HTTPConnection,
    log: Path,
    path: str,
    look_every_s: float,
) -> None:
    until = time.monotonic() + _READY_WITHIN_S
    while True:
        status = None
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            status = answer.status
        except ConnectionError:
            connection.close()
        if status == http.HTTPStatus.OK:
            return
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"not ready: {log.read_text()[-2000:]}")
        time.sleep(look_every_s)


def environment() -> dict[str, str]:
    """Return the environment of what is measured."""
    # Nobody's own configuration may change what is measured.
    return {name: value for name, value in os.environ.items() if not name.startswith("INGEST_")}


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
