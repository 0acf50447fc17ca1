"""The probes: is the process alive, can it serve, what of it is broken."""

import asyncio
from typing import Any, Final

from aiohttp import web
from sqlalchemy import text

from ingest.api.keys import BANK, DATABASE, JOBS, LIFECYCLE, LOCK, WATCHDOG
from ingest.api.views import json_response, withheld_deletions
from ingest.bank.base import ItemBank
from ingest.errors import BankUnavailableError, DatabaseUnavailableError

UP: Final = "UP"
DOWN: Final = "DOWN"
OUT_OF_SERVICE: Final = "OUT_OF_SERVICE"

#: A component that has not answered by then is DOWN.
PATIENCE_S: Final = 2.0


#: How long a question that was given up is waited for.
CLOSE_S: Final = 0.2


class BankProbe:
    """Asks the bank at most one question at a time, however many ask how it is.

    A bank on a file system that hangs answers never; no caller must hang with it.
    """

    def __init__(self) -> None:
        self._check: asyncio.Task[None] | None = None

    async def state(self, bank: ItemBank) -> dict[str, Any]:
        """Return the bank's state within `PATIENCE_S`."""
        if self._check is None or self._check.done():
            self._check = asyncio.create_task(bank.check())
            # Where nobody waits any more when it fails, nobody is to be told.
            self._check.add_done_callback(lambda check: check.cancelled() or check.exception())
        check = self._check
        await asyncio.wait({check}, timeout=PATIENCE_S)
        if not check.done():
            return {"status": DOWN, "message": f"no answer within {PATIENCE_S:g} seconds"}
        try:
            check.result()
        except BankUnavailableError as error:
            return {"status": DOWN, "message": str(error)}
        return {"status": UP}

    async def close(self) -> None:
        """Give up the question that is under way, if that ends it: one to a dead disk does not."""
        if self._check is not None:
            self._check.cancel()
            await asyncio.wait({self._check}, timeout=CLOSE_S)


BANK_PROBE: Final = web.AppKey("bank_probe", BankProbe)


async def live(_request: web.Request) -> web.Response:
    """Answer while the event loop turns."""
    return json_response({"status": UP})


async def ready(request: web.Request) -> web.Response:
    """Answer whether requests can be served: 503 from the moment shutdown begins."""
    if request.app[LIFECYCLE].ready:
        return json_response({"status": UP})
    return json_response({"status": OUT_OF_SERVICE}, status=503)


async def health(request: web.Request) -> web.Response:
    """Answer with every component; 503 only when the service itself cannot work."""
    app = request.app
    database: dict[str, Any] = {"status": UP}
    jobs: dict[str, Any] = {"status": UP}
    try:
        app[DATABASE].check_in_place()
        await app[DATABASE].read(lambda connection: connection.execute(text("SELECT 1")).scalar())
        states = await app[JOBS].states()
        jobs["running"] = [one.instance.name for one in states if one.running is not None]
        if (withheld := await app[JOBS].withheld_deletions()) is not None:
            jobs["withheldDeletions"] = withheld_deletions(withheld)
    except DatabaseUnavailableError as error:
        database = {"status": DOWN, "message": str(error)}
        jobs = {"status": DOWN, "message": "the database does not tell"}
    wrong = app[JOBS].unrecorded()
    if not app[LOCK].holds():
        wrong.append("another process owns the database: this one's lock file was removed")
    if wrong and database["status"] == UP:
        database = {"status": DOWN, "message": "; ".join(wrong)}
    components = {
        "database": database,
        "itemBank": await app[BANK_PROBE].state(app[BANK]),
        "jobs": jobs,
        "eventLoop": {
            "status": UP,
            "lagSeconds": round(app[WATCHDOG].lag_s, 4),
            "worstLagSeconds": round(app[WATCHDOG].worst_lag_s, 4),
        },
    }
    works = database["status"] == UP
    return json_response(
        {"status": UP if works else DOWN, "components": components}, status=200 if works else 503
    )
