"""Looking at items and problems, and bringing one item in step now."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from ingest.api import item_views, params, views
from ingest.api.keys import DATABASE, SINGLE_ITEMS
from ingest.errors import BankUnavailableError, InvalidValueError
from ingest.items.single import ItemOutcome
from ingest.storage.item_queries import ItemSearch, get_item, search_items
from ingest.storage.problems import problem_page

#: Query parameters that name a column's exact value.
CRITERIA: Final = {
    "subject": "subject",
    "grade": "grade",
    "type": "item_type",
    "status": "workflow_status",
}

#: A search of more is no search for an item.
Q_MAX_CHARACTERS: Final = 2000


#: How long "now" may take.
NOW_WITHIN_S: Final = 60.0


async def list_items(request: web.Request) -> web.Response:
    """Answer with a page of the items that fit the search, by ascending id."""
    params.only(request, ["q", "limit", "after", *CRITERIA])
    limit = params.limit(request)
    search = ItemSearch(
        q=_text(request),
        equal={
            column: request.query[name]
            for name, column in CRITERIA.items()
            if name in request.query
        },
        limit=limit + 1,
        after=params.query_integer(request, "after"),
    )
    found = await request.app[DATABASE].read(lambda c: search_items(c, search))
    rows = [item_views.item_summary(one) for one in found]
    return views.json_response(views.page("items", rows, limit, "itemId"))


def _text(request: web.Request) -> str | None:
    q = request.query.get("q")
    if q is None or not q.strip():
        return None
    if len(q) > Q_MAX_CHARACTERS or "\0" in q:
        raise InvalidValueError(
            f"Query parameter q must be at most {Q_MAX_CHARACTERS} characters without NUL"
        )
    return q.strip()


async def get_one(request: web.Request) -> web.Response:
    """Answer with one item and all that is stored of it."""
    params.only(request, [])
    item_id = params.item_id(request)
    found = await request.app[DATABASE].read(lambda c: get_item(c, item_id))
    return views.json_response(item_views.item_detail(found))


async def list_problems(request: web.Request) -> web.Response:
    """Answer with a page of the items that could not be ingested."""
    params.only(request, ["limit", "after"])
    limit, after = params.limit(request), request.query.get("after")
    found = await request.app[DATABASE].read(
        lambda c: problem_page(c, limit=limit + 1, after=after)
    )
    rows = [item_views.problem(one) for one in found]
    return views.json_response(views.page("problems", rows, limit, "itemId"))


async def synchronize_one(request: web.Request) -> web.Response:
    """Bring one item in step with the bank, and say what that did."""
    return await _now(request, request.app[SINGLE_ITEMS].synchronize)


async def migrate_one(request: web.Request) -> web.Response:
    """Derive one item's row anew, and say what that did."""
    return await _now(request, request.app[SINGLE_ITEMS].migrate)


async def _now(request: web.Request, act: Callable[[int], Awaitable[ItemOutcome]]) -> web.Response:
    params.only(request, [])
    item_id = params.item_id(request)
    prefers_s = params.preferred_wait_s(request)
    within_s = NOW_WITHIN_S if prefers_s is None else min(prefers_s, NOW_WITHIN_S)
    acting = asyncio.ensure_future(act(item_id))
    try:
        await asyncio.wait({acting}, timeout=within_s)
        if not acting.done():
            raise BankUnavailableError(
                f"The item bank did not answer within {within_s:g} seconds, so item {item_id} "
                "was not looked at: try again later, or start the job"
            )
        outcome = acting.result()
    finally:
        # A bank on a disk that hangs does not even hear this; nobody waits for it.
        acting.cancel()
    headers = {} if prefers_s is None else {"Preference-Applied": f"wait={within_s:g}"}
    return views.json_response({"itemId": str(item_id), "outcome": outcome.value}, headers=headers)
