"""Log lines on their way out: never in anybody's way, and never an error of their own."""

import os
import queue
import sys
import threading
from collections.abc import Callable
from typing import Final, TextIO

#: So many lines wait for a reader that is slow; what is beyond is counted, and lost.
LINES_WAITING: Final = 10_000


class LineWriter:
    """Writes lines to a stream, in a thread of its own.

    Whoever logs must not wait for a pipe that nobody reads, and must not fail of a full disk or a
    reader that is gone: no log line may change what becomes of a job. What cannot be written is
    lost, and how much that was is said as soon as something can.

    Args:
        stream: Where the lines go.
        lost: Makes the line that tells how many were lost.
    """

    def __init__(self, stream: TextIO, *, lost: Callable[[int], str]) -> None:
        self._stream = stream
        self._lost = lost
        self._lost_lines = 0
        self._waiting: queue.Queue[str | threading.Event] = queue.Queue(LINES_WAITING)
        self._thread = threading.Thread(target=self._write_on, name="log lines", daemon=True)
        self._thread.start()

    def write_line(self, text: str) -> None:
        """Hand a line over; returns at once, from any thread."""
        try:
            self._waiting.put_nowait(text)
        except queue.Full:
            self._lost_lines += 1

    def flush(self, within_s: float) -> None:
        """Wait until what was handed over is written, but not for longer than *within_s*."""
        written = threading.Event()
        try:
            self._waiting.put(written, timeout=within_s)
        except queue.Full:
            return
        written.wait(within_s)

    def _write_on(self) -> None:
        while True:
            item = self._waiting.get()
            if isinstance(item, threading.Event):
                item.set()
                continue
            lost, self._lost_lines = self._lost_lines, 0
            if lost and not self._write(self._lost(lost)):
                self._lost_lines += lost
            if not self._write(item):
                self._lost_lines += 1

    def _write(self, line: str) -> bool:
        data = f"{line}\n"
        try:
            if self._stream is sys.__stderr__:
                # Past Python's buffer, which would keep what cannot be written, and fail again.
                _write_all(self._stream.fileno(), data.encode(errors="backslashreplace"))
            else:
                self._stream.write(data)
                self._stream.flush()
        except (OSError, ValueError):
            return False
        return True


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
