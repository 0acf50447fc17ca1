"""What GitLab tells of projects and commits, checked as it comes in: nothing is guessed."""

from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import cattrs
from attrs import frozen
from cattrs.gen import make_dict_structure_fn, override

from ingest.bank.gitlab.failures import TryAgainError

T = TypeVar("T")

#: How GraphQL writes a project's number.
_PROJECT_GID: Final = "gid://gitlab/Project/"

#: What a document of another shape raises.
_UNFIT: Final = (
    *(cattrs.BaseValidationError, TypeError, KeyError, ValueError, AttributeError),
    OverflowError,  # of a time
)


@frozen(kw_only=True)
class Group:
    """A group, as REST tells of it."""

    id: int
    full_path: str


@frozen(kw_only=True)
class Project:
    """A project, as REST tells of it."""

    id: int
    path: str
    path_with_namespace: str
    #: None as long as nothing was pushed to it, or where the token may not read its code.
    default_branch: str | None = None
    archived: bool = False
    empty_repo: bool = False
    #: Moves at most once an hour.
    last_activity_at: datetime | None = None


@frozen(kw_only=True)
class BranchHead:
    """Where a branch stands."""

    sha: str


@frozen(kw_only=True)
class CommitFact:
    """A commit, as REST tells of it."""

    id: str
    author_name: str
    committed_date: datetime


@frozen(kw_only=True)
class TreeEntry:
    """An entry of a folder at a commit."""

    id: str
    name: str
    type: str
    mode: str


@frozen(kw_only=True)
class Hook:
    """Something that is told of what happens in a project."""

    url: str
    push_events: bool = False


@frozen(kw_only=True)
class Head:
    """A project and where its default branch stands, as one page of GraphQL tells of it."""

    id: int
    path: str
    full_path: str
    archived: bool
    #: None where the token may not read the repository.
    is_readable: bool
    is_empty: bool
    branch: str | None
    sha: str | None


def fact(kind: type[T], document: Any) -> T:
    """Return what a document of REST's tells.

    Raises:
        TryAgainError: It is not of the shape that GitLab's API describes.
    """
    try:
        return _converter.structure(document, kind)
    except _UNFIT as error:
        raise TryAgainError(_words(kind, error)) from None


def facts(kind: type[T], document: Any) -> list[T]:
    """Return what each of a list's documents tells.

    Raises:
        TryAgainError: See `fact`.
    """
    if not isinstance(document, list):
        raise TryAgainError("an answer that is no list")
    return [fact(kind, one) for one in document]


def branch_head(document: Any) -> BranchHead:
    """Return where a branch stands.

    Raises:
        TryAgainError: See `fact`.
    """
    commit = document.get("commit") if isinstance(document, dict) else None
    sha = commit.get("id") if isinstance(commit, dict) else None
    return fact(BranchHead, {"sha": sha})


def head(node: Any) -> Head:
    """Return what a node of GraphQL's list of projects tells.

    Raises:
        TryAgainError: It is not of the shape that was asked for; null is what a node is that
            could not be had.
    """
    try:
        gid, repository = node["id"], node["repository"]
        if not isinstance(gid, str) or not gid.startswith(_PROJECT_GID):
            return fact(Head, {"id": gid})
        tree = None if repository is None else repository["tree"]
        commit = None if tree is None else tree["lastCommit"]
        return _converter.structure(
            {
                "id": int(gid.removeprefix(_PROJECT_GID)),
                "path": node["path"],
                "full_path": node["fullPath"],
                "archived": node["archived"],
                "is_readable": repository is not None,
                "is_empty": repository is not None and repository["empty"],
                "branch": None if repository is None else repository["rootRef"],
                "sha": None if commit is None else commit["sha"],
            },
            Head,
        )
    except _UNFIT as error:
        raise TryAgainError(_words(Head, error)) from None


def _words(kind: type[Any], error: Exception) -> str:
    told = cattrs.transform_error(error) if isinstance(error, cattrs.BaseValidationError) else []
    what = "; ".join(told) or f"{type(error).__name__}: {error}"
    return f"an answer that is no {kind.__name__}: {what}"


def _exactly(kind: type[Any]) -> Any:
    def structure(value: Any, _: Any) -> Any:
        # To Python, true is a whole number; to cattrs, "false" is true.
        if type(value) is not kind:
            raise TypeError(f"expected {kind.__name__}, not {type(value).__name__}")
        return value

    return structure


def _moment(value: Any, _: Any) -> datetime:
    if not isinstance(value, str):
        raise TypeError("expected a time")
    moment = datetime.fromisoformat(value)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


_converter: Final = cattrs.Converter()
for _kind in (str, int, bool):
    _converter.register_structure_hook(_kind, _exactly(_kind))
_converter.register_structure_hook(datetime, _moment)
# GitLab leaves these out, or has null there, for some tokens and in some versions.
_converter.register_structure_hook(
    Project,
    make_dict_structure_fn(
        Project,
        _converter,
        archived=override(struct_hook=lambda value, _: value is True),
        empty_repo=override(struct_hook=lambda value, _: value is True),
    ),
)
_converter.register_structure_hook(
    Hook,
    make_dict_structure_fn(
        Hook, _converter, push_events=override(struct_hook=lambda value, _: value is True)
    ),
)
