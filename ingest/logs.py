"""structlog, configured once: a console for people, a JSON object a line for everything else."""

import atexit
import json
import logging
import sys
from typing import Any, Final

import orjson
import structlog
from stamina.instrumentation import RetryDetails, set_on_retry_hooks
from structlog.typing import EventDict, Processor

from ingest.log_lines import LineWriter
from ingest.settings import LogSettings

#: What libraries say through the standard library is of interest from here on.
_LIBRARIES: Final = logging.WARNING

#: The last lines are waited for so long where the process ends.
LAST_LINES_S: Final = 1.0

_writers: Final[list[LineWriter]] = []


def configure(settings: LogSettings) -> None:
    """Send every log line to stderr, in the format and from the level that is set.

    Lines are written by a thread: see `LineWriter`. Whoever ends the process without the
    interpreter's own end calls `flush` before.
    """
    as_console = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderers: list[Processor] = [structlog.processors.format_exc_info]
    renderers += (
        [
            _escape,
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ]
        if as_console
        else [structlog.processors.JSONRenderer(serializer=_json)]
    )
    writer = LineWriter(
        sys.stderr,
        lost=lambda lines: (
            f"{lines} log lines were lost"
            if as_console
            else _json({"event": "lost", "lines": lines})
        ),
    )
    _writers[:] = [writer]
    structlog.configure(
        processors=[*shared, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(settings.level),
        logger_factory=lambda *_: _Logger(writer),
        cache_logger_on_first_use=True,
    )
    set_on_retry_hooks([_log_retry])
    handler = _Handler(writer)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(_LIBRARIES)


def _log_retry(details: RetryDetails) -> None:
    """Say that something is tried again; quietly where it is counted as well, as the cause says."""
    log = structlog.get_logger(__name__)
    is_counted = getattr(details.caused_by, "is_counted", False)
    (log.debug if is_counted else log.warning)(
        "trying again",
        reason=str(details.caused_by),
        failures=details.retry_num,
        after_s=round(details.wait_for, 3),
    )


def flush(within_s: float = LAST_LINES_S) -> None:
    """Wait for the lines that are on their way, for as long as that."""
    for writer in _writers:
        writer.flush(within_s)


atexit.register(flush)


def _escape(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Write what a terminal would obey as Python writes it: paths and messages may be anybody's."""
    for key, value in event.items():
        if key == "exception":
            # Indented, so that no message looks like a line of its own.
            event[key] = "\n  ".join(map(_escaped, str(value).split("\n")))
        elif isinstance(value, str):
            event[key] = _escaped(value)
    return event


def _escaped(text: str) -> str:
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


class _Logger:
    """What structlog hands its finished lines to."""

    def __init__(self, writer: LineWriter) -> None:
        self.msg = writer.write_line
        self.debug = self.info = self.warning = self.error = self.critical = self.msg
        self.exception = self.msg


class _Handler(logging.Handler):
    """What the standard library's logging hands its records to."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Format a record and hand it on."""
        try:
            self._writer.write_line(self.format(record))
        except Exception:  # noqa: BLE001 - whatever a library logs, it must not fail of it
            self._writer.write_line(f"a log record of {record.name} could not be formatted")


def _json(event: Any, **_options: object) -> str:
    try:
        return orjson.dumps(event, default=str).decode()
    except TypeError:  # such as a lone surrogate, in the name of a file
        return json.dumps(event, default=str)
