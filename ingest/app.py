"""The one place where the objects meet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

import structlog
from aiohttp import web

from ingest.access.authentication import Authentication, KnowsCallers, nobody_known
from ingest.access.tokens import OwnTokens
from ingest.api.access import add_routes
from ingest.api.browser import BrowserDefences
from ingest.api.errors import answer_errors, complete_headers
from ingest.api.expectations import ignore_unknown_expectations
from ingest.api.gate import BROWSER_DEFENCES, GATE, Gate, guard
from ingest.api.health import BANK_PROBE, DOWN, BankProbe
from ingest.api.keys import (
    BANK,
    DATABASE,
    JOBS,
    LIFECYCLE,
    LOCK,
    METRICS,
    SINGLE_ITEMS,
    WATCHDOG,
    WEBHOOK,
    Lifecycle,
    Webhook,
)
from ingest.api.limits import LIMITS, Limits
from ingest.api.metrics import LOOKOUT, Lookout, count_requests
from ingest.api.probes import answering_probes
from ingest.api.routes import ROUTES
from ingest.banks import create_bank, push_notices, traffic_of
from ingest.items.migration import Migration
from ingest.items.pushes import PushInbox, PushWorker
from ingest.items.single import SingleItems
from ingest.items.synchronization import Synchronization
from ingest.jobs.catalog import JobCatalog
from ingest.jobs.engine import JobEngine
from ingest.jobs.local import LocalEngine
from ingest.jobs.observer import Observers
from ingest.jobs.retention import Retention
from ingest.jobs.service import JobService
from ingest.jobs.watchdog import LoopWatchdog
from ingest.metrics.instruments import Metrics
from ingest.settings import Settings
from ingest.settings.tree import AuthSettings
from ingest.storage.database import Database
from ingest.storage.execution_queries import ExecutionQueries
from ingest.storage.executions import ExecutionStore
from ingest.storage.figures import last_successes
from ingest.storage.lock import DatabaseLock
from ingest.storage.schema import upgrade
from ingest.storage.tokens import TokenStore

SETTINGS: Final = web.AppKey("settings", Settings)
#: Whether callers need no token.
IS_OPEN: Final = web.AppKey("is_open", bool)
ENGINE: Final = web.AppKey("engine", JobEngine)

#: How often the lock is looked after.
HOLD_EVERY_S: Final = 1.0

_log = structlog.get_logger(__name__)


def create_app(settings: Settings, *, allow_unauthenticated: bool = False) -> web.Application:
    """Build the application. Nothing is opened until it starts.

    Args:
        settings: What it goes by.
        allow_unauthenticated: Let everybody in who can reach the service, wherever it listens.
    """
    ignore_unknown_expectations()
    app = web.Application(
        middlewares=[
            answering_probes(is_logged=settings.log.level == "DEBUG"),
            count_requests,
            answer_errors,
            guard,
        ],
        client_max_size=settings.server.max_body_bytes,
    )
    app[SETTINGS] = settings
    app[METRICS] = Metrics([Synchronization.name, Migration.name])
    app[IS_OPEN] = allow_unauthenticated or (
        settings.server.is_loopback and settings.auth.require == "auto"
    )
    app[LIFECYCLE] = Lifecycle()
    app[BANK_PROBE] = BankProbe()
    app[BROWSER_DEFENCES] = BrowserDefences(settings.server.host, settings.own_names)
    app[LIMITS] = Limits(settings.server)
    app.on_response_prepare.append(complete_headers)
    # Torn down in reverse, so jobs wind down while bank and database are still open.
    app.cleanup_ctx.extend([_database, _gate, _item_bank, _jobs, _pushes, _scrapes])
    add_routes(app, ROUTES)
    return app


async def _database(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS].database
    # Nothing is touched before the lock is held.
    lock = DatabaseLock(settings.path)
    await lock.acquire(wait_s=settings.wait_for_lock_s)
    try:
        database = Database(settings.path, busy_timeout_s=settings.busy_timeout_s)
        try:
            await upgrade(database)
            recovered = await ExecutionStore(database).recover(actor="service")
            for execution_id in recovered:
                _log.warning("execution of a service that is gone", execution=execution_id)
            app[DATABASE] = database
            app[LOCK] = lock
            holding = asyncio.create_task(_hold(lock), name="holder of the lock")
            try:
                yield
            finally:
                holding.cancel()
                await asyncio.wait({holding})
        finally:
            await database.close()
    finally:
        lock.release()


async def _hold(lock: DatabaseLock) -> None:
    """Make the lock file anew where somebody has removed it, before somebody else does."""
    while True:
        await asyncio.sleep(HOLD_EVERY_S)
        lock.holds()


async def _gate(app: web.Application) -> AsyncIterator[None]:
    settings, store = app[SETTINGS], TokenStore(app[DATABASE])
    if not app[IS_OPEN] and settings.auth.jwt_issuer is None:
        await _check_somebody_gets_in(settings, store)
    async with _issuer(settings.auth) as issuer:
        app[GATE] = Gate(
            Authentication(OwnTokens(store), issuer),
            is_required=not app[IS_OPEN],
            metrics_open=settings.auth.metrics_open,
        )
        yield


async def _check_somebody_gets_in(settings: Settings, store: TokenStore) -> None:
    """Refuse to listen for others where there is no authentication yet."""
    if await store.any_counts(datetime.now(UTC)):
        return
    if settings.auth.require == "always":
        _log.warning("nobody has a token yet: ingest token new makes one")
        return
    raise nobody_known(settings.server.host)


@asynccontextmanager
async def _issuer(settings: AuthSettings) -> AsyncIterator[KnowsCallers | None]:
    if (
        settings.jwt_issuer is None
        or settings.jwt_jwks_url is None
        or settings.jwt_audience is None
    ):
        yield None
        return
    # Cryptography takes long to import.
    from ingest.access.jwt import IssuerTokens  # noqa: PLC0415
    from ingest.access.keys import IssuerKeys  # noqa: PLC0415

    keys = IssuerKeys(settings.jwt_jwks_url)
    try:
        yield IssuerTokens(keys, issuer=settings.jwt_issuer, audience=settings.jwt_audience)
    finally:
        await keys.aclose()


async def _item_bank(app: web.Application) -> AsyncIterator[None]:
    bank = create_bank(app[SETTINGS])
    state = await app[BANK_PROBE].state(bank)
    if state["status"] == DOWN:
        _log.warning("item bank is not available", reason=state["message"])
    app[BANK] = bank
    app[METRICS].state.bank = traffic_of(app[SETTINGS], bank)
    yield
    await app[BANK_PROBE].close()
    await bank.aclose()


async def _jobs(app: web.Application) -> AsyncIterator[None]:
    bank, database, server = app[BANK], app[DATABASE], app[SETTINGS].server
    retry_for_s = app[SETTINGS].database.retry_for_s
    metrics = app[METRICS]
    retention = Retention(
        database,
        retain=app[SETTINGS].database.retain_executions,
        is_owner=app[LOCK].holds,
        on_forgotten=metrics.jobs.forgot,
    )
    engine = LocalEngine(
        database,
        retry_for_s=retry_for_s,
        is_owner=app[LOCK].holds,
        observer=Observers([metrics.jobs, retention]),
    )
    catalog = JobCatalog(
        [
            Synchronization(
                bank,
                allow_deletes=app[SETTINGS].bank.allow_deletes,
                notices=push_notices(app[SETTINGS], bank),
            ),
            Migration(bank),
        ],
        await ExecutionStore(database).instances(),
    )
    app[ENGINE] = engine
    watchdog = LoopWatchdog(engine.running, on_beat=metrics.loop_was_late)
    app[WATCHDOG] = metrics.state.watchdog = watchdog
    app[JOBS] = JobService(
        catalog,
        engine,
        ExecutionQueries(database),
        abandon_grace_s=server.abandon_grace_s,
        observer=metrics.jobs,
    )
    app[SINGLE_ITEMS] = SingleItems(bank, database)
    retention.prune_later()
    async with watchdog:
        yield
    await retention.close()
    await engine.drain(grace_s=server.shutdown_grace_s, by="service")
    app[SINGLE_ITEMS].close()


async def _pushes(app: web.Application) -> AsyncIterator[None]:
    inbox = PushInbox(app[DATABASE])
    app[WEBHOOK] = Webhook(token=app[SETTINGS].secrets.webhook_token, inbox=inbox)
    worker = PushWorker(inbox, app[DATABASE], app[SINGLE_ITEMS])
    working = asyncio.create_task(worker.run(), name="worker of pushes")
    yield
    working.cancel()
    await asyncio.wait({working})
    await inbox.settle()


async def _scrapes(app: web.Application) -> AsyncIterator[None]:
    app[METRICS].jobs.remember(await app[DATABASE].read(last_successes))
    app[LOOKOUT] = Lookout()
    yield
    await app[LOOKOUT].close()
