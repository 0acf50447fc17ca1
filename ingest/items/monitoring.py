"""Seeing to it that the bank tells this service of pushes to each item."""

from collections.abc import Sequence
from functools import partial
from typing import Final

import structlog

from ingest.aio import together
from ingest.bank.base import PushNotices
from ingest.errors import HookRefusedError, ItemNotFoundError
from ingest.items.effects import Effects
from ingest.items.job import JobRun
from ingest.storage.monitoring import ToMonitor, to_monitor, to_monitor_count

_log = structlog.get_logger(__name__)

#: How many items are seen to at once, and put on record together.
AT_ONCE: Final = 16


async def monitor(run: JobRun, effects: Effects, notices: PushNotices) -> int:
    """See to every item of which that is not known; return how many lacked it.

    Where the bank refuses the hooks of `AT_ONCE` items in a row no other is tried in this run: it
    is the token's rights that are missing. Every run says what was refused until that is mended.

    Raises:
        BankUnavailableError: The bank went away; what was seen to is on record.
    """
    made, refused, after = 0, 0, 0
    while page := await run.database.read(partial(to_monitor, after=after, limit=AT_ONCE)):
        after = page[-1][0]
        some = [one for _, one in page]
        outcomes = await together(_ensure(notices, one) for one in some)
        seen_to = [
            one.key for one, outcome in zip(some, outcomes, strict=True) if type(outcome) is bool
        ]
        await effects.monitored(seen_to)
        made += _log_made(some, outcomes)
        refusals = [one for one in outcomes if isinstance(one, HookRefusedError)]
        if refusals:
            _log.warning(
                "push hooks cannot be made", refused=len(refusals), reason=str(refusals[0])
            )
        if len(refusals) == AT_ONCE:
            return made + await run.database.read(to_monitor_count)
        refused += len(refusals)
    return made + refused


async def _ensure(notices: PushNotices, one: ToMonitor) -> bool | HookRefusedError | None:
    """Return whether a hook was made; None where the item has gone meanwhile."""
    try:
        return await notices.ensure(one.key, one.bank_id)
    except ItemNotFoundError:
        return None
    except HookRefusedError as error:
        return error


def _log_made(some: Sequence[ToMonitor], outcomes: Sequence[bool | HookRefusedError | None]) -> int:
    """Say for which items a hook was made; return how many they are."""
    made = [one for one, outcome in zip(some, outcomes, strict=True) if outcome is True]
    for one in made:
        _log.info("ITEM_MONITORED", item_id=int(one.key), bank_key=one.key, commit=one.commit_hash)
    return len(made)
