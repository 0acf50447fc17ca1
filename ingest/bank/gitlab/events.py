"""What GitLab's push notifications say, and which of them are this service's business."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from ingest.bank.base import Push, Unrelated
from ingest.bank.gitlab.projects import Projects
from ingest.bank.names import key_problem
from ingest.errors import InvalidValueError

#: The events of project, group and system hooks that tell of a push.
_PUSHES: Final = frozenset({"Push Hook", "System Hook"})

_EVENT_CHARACTERS: Final = 100

#: GitLab's numbers are of 64 bits, and so is what holds them here.
_NUMBERS: Final = range(1, 2**63)


def push_of(headers: Mapping[str, str], body: bytes, projects: Projects) -> Push | Unrelated:
    """Return which item was pushed to.

    A default branch that was deleted is one, too: what becomes of the item is the bank's to say.

    Raises:
        InvalidValueError: It is no notification of GitLab's.
    """
    event = headers.get("X-Gitlab-Event", "")
    if not event:
        raise InvalidValueError(
            "This is no notification of GitLab's: it has no header X-Gitlab-Event"
        )
    if event not in _PUSHES:
        shown = "".join(c if c.isprintable() else "?" for c in event[:_EVENT_CHARACTERS])
        return Unrelated(f"{shown} is no push")
    document = _document(body)
    if document.get("object_kind", document.get("event_name")) != "push":
        return Unrelated("it is no push")
    try:
        number, ref, project = document["project_id"], document["ref"], document["project"]
        branch, full_path = project["default_branch"], project["path_with_namespace"]
    except (KeyError, TypeError):
        raise InvalidValueError(
            "This is no push notification of GitLab's: it lacks one of project_id, ref, "
            "project.default_branch and project.path_with_namespace"
        ) from None
    if type(number) is not int or not isinstance(ref, str) or not isinstance(full_path, str):
        raise InvalidValueError(
            "This is no push notification of GitLab's: project_id is no number, or ref or "
            "project.path_with_namespace no text"
        )
    if number not in _NUMBERS:
        raise InvalidValueError(
            f"This is no push notification of GitLab's: project_id is {number}, and projects have "
            f"numbers from 1 to {_NUMBERS[-1]}"
        )
    path = full_path.rpartition("/")[2]
    if not projects.is_item(path, full_path, archived=False):
        return Unrelated("its project is none of the item bank's")
    if key_problem(path, path) is not None:
        # Such as 007, which is not item 7. A synchronization puts it among the problems.
        return Unrelated("its project's name cannot be an item id")
    # A first push may come before the project has a default branch.
    if branch is not None and ref != f"refs/heads/{branch}":
        return Unrelated("it is not to the default branch")
    return Push(key=path, bank_id=number)


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidValueError(f"The body is no JSON ({error})") from None
    if not isinstance(document, dict):
        raise InvalidValueError("The body is no JSON object")
    return document
