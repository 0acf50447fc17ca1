"""The parts of a connection: which projects, in which order, and where the next ones begin."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from attrs import frozen

from ingest.bank.fake_gitlab.nodes import ExecutionFault
from ingest.bank.fake_gitlab.projects import Project, after

#: The most nodes of a page.
PAGE_MAX: Final = 100


@frozen
class Part:
    """A part of a connection."""

    projects: Sequence[Project]
    total: int
    has_next: bool
    has_previous: bool


def chosen(projects: Sequence[Project], arguments: Mapping[str, Any]) -> list[Project]:
    """Return those of the projects that a query's arguments choose.

    Raises:
        ExecutionFault: They name what is no project.
    """
    found = list(projects)
    if arguments.get("ids") is not None:
        wanted = {_number(one) for one in arguments["ids"]}
        found = [one for one in found if one.id in wanted]
    if text := (arguments.get("search") or "").casefold():
        found = [one for one in found if text in one.path.casefold()]
    return found


def part_of(ascending: list[Project], arguments: Mapping[str, Any]) -> Part:
    """Return what a query asks for of a connection, whose order is by descending numbers.

    Raises:
        ExecutionFault: It asks for what cannot be.
    """
    first, last = arguments.get("first"), arguments.get("last")
    if first is not None and last is not None:
        raise ExecutionFault("Can only provide either `first` or `last`, not both")
    total = len(ascending)
    begin, end = 0, total
    if arguments.get("after"):
        end = after(ascending, _place(arguments["after"]) - 1)
    if arguments.get("before"):
        begin = after(ascending, _place(arguments["before"]))
    size = min(PAGE_MAX, *(one for one in (first, last) if one is not None), PAGE_MAX)
    if last is None:
        cut = max(end - size, begin)
        part, has_next, has_previous = ascending[cut:end], cut > begin, end < total
    else:
        cut = min(begin + size, end)
        part, has_next, has_previous = ascending[begin:cut], begin > 0, cut < end
    # Where `first` is not given, no next page is told of.
    return Part(part[::-1], total, has_next and first is not None, has_previous)


def cursor(project: Project) -> str:
    """Return where in a connection a project stands."""
    return base64.urlsafe_b64encode(orjson.dumps({"id": str(project.id)})).decode().rstrip("=")


def _place(text: str) -> int:
    try:
        padded = text + "=" * (-len(text) % 4)
        return int(orjson.loads(base64.urlsafe_b64decode(padded))["id"])
    except (binascii.Error, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        raise ExecutionFault("Please provide a valid cursor") from None


def _number(gid: object) -> int:
    text = str(gid).removeprefix("gid://gitlab/Project/")
    if not text.isdigit():
        raise ExecutionFault(f'"{gid}" does not represent an instance of Project')
    return int(text)
