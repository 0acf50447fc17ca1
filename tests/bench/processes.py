"""The processes that are measured, seen from outside: started, asked over HTTP, ended."""

import http.client
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson
from attrs import define, frozen

_READY_WITHIN_S: Final = 30.0
_END_WITHIN_S: Final = 30.0
_ENDED: Final = frozenset({"COMPLETED", "FAILED", "STOPPED", "ABANDONED"})


@frozen
class Place:
    """Where a run keeps its bank and its databases; *template* has the schema and no rows."""

    folder: Path
    bank: Path
    template: Path

    def new_database(self, name: str) -> Path:
        """Return a fresh database, in place of the last one of this name."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return Path(shutil.copy(self.template, folder / "ingest.db"))


@define
class Server:
    """A process that listens, and one connection to it that stays open."""

    database: Path
    connection: http.client.HTTPConnection

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

    def abandon(self) -> tuple[Any, float]:
        """Abandon what runs, which must be running; return the answer and the seconds."""
        answer, took_s = self.ask("PUT", "/abandon/1")
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

    def sync(self) -> float:
        """Run a synchronization to its end; return the seconds from asking to its last commit."""
        execution_id = self.ask("POST", "/sync")[0]["jobExecutionId"]
        return self.ended(execution_id)

    def ended(self, execution_id: int) -> float:
        """Wait for an execution's success; return its seconds, by the service's own records.

        Raises:
            RuntimeError: It did not end well.
        """
        while (status := self.stored_status(execution_id)) not in _ENDED:
            time.sleep(0.1)
        if status != "COMPLETED":
            raise RuntimeError(f"execution {execution_id} ended as {status}")
        events = self.ask("GET", f"/executions/{execution_id}/history")[0]["events"]
        at = {event["event"]: datetime.fromisoformat(event["at"]) for event in events}
        return (at["ended"] - at["requested"]).total_seconds()

    def stored_status(self, execution_id: int) -> str:
        """Return an execution's status, read past the process and so at no cost to it."""
        connection = sqlite3.connect(self.database, timeout=10.0)
        query = "SELECT status FROM batch_job_execution WHERE job_execution_id = ?"
        (status,) = connection.execute(query, (execution_id,)).fetchone()
        connection.close()
        return str(status)

    def empty(self) -> None:
        """Take every item out of the database."""
        with sqlite3.connect(self.database, timeout=10.0) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("DELETE FROM item")
            connection.execute("DELETE FROM ingest_problem")
            connection.commit()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        connection.close()


@contextmanager
def service(place: Place) -> Iterator[Server]:
    """Run the service on a fresh database."""
    database = place.new_database("service")
    port = _free_port()
    command = ["ingest", "serve", "--host", "127.0.0.1", "--port", f"{port}"]
    command += ["--database", f"{database}", "--bank", f"{place.bank}"]
    with _running(command, port, place.folder / "service.log") as connection:
        yield Server(database, connection)


@contextmanager
def floor(name: str, place: Place) -> Iterator[Server]:
    """Run a floor that listens, on a fresh database."""
    database = place.new_database(name)
    port = _free_port()
    command = ["tests.bench.floors", name, f"{place.bank}", f"{database}", f"{port}"]
    with _running(command, port, place.folder / f"{name}.log") as connection:
        yield Server(database, connection)


def script(name: str, bank: Path, database: Path) -> float:
    """Run a floor that is a straight script; return the seconds that it took."""
    command = [sys.executable, "-m", "tests.bench.floors", name, f"{bank}", f"{database}"]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=_env()).stdout)


@contextmanager
def _running(command: list[str], port: int, log: Path) -> Iterator[http.client.HTTPConnection]:
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", *command], stderr=output, env=_env())
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60.0)
        try:
            _wait_until_ready(process, connection, log)
            yield connection
        finally:
            connection.close()
            process.terminate()
            try:
                process.wait(_END_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(
    process: "subprocess.Popen[bytes]", connection: http.client.HTTPConnection, log: Path
) -> None:
    until = time.monotonic() + _READY_WITHIN_S
    while True:
        try:
            connection.request("GET", "/health/live")
            connection.getresponse().read()
        except ConnectionError:
            connection.close()
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"not ready: {log.read_text()[-2000:]}") from None
            time.sleep(0.02)
        else:
            return


def _env() -> dict[str, str]:
    # Nobody's own configuration may change what is measured.
    return {name: value for name, value in os.environ.items() if not name.startswith("INGEST_")}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
