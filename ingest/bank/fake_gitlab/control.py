"""The handlers by which a command line orders what tests order in the same process.

They are no part of GitLab, and need no token.
"""

from collections.abc import Callable
from itertools import islice
from typing import Any, Final

import orjson
from aiohttp import web
from attrs import asdict

from ingest.bank.fake_gitlab import faults
from ingest.bank.fake_gitlab.access import Standing
from ingest.bank.fake_gitlab.gitlab import FakeGitLab
from ingest.bank.fake_gitlab.refusals import Refusal, invalid, json_response

GITLAB = web.AppKey("GITLAB", FakeGitLab)

_LONGEST_NUMBER: Final = 9


async def push(request: web.Request) -> web.Response:
    """Tell the hooks of a repository that something was pushed to it."""
    gitlab = request.app[GITLAB]
    called = await gitlab.pushed(_key(request))
    return json_response({"called": called})


async def add_fault(request: web.Request) -> web.Response:
    """Order a fault."""
    gitlab = request.app[GITLAB]
    gitlab.faults.add(**faults.parse(await _document(request)))
    return await show_faults(request)


async def show_faults(request: web.Request) -> web.Response:
    """Return the orders in force."""
    shown = [
        {
            "kind": one.kind,
            "path": one.path.pattern,
            "matched": one.matched,
            "done": one.done,
            "hanging": one.hanging,
        }
        for one in request.app[GITLAB].faults.all
    ]
    return json_response(shown)


async def clear_faults(request: web.Request) -> web.Response:
    """Take all orders back."""
    request.app[GITLAB].faults.clear()
    return web.Response(status=204)


async def show_requests(request: web.Request) -> web.Response:
    """Return the counts of requests, and the last of them."""
    found = request.app[GITLAB].requests
    document = {
        "total": found.total,
        "inFlight": found.in_flight,
        "mostInFlight": found.most_in_flight,
        "kinds": found.kinds,
        "statuses": {f"{status}": count for status, count in found.statuses.items()},
        "faults": found.faults,
        "last": [asdict(one) for one in list(found.last)[-100:]],
    }
    return json_response(document)


async def clear_requests(request: web.Request) -> web.Response:
    """Count requests from nought again."""
    request.app[GITLAB].requests.clear()
    return web.Response(status=204)


async def show_deliveries(request: web.Request) -> web.Response:
    """Return the last calls of hooks: 100, or as many as *last* says."""
    last = request.query.get("last", "100")
    if not (last.isascii() and last.isdigit() and len(last) <= _LONGEST_NUMBER):
        raise invalid("last")
    deliveries = request.app[GITLAB].hooks.deliveries
    skipped = max(0, len(deliveries) - int(last))
    return json_response([asdict(one) for one in islice(deliveries, skipped, None)])


async def change_token(request: web.Request) -> web.Response:
    """Say what the token is worth from now on."""
    document = await _document(request)
    try:
        standing = Standing(document["standing"])
    except (KeyError, ValueError):
        raise invalid("standing") from None
    request.app[GITLAB].token.standing = standing
    return json_response({"standing": standing})


async def change_project(request: web.Request) -> web.Response:
    """Do something to a project: rename, transfer, archive, mark for deletion, delete, hide."""
    gitlab, document = request.app[GITLAB], await _document(request)
    name, key = request.match_info["change"], _key(request)
    change = _CHANGES.get(name)
    if change is None:
        raise Refusal(404, {"message": f"404 {name} Not Found"})
    try:
        change(gitlab, key, document)
    except KeyError as error:
        raise invalid(str(error.args[0]), "is missing") from None
    return web.Response(status=204)


_CHANGES: Final[dict[str, Callable[[FakeGitLab, str, dict[str, Any]], object]]] = {
    "rename": lambda gitlab, key, given: gitlab.rename(key, given["path"]),
    "transfer": lambda gitlab, key, given: gitlab.transfer(key, given["namespace"]),
    "archive": lambda gitlab, key, given: gitlab.archive(key, archived=given.get("archived", True)),
    "mark-for-deletion": lambda gitlab, key, _: gitlab.mark_for_deletion(key),
    "delete": lambda gitlab, key, _: gitlab.delete(key),
    "hide": lambda gitlab, key, given: gitlab.hide(key, hidden=given.get("hidden", True)),
    "touch": lambda gitlab, key, _: gitlab.touch(key),
}

ROUTES: Final = (
    web.post("/fake/push/{key:.+}", push),
    web.post("/fake/faults", add_fault),
    web.get("/fake/faults", show_faults),
    web.delete("/fake/faults", clear_faults),
    web.get("/fake/requests", show_requests),
    web.delete("/fake/requests", clear_requests),
    web.get("/fake/deliveries", show_deliveries),
    web.post("/fake/token", change_token),
    web.post("/fake/projects/{key:.+}/{change}", change_project),
)


def _key(request: web.Request) -> str:
    key = request.match_info["key"]
    try:
        request.app[GITLAB].project(key)
    except KeyError:
        raise Refusal(404, {"message": f"404 Repository {key} Not Found"}) from None
    return key


async def _document(request: web.Request) -> dict[str, Any]:
    body = await request.read()
    try:
        document = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        raise invalid("body", "is not valid JSON") from None
    if not isinstance(document, dict):
        raise invalid("body", "is not an object")
    return document
