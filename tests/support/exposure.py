"""All that a log or a crash reporter could show of an error, as text, to look for secrets in."""

import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Final

from structlog.tracebacks import ExceptionDictTransformer

#: Shows local variables as rich does, which it asks for their parts.
_WITH_LOCALS: Final = ExceptionDictTransformer(
    show_locals=True, locals_max_length=1000, locals_max_string=100_000, max_frames=200
)


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all behind it, causes and contexts, also those that are not shown."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or any(one is other for other in seen):
            continue
        seen.append(one)
        yield one
        waiting += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions


def shown(error: BaseException) -> str:
    """Return what of an error and its chain can be shown, local variables and all."""
    parts = [*traceback.format_exception(error)]
    for one in chain(error):
        parts += [str(one), repr(one), repr(vars(one)), *_locals(one.__traceback__)]
        parts.append(repr(_WITH_LOCALS((type(one), one, one.__traceback__))))
    return "\n".join(parts)


def _locals(trace: TracebackType | None) -> Iterator[str]:
    while trace is not None:
        for value in list(trace.tb_frame.f_locals.values()):
            try:
                yield repr(value)
            except Exception:  # noqa: BLE001, S112 - half of an object has no repr
                continue
        trace = trace.tb_next
