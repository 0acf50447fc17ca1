"""Waiting at a terminal: the bar, and what Ctrl-C asks."""

import contextlib
import os
import pty
import signal
import subprocess
from collections.abc import Callable

import pytest
from click.testing import Result

from tests.support.processes import INGEST

Run = Callable[..., Result]


class Terminal:
    """A command that runs on a terminal of its own, which is the one that controls it."""

    def __init__(self, *arguments: str) -> None:
        self.master, inside = pty.openpty()
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *INGEST, *arguments],
            stdin=inside,
            stdout=inside,
            stderr=inside,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
        )
        os.close(inside)
        self.text = ""

    def read_until(self, words: str) -> None:
        """Read what is shown until *words* are."""
        while words not in self.text:
            self.text += os.read(self.master, 4096).decode(errors="replace")

    def answer(self, words: str) -> None:
        """Type a line."""
        os.write(self.master, f"{words}\n".encode())

    def interrupt(self) -> None:
        """Type Ctrl-C."""
        os.write(self.master, b"\x03")

    def end(self) -> int:
        """Read to the end, and return the exit code."""
        with contextlib.suppress(OSError):  # the other side is closed
            self.read_until("\0")
        code = self.process.wait()
        os.close(self.master)
        return code


@pytest.mark.parametrize(
    ("choice", "words", "status"),
    [("abandon", '"status":"ABANDONED"', "ABANDONED"), ("leave", "was left running", "STARTED")],
)
def test_ctrl_c_asks(run: Run, slow_service: str, choice: str, words: str, status: str) -> None:
    """Ctrl-C on a terminal asks whether to leave the job running or to abandon it."""
    terminal = Terminal("sync", "--wait", "--url", slow_service)
    terminal.read_until("items/s")
    terminal.interrupt()
    terminal.read_until("watching?")
    terminal.answer(choice)
    assert terminal.end() == 1
    assert words in terminal.text
    assert "Traceback" not in terminal.text
    row = run("executions", "--url", slow_service).stdout.splitlines()[1]
    assert row.split("\t")[2] == status


def test_ctrl_c_without_a_terminal_leaves_the_job_running(run: Run, slow_service: str) -> None:
    """Without a terminal there is nobody to ask: the job goes on, and that is said."""
    command = [*INGEST, "sync", "--wait", "--url", slow_service]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        # The second line is one of progress: the command is following by then.
        assert "Started" in process.stdout.readline()
        assert "Job execution 1 START" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert "was left running" in process.stderr.read()
        assert process.wait() == 1
    assert "itemSynchronizationJob\t1\t" in run("jobs", "--url", slow_service).stdout


def test_a_list_is_a_table(service: str) -> None:
    """On a terminal a list is a table with a header."""
    terminal = Terminal("jobs", "--url", service)
    assert terminal.end() == 0
    assert "itemMigrationJob" in terminal.text
    assert "\t" not in terminal.text
