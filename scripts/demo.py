"""Play the client's document through on real repositories, and show every request and answer.

Exit code 0 if every answer was the one that the document promises, 1 otherwise.
"""

import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

ITEMS: Final = 2000
PORT: Final = 9081
RATE: Final = 400
PATIENCE_S: Final = 60.0

#: The one executable, where it is named, or the package.
PROGRAM: Final = os.environ.get("PROJECT_PROGRAM")
INGEST: Final = [PROGRAM] if PROGRAM else [sys.executable, "-m", "ingest"]
RUNBOOK: Final = (
    "select job_execution_id, job_instance_id, start_time, end_time, status, exit_message "
    "from batch_job_execution order by start_time desc"
)

Answer = tuple[int, str]


class Demo:
    """A service at an address, and what is said to it."""

    def __init__(self, port: int) -> None:
        self.host = f"127.0.0.1:{port}"
        self.surprises: list[str] = []

    def say(self, words: str) -> None:
        """Tell what comes now."""
        print(f"\n\033[1m# {words}\033[0m" if sys.stdout.isatty() else f"\n# {words}", flush=True)

    def request(self, method: str, path: str, *, expect: int = 200, quiet: bool = False) -> Answer:
        """Send a request; print it as a person would type it, and the answer as it came."""
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE_S)
        connection.request(method, path)
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        if not quiet:
            verb = "" if method == "GET" else f"X {method}"
            print(f"$ curl -i{verb} 'http://{self.host}{path}'")
            print(f"HTTP/1.1 {response.status} {response.reason}")
            for name in ("Content-Type", "Location", "Retry-After"):
                if response.headers.get(name):
                    print(f"{name}: {response.headers[name]}")
            print(f"\n{body}\n", flush=True)
        if response.status != expect:
            self.surprises.append(f"{method} {path}: {response.status}, expected {expect}")
        return response.status, body

    def execution(self, number: int) -> dict[str, Any]:
        """Return an execution, without a word."""
        document: dict[str, Any] = json.loads(
            self.request("GET", f"/executions/{number}", quiet=True)[1]
        )
        return document

    def wait(self, what: str, holds: Callable[[], bool]) -> None:
        """Look again until *holds*, for a while."""
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            if time.monotonic() > deadline:
                raise SystemExit(f"demo: waited {PATIENCE_S:g} s in vain for {what}")
            time.sleep(0.1)


def play(demo: Demo, database: Path) -> None:
    """Start, 409, progress, abandon, abandon again, start to the end, look."""
    demo.say("Start the synchronization.")
    demo.request("POST", "/sync")
    demo.say("Start it again: it runs already.")
    demo.request("POST", "/sync", expect=409)
    demo.say("See how far it is.")
    demo.wait("progress", lambda: demo.execution(1)["progress"]["processed"] > 0)
    demo.request("GET", "/executions/1")
    demo.say("Abandon it. The answer comes when it has wound down and that is on record.")
    began = time.monotonic()
    _, body = demo.request("PUT", "/abandon/1")
    print(f"(answered after {(time.monotonic() - began) * 1000:.0f} ms)")
    expect_status(demo, body, "ABANDONED")
    demo.say("Abandon it again: nothing runs.")
    _, body = demo.request("PUT", "/abandon/1")
    expect_status(demo, body, "NO JOB EXECUTIONS")
    demo.say("Start anew, at once, and follow it to its end.")
    demo.request("POST", "/sync")
    demo.wait("the end", lambda: follow(demo))
    demo.request("GET", "/executions/2")
    if demo.execution(2)["status"] != "COMPLETED":
        demo.surprises.append("execution 2 did not complete")
    demo.say("What ran, newest first.")
    demo.request("GET", "/executions?limit=2")
    demo.say("Search what was ingested.")
    demo.request("GET", "/items?type=mc&limit=1")
    demo.say("The runbook's SQL works on the file, while the service runs.")
    print(f'$ sqlite3 "{database}" "{RUNBOOK}"')
    with sqlite3.connect(database) as connection:
        for row in connection.execute(RUNBOOK):
            print("|".join(str(value) for value in row))


def expect_status(demo: Demo, body: str, status: str) -> None:
    """Note it when an answer speaks of another status."""
    if json.loads(body)["status"] != status:
        demo.surprises.append(f"status {status} expected: {body}")


def follow(demo: Demo) -> bool:
    """Print a line of progress; return whether the second execution has ended."""
    execution = demo.execution(2)
    progress = execution["progress"]
    line = f"{execution['status']} {progress['processed']} of {progress['total']} items"
    print(f"\r{line}" if sys.stdout.isatty() else line, end="" if sys.stdout.isatty() else "\n")
    sys.stdout.flush()
    if execution["endTime"] is None:
        time.sleep(0.9)
        return False
    print()
    return True


def free_port() -> int:
    """Return the usual port, or any other if somebody listens there."""
    for port in (PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise SystemExit("demo: no port to listen on")


def main() -> int:
    """Make the bank, run the service, play, and stop it."""
    with tempfile.TemporaryDirectory(prefix="ingest-demo-") as folder:
        bank, database = Path(folder, "bank"), Path(folder, "ingest.db")
        log = Path(folder, "service.log")
        demo = Demo(free_port())
        demo.say(f"A sample bank of {ITEMS} real git repositories.")
        make = ["bank", "sample", str(bank), "--items", str(ITEMS)]
        print("$ ingest " + " ".join(make), flush=True)
        subprocess.run([*INGEST, *make], check=True)
        flags = ["--port", demo.host.partition(":")[2], "--database", str(database)]
        flags += ["--bank", str(bank), "--max-items-per-second", str(RATE)]
        demo.say("The service, kept slow enough to be caught at work.")
        print("$ ingest serve " + " ".join(flags), flush=True)
        environment = {key: value for key, value in os.environ.items() if "INGEST" not in key}
        with log.open("wb") as lines:
            service = subprocess.Popen([*INGEST, "serve", *flags], stderr=lines, env=environment)
        try:
            demo.wait("the service", lambda: is_up(demo, service, log))
            play(demo, database)
            if sys.stdout.isatty() and sys.stdin.isatty():
                leave_running(demo, service, log)
        finally:
            if service.poll() is None:
                service.send_signal(signal.SIGTERM)
            code = service.wait(timeout=PATIENCE_S)
        demo.say(f"Stopped with SIGTERM; the service's exit code is {code}.")
        if code != 0:
            demo.surprises.append(f"exit code {code}")
    for surprise in demo.surprises:
        print(f"demo: NOT as promised: {surprise}", file=sys.stderr)
    return 1 if demo.surprises else 0


def is_up(demo: Demo, service: "subprocess.Popen[bytes]", log: Path) -> bool:
    """Return whether the service answers; give up with its log when it has ended."""
    if service.poll() is not None:
        raise SystemExit(f"demo: the service ended\n{log.read_text()}")
    try:
        return demo.request("GET", "/health/ready", quiet=True)[0] == http.client.OK
    except OSError:
        return False


def leave_running(demo: Demo, service: "subprocess.Popen[bytes]", log: Path) -> None:
    """Let people try by hand until they have had enough."""
    demo.say(f"It runs on at http://{demo.host} (log: {log}). Try it by hand; Ctrl-C ends it.")
    print(f"$ curl -iX PUT http://{demo.host}/abandon/1", flush=True)
    try:
        service.wait()
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    sys.exit(main())
