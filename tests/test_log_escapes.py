"""Log lines about what others have sent: harmless on a terminal, and no louder than it deserves."""

import asyncio
import logging
import re
from collections.abc import Iterator

import orjson
import pytest
import structlog

from ingest import logs
from ingest.settings import LogSettings, Settings
from tests.support.processes import DEADLINE_S, serving

#: Colours, a title, the screen cleared, in 8 bits too; a line that was never logged.
ESCAPES = "\x1b[31m\x1b]0;title\x07\x1b[2J\x9b31m\r\n2026-11-26 [info] forged\x7f\u202e"


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Leave the standard library's logging as it was."""
    root = logging.getLogger()
    before, level = root.handlers, root.level
    yield
    root.handlers = before
    root.setLevel(level)


def fail() -> None:
    """Raise what has escapes in its words."""
    raise ValueError(ESCAPES)


def test_no_escape_reaches_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """On a console, whatever stands in an event, a value or an exception is only shown."""
    logs.configure(LogSettings(format="console"))
    log = structlog.get_logger("tests")
    log.info(ESCAPES, path=f"/{ESCAPES}", names=[ESCAPES], error=ValueError(ESCAPES))
    try:
        fail()
    except ValueError:
        log.exception("failed")
        logging.getLogger("tests").exception("failed %s", ESCAPES)
    logs.flush(DEADLINE_S)
    text = capsys.readouterr().err
    assert text.count("forged") == 7
    assert all(one.isprintable() or one == "\n" for one in text), text
    assert not [line for line in text.splitlines() if line.startswith("2026-11-26 [info] forged")]
    assert "Traceback (most recent call last):" in text


def test_lines_for_programs_have_what_was_sent(capsys: pytest.CaptureFixture[str]) -> None:
    """In JSON a value is what it was, on one line."""
    logs.configure(LogSettings(format="json"))
    structlog.get_logger("tests").info("event", path=f"/{ESCAPES}")
    logs.flush(DEADLINE_S)
    (line,) = capsys.readouterr().err.splitlines()
    assert orjson.loads(line)["path"] == f"/{ESCAPES}"


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\x1b[31m HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Evil: \x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX-Evil: " + b"a" * 100_000 + b"\r\n\r\n",
        b"\r\n\r\n nonsense\r\n\r\n",
    ],
    ids=["tls", "version", "escape", "nul", "length", "smuggled", "line", "header", "nonsense"],
)
async def test_what_is_no_http_is_one_quiet_line(settings: Settings, sent: bytes) -> None:
    """It is refused, its connection is closed, and the log has a line without a traceback."""
    async with serving(settings) as service:
        address = (await service.logged("service ready"))["url"].removeprefix("http://")
        host, _, port = address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(sent)
        async with asyncio.timeout(DEADLINE_S):
            answer = await reader.read()
        writer.close()
        assert re.match(rb"HTTP/1\.[01] 4(00|31) ", answer)
        service.process.terminate()
        assert await service.ended() == 0
    told = [line for line in service.lines if line.get("event") == "not a request"]
    assert len(told) <= 1
    text = str(service.lines)
    assert "Traceback" not in text
    assert "'level': 'error'" not in text
