"""Where handlers find the objects they work with: typed keys of the application."""

import asyncio
from typing import Final

from aiohttp import web
from attrs import frozen

from ingest.bank.base import ItemBank
from ingest.items.pushes import PushInbox
from ingest.items.single import SingleItems
from ingest.jobs.service import JobService
from ingest.jobs.watchdog import LoopWatchdog
from ingest.metrics.instruments import Metrics
from ingest.model.access import Caller
from ingest.model.secret import Secret
from ingest.storage.database import Database
from ingest.storage.lock import DatabaseLock


class Lifecycle:
    """Whether the service takes requests, and whether it is about to go."""

    def __init__(self) -> None:
        #: Set from the moment in which shutdown begins.
        self.closing = asyncio.Event()
        #: Set when the jobs have ended, or their grace has: nothing changes any more.
        self.drained = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether requests can be served."""
        return not self.closing.is_set()


@frozen(kw_only=True)
class Webhook:
    """What takes in the bank's notifications."""

    #: What they are known by; None where none are taken.
    token: Secret | None
    inbox: PushInbox


LIFECYCLE: Final = web.AppKey("lifecycle", Lifecycle)
DATABASE: Final = web.AppKey("database", Database)
LOCK: Final = web.AppKey("lock", DatabaseLock)
BANK: Final = web.AppKey("bank", ItemBank)
JOBS: Final = web.AppKey("jobs", JobService)
WATCHDOG: Final = web.AppKey("watchdog", LoopWatchdog)
WEBHOOK: Final = web.AppKey("webhook", Webhook)
SINGLE_ITEMS: Final = web.AppKey("single_items", SingleItems)
METRICS: Final = web.AppKey("metrics", Metrics)

#: Who has sent a request, where they have shown a token.
CALLER: Final = web.RequestKey("caller", Caller)
