"""What a log line shows, and what it does not."""

import io
import logging
import sys

import pytest
import structlog

from ingest import logs
from ingest.settings import LogFormat, LogSettings


def divide(token: str) -> float:
    """Fail with a secret among the variables."""
    return len(token) / 0


@pytest.mark.parametrize("format_", ["console", "json"])
def test_a_traceback_shows_no_values(monkeypatch: pytest.MonkeyPatch, format_: LogFormat) -> None:
    """An exception is logged with its lines of code, not with their variables: one may be a token.

    By whichever way it comes to the log.
    """
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    root = logging.getLogger()
    before = root.handlers, root.level
    logs.configure(LogSettings(format=format_))
    try:
        token = "ingest_" + "x" * 5
        try:
            divide(token)
        except ZeroDivisionError:
            structlog.get_logger("ours").exception("ours failed")
            logging.getLogger("theirs").exception("theirs failed")
        logs.flush()
    finally:
        root.handlers, level = before
        root.setLevel(level)
    said = stream.getvalue()
    assert "ours failed" in said
    assert "theirs failed" in said
    assert said.count("division by zero") == 2
    assert token not in said
