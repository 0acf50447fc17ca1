"""The objects that GraphQL queries select from, as plain values by the schema's names."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from ingest.bank.fake_gitlab.projects import Group, Project
from ingest.bank.fake_gitlab.reading import Look

#: A value, or what makes one of a field's arguments.
Value = Any
Node = Mapping[str, Value]
#: Called for a field with arguments.
Resolver = Callable[[Mapping[str, Any]], Value]


class ExecutionFault(Exception):  # noqa: N818 - an answer, not a fault of the program
    """A field that cannot be answered; its message goes into ``errors``."""


def group(shown: Group, base: str, projects: int) -> Node:
    """Return a group, without its projects."""
    return {
        "id": f"gid://gitlab/Group/{shown.id}",
        "name": shown.path,
        "path": shown.path,
        "fullPath": shown.full_path,
        "fullName": shown.full_path.replace("/", " / "),
        "webUrl": f"{base}/groups/{shown.full_path}",
        "projectsCount": projects,
    }


def project(shown: Project, base: str) -> Node:
    """Return a project, as far as no repository is needed for it."""
    deletion = shown.marked_for_deletion_on
    return {
        "id": f"gid://gitlab/Project/{shown.id}",
        "name": shown.path,
        "path": shown.path,
        "fullPath": shown.full_path,
        "nameWithNamespace": shown.full_path.replace("/", " / "),
        "description": None,
        "archived": shown.archived,
        "createdAt": "2020-01-01T00:00:00Z",
        "markedForDeletionOn": None if deletion is None else f"{deletion}T00:00:00Z",
        "visibility": "private",
        "webUrl": f"{base}/{shown.full_path}",
        "group": group(Group(shown.namespace), base, 0),
    }


def repository(look: Look, commit: Node | None) -> Node:
    """Return a repository.

    Args:
        look: How it stands.
        commit: Its default branch's commit; None where there is none.
    """

    def tree(arguments: Mapping[str, Any]) -> Node | None:
        path, ref = arguments.get("path") or "", arguments.get("ref") or "HEAD"
        if path.strip("/") or ref not in {"HEAD", look.branch, look.sha}:
            raise ExecutionFault("The fake GitLab tells only the root of the default branch")
        return None if commit is None else {"lastCommit": commit}

    return {
        "empty": look.sha is None,
        "exists": look.exists,
        "rootRef": look.branch if look.sha is not None else None,
        "tree": tree,
    }


def brief_commit(look: Look) -> Node | None:
    """Return what a look tells of a commit; None where there is none."""
    if look.sha is None or look.committed_at is None:
        return None
    return {
        "id": f"gid://gitlab/Commit/{look.sha}",
        "sha": look.sha,
        "shortId": look.sha[:8],
        "committedDate": _time(look.committed_at),
    }


def whole_commit(shown: Mapping[str, Any], of: Project, base: str) -> Node:
    """Return a commit."""
    return {
        "id": f"gid://gitlab/Commit/{shown['id']}",
        "sha": shown["id"],
        "shortId": shown["short_id"],
        "title": shown["title"],
        "message": shown["message"],
        "authorName": shown["author_name"],
        "authorEmail": shown["author_email"],
        "authoredDate": _time(shown["authored_date"]),
        "committerName": shown["committer_name"],
        "committerEmail": shown["committer_email"],
        "committedDate": _time(shown["committed_date"]),
        "webUrl": f"{base}/{of.full_path}/-/commit/{shown['id']}",
    }


def in_utc(at: datetime) -> str:
    """Return a moment as GraphQL writes it, to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"


def _time(iso: str) -> str:
    """Return what the REST API writes as GraphQL writes it."""
    return iso.replace(".000+00:00", "Z").replace(".000", "")
