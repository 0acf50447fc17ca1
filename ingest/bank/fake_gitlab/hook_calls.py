"""The handlers of hooks, and the notification of a push."""

from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
import pygit2
from aiohttp import web

from ingest.bank.fake_gitlab import reading, views
from ingest.bank.fake_gitlab.access import READ, WRITE
from ingest.bank.fake_gitlab.hooks import OTHER_EVENTS, Hook
from ingest.bank.fake_gitlab.paging import offset_headers, page_of
from ingest.bank.fake_gitlab.projects import Project
from ingest.bank.fake_gitlab.refusals import Refusal, forbidden, invalid, json_response
from ingest.bank.fake_gitlab.world import WORLD, World, opened
from ingest.slices import Slice

#: What stands for no commit.
NOTHING: Final = "0" * 40

#: How many commits of a push its notification tells.
_COMMITS: Final = 20

_TEXTS: Final = ("url", "token", "push_events_branch_filter", "branch_filter_strategy")
_BOOLEANS: Final = ("push_events", "enable_ssl_verification", *OTHER_EVENTS)
#: What may be said of a hook.
KNOWN: Final = (*_TEXTS, "name", "description", *_BOOLEANS)


async def hooks(request: web.Request) -> web.Response:
    """Return one of the pages of a project's hooks."""
    world, project = request.app[WORLD], _maintained(request, READ)
    page, found = page_of(request.query), world.hooks.of(project.id)
    headers = offset_headers(request, page, len(found))
    return json_response([world.hooks.view(hook) for hook in page.of(found)], headers=headers)


async def hook(request: web.Request) -> web.Response:
    """Return one hook."""
    world, project = request.app[WORLD], _maintained(request, READ)
    return json_response(world.hooks.view(_hook(request, world, project)))


async def add_hook(request: web.Request) -> web.Response:
    """Make a hook."""
    world, project = request.app[WORLD], _maintained(request, WRITE)
    details = await _details(request)
    if "url" not in details:
        raise Refusal(400, {"error": "url is missing"})
    return json_response(world.hooks.view(world.hooks.add(project.id, **details)), status=201)


async def edit_hook(request: web.Request) -> web.Response:
    """Change a hook; it is called again, whatever it failed at before."""
    world, project = request.app[WORLD], _maintained(request, WRITE)
    found = _hook(request, world, project)
    for name, value in (await _details(request)).items():
        setattr(found, name, value)
    found.failures, found.rests_until = 0, None
    return json_response(world.hooks.view(found))


async def delete_hook(request: web.Request) -> web.Response:
    """Take a hook away."""
    world, project = request.app[WORLD], _maintained(request, WRITE)
    world.hooks.remove(_hook(request, world, project))
    return web.Response(status=204)


async def push_body(
    world: World, project: Project, before: str | None, address: str
) -> dict[str, Any]:
    """Return the notification of a push to the default branch, from *before* to where it is now.

    Args:
        world: The fake.
        project: What was pushed to.
        before: The commit it stood at; None where there was none.
        address: The server's own.
    """

    def read(_: Slice) -> tuple[list[dict[str, object]], int]:
        repository = opened(project.directory)
        begin = reading.resolve(repository, None)
        if begin is None:
            return [], 0
        new = []
        for commit in reading.commits(repository, begin):
            if str(commit.id) == before:
                break
            new.append(commit)
        return [_pushed_commit(commit, project, address) for commit in new[:_COMMITS]], len(new)

    (look,) = await world.look([project])
    commits, total = await world.slices.run(read)
    shown = views.pushed_project(project, look, address)
    kept = ("name", "url", "description", "homepage", "git_http_url", "git_ssh_url")
    return {
        "object_kind": "push",
        "event_name": "push",
        "before": before or NOTHING,
        "after": look.sha or NOTHING,
        "ref": f"refs/heads/{look.branch}",
        "ref_protected": True,
        "checkout_sha": look.sha,
        "message": None,
        "user_id": 1,
        "user_name": "Ada Okafor",
        "user_username": "ada",
        "user_email": "",
        "user_avatar": None,
        "project_id": project.id,
        "project": shown,
        "commits": commits[::-1],
        "total_commits_count": total,
        "push_options": {},
        "repository": {name: shown[name] for name in (*kept, "visibility_level")},
    }


def _pushed_commit(commit: pygit2.Commit, project: Project, address: str) -> dict[str, object]:
    shown = reading.describe(commit)
    sha = shown["id"]
    return {
        "id": sha,
        "message": shown["message"],
        "title": shown["title"],
        "timestamp": _to_the_second(str(shown["committed_date"])),
        "url": f"{address}/{project.full_path}/-/commit/{sha}",
        "author": {"name": shown["author_name"], "email": shown["author_email"]},
        "added": [],
        "modified": ["item.json"],
        "removed": [],
    }


def _to_the_second(text: str) -> str:
    return datetime.fromisoformat(text).replace(microsecond=0).astimezone(UTC).isoformat()


def _maintained(request: web.Request, scope: str) -> Project:
    world = request.app[WORLD]
    token = world.token(request)
    token.require(scope)
    project = world.project(request)
    if not token.is_maintainer:
        raise forbidden()
    return project


def _hook(request: web.Request, world: World, project: Project) -> Hook:
    wanted = request.match_info["hook_id"]
    for found in world.hooks.of(project.id):
        if str(found.id) == wanted:
            return found
    raise Refusal(404, {"message": "404 Not found"})


async def _details(request: web.Request) -> dict[str, Any]:
    """Return what a form, a JSON document or the query says of a hook.

    Raises:
        Refusal: It cannot be used.
    """
    given: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        try:
            given |= orjson.loads(await request.read() or b"{}")
        except (orjson.JSONDecodeError, TypeError):
            raise Refusal(400, {"error": "The request body is not valid JSON"}) from None
    else:
        given |= {name: str(value) for name, value in (await request.post()).items()}
    details: dict[str, Any] = {}
    others: dict[str, bool] = {}
    for name, value in given.items():
        if name not in KNOWN:
            continue  # as GitLab does with what it does not know
        if name in OTHER_EVENTS:
            others[name] = _truth(name, value)
        else:
            details[name] = _truth(name, value) if name in _BOOLEANS else value
    if others:
        details["others"] = others
    if "url" in details and urlsplit(str(details["url"])).scheme not in {"http", "https"}:
        raise Refusal(422, {"error": "Invalid url given"})
    return details


def _truth(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).casefold() in {"true", "1"}:
        return True
    if str(value).casefold() in {"false", "0"}:
        return False
    raise invalid(name, "is invalid")
