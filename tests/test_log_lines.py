"""No log line is in anybody's way, and none is an error of its own."""

import io
import os
import threading
from collections.abc import Iterator
from typing import Final

import pytest

from ingest.log_lines import LINES_WAITING, LineWriter
from ingest.logs import _json

DEADLINE_S: Final = 10.0


def lost(lines: int) -> str:
    """Return the line that tells of lost ones."""
    return f"{lines} lost"


class Gate(io.StringIO):
    """A stream that takes nothing until it is opened, and fails where it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        self.opened = threading.Event()
        self.failures = 0

    def write(self, text: str, /) -> int:
        """Wait until it is opened; then write, or fail."""
        self.reached.set()
        assert self.opened.wait(DEADLINE_S)
        if self.failures:
            self.failures -= 1
            raise OSError("no space left")
        return super().write(text)


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A stream that nobody reads at first; its writer's thread is let go in the end."""
    made = Gate()
    yield made
    made.opened.set()


def test_lines_come_out_whole_and_in_order() -> None:
    """What was handed over is there when the flush returns."""
    stream = io.StringIO()
    writer = LineWriter(stream, lost=lost)
    for number in range(100):
        writer.write_line(str(number))
    writer.flush(DEADLINE_S)
    assert stream.getvalue().split() == [str(number) for number in range(100)]


def test_a_reader_that_does_not_read_keeps_nobody(gate: Gate) -> None:
    """However many lines wait, handing one over returns; what is too much is counted as lost."""
    writer = LineWriter(gate, lost=lost)
    writer.write_line("first")
    assert gate.reached.wait(DEADLINE_S)
    for number in range(LINES_WAITING + 7):
        writer.write_line(str(number))
    writer.flush(0.01)  # in vain, and not for ever
    gate.opened.set()
    writer.flush(DEADLINE_S)
    lines = gate.getvalue().splitlines()
    assert lines[0] == "first"
    assert "7 lost" in lines
    assert len(lines) == 1 + LINES_WAITING + 1


def test_what_cannot_be_written_is_told_of_later(gate: Gate) -> None:
    """A full disk is no error of those who log; with room again it is said how much is missing."""
    gate.failures = 2
    gate.opened.set()
    writer = LineWriter(gate, lost=lost)
    writer.write_line("one")
    writer.flush(DEADLINE_S)
    writer.write_line("two")
    writer.flush(DEADLINE_S)
    writer.write_line("three")
    writer.flush(DEADLINE_S)
    assert gate.getvalue().splitlines()[-1] == "three"
    assert "lost" in gate.getvalue()
    assert "one" not in gate.getvalue()


def test_a_pipe_whose_reader_is_gone_is_no_error() -> None:
    """Lines for a broken pipe are lost, and that is all."""
    reader, writes = os.pipe()
    os.close(reader)
    with os.fdopen(writes, "w") as stream:
        writer = LineWriter(stream, lost=lost)
        writer.write_line("one")
        writer.flush(DEADLINE_S)
        writer.write_line("two")
        writer.flush(DEADLINE_S)
        # The buffer would try once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), writes)


def test_whatever_is_logged_has_a_form_in_json() -> None:
    """Also the name of a file that is no text, and an object of any kind."""
    assert _json({"path": "a\udcffb", "thing": object}).startswith('{"path": "a\\udcffb"')
    assert _json({"event": "all is well"}) == '{"event":"all is well"}'
