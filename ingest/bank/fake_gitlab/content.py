"""The handlers of what is in a project's repository."""

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, TypeVar

import pygit2
from aiohttp import web
from attrs import asdict

from ingest.bank.fake_gitlab import reading, views
from ingest.bank.fake_gitlab.paging import (
    Query,
    boolean,
    choice,
    link,
    offset_headers,
    page_of,
    uncounted_headers,
)
from ingest.bank.fake_gitlab.projects import Project
from ingest.bank.fake_gitlab.refusals import invalid, json_response, not_found
from ingest.bank.fake_gitlab.world import WORLD, base, opened
from ingest.slices import Slice

T = TypeVar("T")


async def branch(request: web.Request) -> web.Response:
    """Return a branch and its commit."""
    project, name = request.app[WORLD].project(request), request.match_info["branch"]

    def read(repository: pygit2.Repository, _: Slice) -> tuple[dict[str, Any], bool] | None:
        commit = reading.branch_commit(repository, name)
        if commit is None:
            return None
        return reading.describe(commit), reading.default_branch(repository)[0] == name

    found = await _read(request, project, read)
    if found is None:
        raise not_found("Branch")
    if request.method == "HEAD":
        return web.Response(status=204)
    commit, is_default = found
    shown = views.branch(name, commit, project, base(request), is_default=is_default)
    return json_response(shown)


async def commits(request: web.Request) -> web.Response:
    """Return one of the pages of a log, newest first; nothing for a ref that there is not."""
    project, query = request.app[WORLD].project(request), request.query
    page = page_of(query)
    filters = {
        "first_parent": boolean(query, "first_parent", default=False),
        "path": query.get("path"),
        "since": _moment(query, "since"),
        "until": _moment(query, "until"),
    }

    def read(repository: pygit2.Repository, piece: Slice) -> list[dict[str, Any]]:
        begin = reading.resolve(repository, query.get("ref_name") or None)
        if begin is None:
            return []
        found = reading.commits(repository, begin, **filters)  # type: ignore[arg-type] # see above
        return reading.page(found, page.offset, page.size, piece.check)

    rows = await _read(request, project, read)
    return json_response(
        views.commits(rows, project, base(request)),
        headers=uncounted_headers(request, page, len(rows)),
    )


async def commit(request: web.Request) -> web.Response:
    """Return one commit."""
    project, sha = request.app[WORLD].project(request), request.match_info["sha"]

    def read(repository: pygit2.Repository, _: Slice) -> dict[str, Any] | None:
        found = reading.resolve(repository, sha)
        return None if found is None else reading.describe(found)

    shown = await _read(request, project, read)
    if shown is None:
        raise not_found("Commit")
    return json_response(views.commit(shown, project, base(request)))


async def tree(request: web.Request) -> web.Response:
    """Return one of the pages of a folder's entries."""
    project, query = request.app[WORLD].project(request), request.query
    page, path = page_of(query), query.get("path", "").strip("/")
    recursive = boolean(query, "recursive", default=False)

    def read(repository: pygit2.Repository, _: Slice) -> list[reading.Entry]:
        found = reading.resolve(repository, query.get("ref") or None)
        if found is None:
            raise not_found("Tree")
        entries = reading.tree_entries(found, path, recursive=recursive)
        if entries is None:
            raise not_found("invalid revision or path")
        return entries

    entries = await _read(request, project, read)
    if choice(query, "pagination", "legacy", "keyset", "none") != "keyset":
        rows, headers = page.of(entries), offset_headers(request, page, len(entries))
        return json_response([asdict(one) for one in rows], headers=headers)
    token = query.get("page_token")
    known = [one.id for one in entries]
    begin = known.index(token) + 1 if token in known else 0
    rows = entries[begin : begin + page.size]
    has_more = begin + page.size < len(entries)
    headers = {"Link": link(request, {"page_token": rows[-1].id}, "next")} if has_more else {}
    return json_response([asdict(one) for one in rows], headers=headers)


async def raw_file(request: web.Request) -> web.Response:
    """Return a file as it is, with what is known of it in headers; on HEAD these alone."""
    project, query = request.app[WORLD].project(request), request.query
    path, ref = request.match_info["file_path"].removeprefix("/"), query.get("ref")

    def read(repository: pygit2.Repository, _: Slice) -> reading.Blob:
        found = reading.resolve(repository, ref)
        if found is None:
            raise not_found("Commit")
        blob = reading.blob(repository, found, path)
        if blob is None:
            raise not_found("File")
        return blob

    blob = await _read(request, project, read)
    name = path.rpartition("/")[2]
    headers = {
        "X-Gitlab-File-Name": name,
        "X-Gitlab-File-Path": path,
        "X-Gitlab-Size": f"{len(blob.data)}",
        "X-Gitlab-Encoding": "base64",
        "X-Gitlab-Content-Sha256": sha256(blob.data).hexdigest(),
        "X-Gitlab-Ref": ref or "",
        "X-Gitlab-Blob-Id": blob.blob_id,
        "X-Gitlab-Commit-Id": blob.commit_id,
        "X-Gitlab-Last-Commit-Id": blob.last_commit_id,
        "X-Gitlab-Execute-Filemode": str(blob.is_executable).lower(),
        "Cache-Control": "max-age=0, private, must-revalidate, no-store, no-cache",
        "Content-Disposition": f'inline; filename="{name}"',
    }
    return web.Response(body=blob.data, headers=headers, content_type="text/plain", charset="utf-8")


async def _read(
    request: web.Request, project: Project, work: Callable[[pygit2.Repository, Slice], T]
) -> T:
    """Do *work* with a project's repository, in a thread.

    Raises:
        Refusal: There is no repository, or the work refuses.
    """

    def read(piece: Slice) -> T:
        try:
            return work(opened(project.directory), piece)
        except (pygit2.GitError, KeyError) as error:
            raise not_found("Repository") from error

    return await request.app[WORLD].slices.run(read)


def _moment(query: Query, name: str) -> datetime | None:
    text = query.get(name)
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise invalid(name, "is invalid") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
