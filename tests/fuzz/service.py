"""The service as a process that is fuzzed, and what it says of itself afterwards."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

ROOT: Final = Path(__file__).parents[2]

_READY_WITHIN_S: Final = 30.0
_ENDS_WITHIN_S: Final = 40.0

#: So slow that jobs are met while they run, and so fast that they end.
_ITEMS_PER_S: Final = 100

#: Words that no request may bring into the log, and levels that none may reach.
_NEVER: Final = ("Traceback", "request failed unexpectedly")
_BAD_LEVELS: Final = frozenset({"error", "critical"})

Line = dict[str, Any]


class Service:
    """``ingest serve`` on a port of the kernel's choice, for the time of a ``with``.

    Args:
        folder: Where its database and its log go.
        bank: Its item bank.
        takes_token: Whether it asks for one; `token` is one that may do everything.
    """

    def __init__(self, folder: Path, bank: Path, *, takes_token: bool) -> None:
        self.url = ""
        self.token = ""
        self.database = folder / "ingest.db"
        self.log = folder / "log"
        self.exit_code: int | None = None
        self._command = [
            *(sys.executable, "-m", "ingest", "serve", "--port", "0"),
            *("--database", str(self.database), "--bank", str(bank)),
            *("--max-items-per-second", str(_ITEMS_PER_S)),
        ]

        self._takes_token = takes_token

    def __enter__(self) -> Self:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "INGEST_LOG_FORMAT": "json",
        }
        if self._takes_token:
            environment["INGEST_AUTH_REQUIRE"] = "always"
            self.token = self._new_token(environment)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self.log.parent, env=environment, stderr=log
            )
        try:
            self.url = self._listens_at()
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self.exit_code = self._process.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self.exit_code = self._process.wait()

    def _new_token(self, environment: Mapping[str, str]) -> str:
        command = ["token", "new", "fuzz", "--scope", "ingest:operate"]
        return subprocess.check_output(
            [sys.executable, "-m", "ingest", *command, "--database", str(self.database)],
            cwd=self.log.parent,
            env=environment,
            stderr=subprocess.DEVNULL,  # words for a person about the secret
            text=True,
        ).strip()

    def _listens_at(self) -> str:
        until = time.monotonic() + _READY_WITHIN_S
        while time.monotonic() < until and self._process.poll() is None:
            for line in self.lines():
                if line.get("event") == "service ready":
                    return str(line["url"])
            time.sleep(0.05)  # it logs to a file, which nothing tells of
        raise RuntimeError(f"the service is not ready: {self.log.read_text()}")

    def lines(self) -> Iterator[Line]:
        """Yield what it has logged."""
        for text in self.log.read_text().splitlines():
            try:
                yield json.loads(text)
            except ValueError:
                yield {"event": text}

    def requests(self) -> Iterator[Line]:
        """Yield the lines of requests; those of the probes are not logged."""
        return (line for line in self.lines() if line.get("event") == "request")


def faults_of(service: Service) -> list[str]:
    """Return what a service that has ended did wrong, by its log, its end and its database."""
    faults = [
        f"log: {line}"
        for line in service.lines()
        if line.get("level") in _BAD_LEVELS or any(word in str(line) for word in _NEVER)
    ]
    if service.exit_code != 0:
        faults.append(f"the service ended with code {service.exit_code}")
    check = subprocess.run(
        [sys.executable, "-m", "ingest", "db", "check", "--database", str(service.database)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if check.returncode != 0:
        faults.append(f"db check: {check.stdout}{check.stderr}")
    return faults
