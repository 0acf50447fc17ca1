"""The handlers of groups, lists of projects, and single projects."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from aiohttp import web

from ingest.bank.fake_gitlab import views
from ingest.bank.fake_gitlab.paging import (
    Query,
    boolean,
    check_offset,
    choice,
    integer,
    link,
    offset_headers,
    page_of,
)
from ingest.bank.fake_gitlab.projects import Project, after
from ingest.bank.fake_gitlab.reading import Look
from ingest.bank.fake_gitlab.refusals import Refusal, json_response
from ingest.bank.fake_gitlab.world import WORLD, World, base

View = Callable[[Project, Look, datetime, str], dict[str, Any]]

_ORDERS: Final = (
    "created_at",
    "id",
    "name",
    "path",
    "updated_at",
    "last_activity_at",
    "similarity",
)


async def group(request: web.Request) -> web.Response:
    """Return a group; with its first projects, unless ``with_projects=false``."""
    world = request.app[WORLD]
    found = world.group(request)
    document = views.group(found, base(request))
    if boolean(request.query, "with_projects", default=True):
        own = world.projects.within(found, subgroups=False)
        shown = world.visible(world.token(request), own)[:100]
        document["projects"] = await _shown(world, request, shown)
        document["shared_projects"] = []
    return json_response(document)


async def group_projects(request: web.Request) -> web.Response:
    """Return one of the pages of a group's projects."""
    world, query = request.app[WORLD], request.query
    found = world.group(request)
    boolean(query, "with_shared", default=True)  # nothing is shared
    projects = world.projects.within(
        found,
        subgroups=boolean(query, "include_subgroups", default=False),
        archived=_archived(query),
    )
    return await _offset_page(request, world.visible(world.token(request), projects))


async def projects(request: web.Request) -> web.Response:
    """Return one of the pages of the projects that the token is a member of."""
    world, query = request.app[WORLD], request.query
    token = world.token(request)
    boolean(query, "membership", default=False)  # it sees no others
    archived = _archived(query)
    shown = [one for one in world.projects.all() if archived in {None, one.archived}]
    shown = shown if token.sees_projects else []
    if choice(query, "pagination", "legacy", "keyset") == "keyset":
        return await _keyset_page(request, shown)
    return await _offset_page(request, shown, views.accessible_project)


async def project(request: web.Request) -> web.Response:
    """Return one project."""
    world = request.app[WORLD]
    found = [world.project(request)]
    (shown,) = await _shown(world, request, found, views.accessible_project)
    return json_response(shown)


async def _offset_page(
    request: web.Request, shown: Sequence[Project], view: View = views.project
) -> web.Response:
    page = page_of(request.query)
    check_offset(page)
    ordered = _ordered(request.query, _searched(request.query, shown))
    headers = offset_headers(request, page, len(ordered))
    document = await _shown(request.app[WORLD], request, page.of(ordered), view)
    return json_response(document, headers=headers)


async def _keyset_page(request: web.Request, shown: list[Project]) -> web.Response:
    """Return the projects behind one of them; only an empty page says that it is the last."""
    query = request.query
    if choice(query, "order_by", *_ORDERS) != "id":
        error = "Keyset pagination is not yet available for this type of request"
        raise Refusal(405, {"error": error})
    size = page_of(query).size
    if choice(query, "sort", "desc", "asc") == "asc":
        begin = after(shown, integer(query, "id_after", 0))
        rows, name = shown[begin : begin + size], "id_after"
    else:
        before = integer(query, "id_before", 0)
        end = after(shown, before - 1) if before else len(shown)
        rows, name = shown[max(end - size, 0) : end][::-1], "id_before"
    headers = {}
    if rows:
        headers["Link"] = link(request, {name: rows[-1].id}, "next")
    document = await _shown(request.app[WORLD], request, rows, views.accessible_project)
    return json_response(document, headers=headers)


async def _shown(
    world: World, request: web.Request, found: Sequence[Project], view: View = views.project
) -> list[dict[str, Any]]:
    if boolean(request.query, "simple", default=False):
        view = views.simple_project
    looks = await world.look(found)
    return [
        view(one, look, world.activity.of(one, look), base(request))
        for one, look in zip(found, looks, strict=True)
    ]


def _archived(query: Query) -> bool | None:
    if query.get("archived") in {None, ""}:
        return None
    return boolean(query, "archived", default=False)


def _searched(query: Query, shown: Sequence[Project]) -> Sequence[Project]:
    text = query.get("search", "").casefold()
    return [one for one in shown if text in one.path.casefold()] if text else shown


def _ordered(query: Query, shown: Sequence[Project]) -> Sequence[Project]:
    """Return projects in the order asked for; by number but for names, for all are of one age."""
    order = choice(query, "order_by", *_ORDERS)
    if order in {"name", "path"}:
        shown = sorted(shown, key=lambda one: one.path)
    elif order in {"last_activity_at", "updated_at"}:
        shown = sorted(shown, key=lambda one: one.active_at.timestamp() if one.active_at else 0.0)
    return shown if choice(query, "sort", "desc", "asc") == "asc" else shown[::-1]
