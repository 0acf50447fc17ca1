"""The server: its routes, what every request goes through, and how it listens."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from ingest.bank.fake_gitlab import content, control, graphql, hook_calls, lists
from ingest.bank.fake_gitlab.gitlab import FakeGitLab
from ingest.bank.fake_gitlab.misbehaviour import SIGN_IN_PAGE, SIGN_IN_PATH, misbehave
from ingest.bank.fake_gitlab.refusals import Refusal, json_response
from ingest.bank.fake_gitlab.world import WORLD, World

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_API: Final = "/api/v4"
GRAPHQL_PATH: Final = "/api/graphql"

_BODY_MAX_BYTES: Final = 10 * 1024 * 1024
_PROJECT: Final = f"{_API}/projects/{{id}}"
_FILE: Final = f"{_PROJECT}/repository/files/{{file_path:.+}}/raw"

#: What it answers of GitLab's; HEAD goes with GET.
ROUTES: Final = (
    web.get(f"{_API}/groups/{{id}}", lists.group),
    web.get(f"{_API}/groups/{{id}}/projects", lists.group_projects),
    web.get(f"{_API}/projects", lists.projects),
    web.get(_PROJECT, lists.project),
    web.get(f"{_PROJECT}/repository/branches/{{branch:.+}}", content.branch),
    web.get(f"{_PROJECT}/repository/commits", content.commits),
    web.get(f"{_PROJECT}/repository/commits/{{sha:.+}}", content.commit),
    web.get(f"{_PROJECT}/repository/tree", content.tree),
    web.get(_FILE, content.raw_file),
    web.get(f"{_PROJECT}/hooks", hook_calls.hooks),
    web.post(f"{_PROJECT}/hooks", hook_calls.add_hook),
    web.get(f"{_PROJECT}/hooks/{{hook_id}}", hook_calls.hook),
    web.put(f"{_PROJECT}/hooks/{{hook_id}}", hook_calls.edit_hook),
    web.delete(f"{_PROJECT}/hooks/{{hook_id}}", hook_calls.delete_hook),
    web.post(GRAPHQL_PATH, graphql.answer),
)


def create_app(gitlab: FakeGitLab) -> web.Application:
    """Return the application that answers for a fake GitLab."""
    app = web.Application(middlewares=[_record, _refuse], client_max_size=_BODY_MAX_BYTES)
    app[WORLD] = gitlab.world
    app[control.GITLAB] = gitlab
    app.add_routes(ROUTES)
    app.add_routes(control.ROUTES)
    app.router.add_get(SIGN_IN_PATH, _sign_in)
    return app


@asynccontextmanager
async def serving(
    gitlab: FakeGitLab, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[FakeGitLab]:
    """Listen; on leaving, nothing is answered any more, and no call of a hook is under way.

    Raises:
        OSError: It cannot listen there, or the folder cannot be listed.
    """
    await gitlab.world.refresh()
    # A client that goes away ends what is held for it, so that who still hangs can be told.
    runner = web.AppRunner(
        create_app(gitlab), access_log=None, handler_cancellation=True, shutdown_timeout=0.1
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        address = runner.addresses[0]
        name = f"[{address[0]}]" if ":" in address[0] else address[0]
        gitlab.url = gitlab.hooks.instance = f"http://{name}:{address[1]}"
        yield gitlab
    finally:
        gitlab.faults.clear()
        await gitlab.hooks.close()
        await runner.cleanup()
        gitlab.world.slices.close()


@web.middleware
async def _record(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Note each request, and do to it what was ordered."""
    if request.path.startswith("/fake/"):
        return await handler(request)
    world = request.app[WORLD]
    noted = world.requests.begin(request)
    try:
        first = None
        if request.path == GRAPHQL_PATH:
            first = graphql.asked_nodes(await request.read())
        fault = world.faults.meeting(request.method, request.rel_url.raw_path_qs, first)
        if fault is None:
            response: web.StreamResponse = await _answered(world, request, handler)
        else:
            noted.fault = fault.kind.value
            response = await misbehave(fault, request, lambda: _answered(world, request, handler))
        if request.transport is not None and not request.transport.is_closing():
            noted.status = response.status
        return response
    finally:
        world.requests.end(noted)


async def _answered(world: World, request: web.Request, handler: Handler) -> web.Response:
    """Return the answer of a server that is well, with the headers of its limit."""
    who = request.headers.get("PRIVATE-TOKEN", request.headers.get("Authorization", ""))
    headers, refusal = world.limit.count(who)
    response = refusal or await handler(request)
    if not isinstance(response, web.Response):
        raise TypeError(f"{request.path} is not answered as a whole")
    response.headers.update(headers)
    return response


@web.middleware
async def _refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn refusals into answers, and bring the list of projects up to date before."""
    try:
        await request.app[WORLD].refresh()
        return await handler(request)
    except Refusal as refusal:
        return refusal.response()
    except web.HTTPException as error:
        reason = "404 Not Found" if error.status == 404 else f"{error.status} {error.reason}"  # noqa: PLR2004
        return json_response({"error": reason}, status=error.status)
    except OSError:
        return json_response({"message": "500 Internal Server Error"}, status=500)


async def _sign_in(_: web.Request) -> web.Response:
    return web.Response(text=SIGN_IN_PAGE, content_type="text/html")
