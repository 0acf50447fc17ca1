"""structlog, configured once: a console for people, a JSON object a line for everything else."""

import logging
import sys
from typing import Any, Final

import orjson
import structlog
from structlog.typing import Processor

from ingest.settings import LogSettings

#: What libraries say through the standard library is of interest from here on.
_LIBRARIES: Final = logging.WARNING


def configure(settings: LogSettings) -> None:
    """Send every log line to stderr, in the format and from the level that is set."""
    as_console = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderers: list[Processor] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
        if as_console
        else [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_json),
        ]
    )
    structlog.configure(
        processors=[*shared, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(settings.level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(_LIBRARIES)


def _json(event: Any, **_options: object) -> str:
    return orjson.dumps(event, default=str).decode()
