"""The projects: one for each repository of a folder, with what only GitLab knows of them.

The folder is listed when it has changed, not for each request. What is done to a project at run
time (a new name, another group, an archive's seal) lives in memory, by its number.
"""

import os
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final

from attrs import define, field, frozen

#: What a numbered repository's id is above its number.
FIRST_ID: Final = 1_000_000

#: Where the ids begin of all others, which are derived from their paths.
_OTHER_IDS: Final = 1_000_000_000_000
_LONGEST_NUMBER: Final = 11

_GROUP_IDS: Final = 100_000
_DELETED_AFTER: Final = timedelta(days=30)

#: A folder that changed less than this before it was listed may change again unseen.
_CLOCK_STEP_S: Final = 0.1


@frozen
class Group:
    """A group of projects."""

    full_path: str

    @property
    def id(self) -> int:
        """Return its number, which the path decides."""
        return _GROUP_IDS + _number(self.full_path, bits=32)

    @property
    def path(self) -> str:
        """Return the last part of its path."""
        return self.full_path.rpartition("/")[2]

    @property
    def parent(self) -> "Group | None":
        """Return the group it is in."""
        above = self.full_path.rpartition("/")[0]
        return Group(above) if above else None


@define(eq=False)
class Project:
    """One project."""

    #: The repository's path below the folder, without ``.git``; stays, whatever it is renamed to.
    key: str
    directory: Path
    id: int
    path: str
    namespace: str
    archived: bool = False
    #: Whether it is kept from every token.
    hidden: bool = False
    marked_for_deletion_on: str | None = None
    #: The last activity that was told; None before anybody asked.
    active_at: datetime | None = None
    #: The head that was looked at last, and its date.
    known_head: tuple[str, str] | None = field(default=None, repr=False)

    @property
    def full_path(self) -> str:
        """Return its path with its group's."""
        return f"{self.namespace}/{self.path}"


@frozen
class Listed:
    """What a listing of the folder has found."""

    #: Where the repositories are, by their keys.
    repositories: dict[str, Path]
    #: When each folder that was looked into was changed, in ns; 0 where that may not be the last.
    folders: dict[Path, int]


def list_folder(root: Path) -> Listed:
    """List the repositories in a folder and the folders below it. Blocks.

    Raises:
        OSError: It cannot be listed.
    """
    folders: dict[Path, int] = {}
    return Listed(dict(_repositories(root, "", folders)), folders)


class Projects:
    """All projects, and the groups they are in.

    Args:
        root: The folder.
        group: The full path of the group that stands for it.
    """

    def __init__(self, root: Path, group: str) -> None:
        self.root = root
        self.group = Group(group)
        #: How many listings of the folder it has taken.
        self.listings = 0
        self._by_key: dict[str, Project] = {}
        self._by_id: dict[int, Project] = {}
        self._by_path: dict[str, Project] = {}
        self._moved: dict[str, int] = {}
        self._deleted: set[str] = set()
        self._listed_at: dict[Path, int] = {}
        self._lists: dict[object, list[Project]] = {}
        self._groups: list[Group] = []

    def is_stale(self) -> bool:
        """Return whether the folder has changed since it was listed."""
        return not self._listed_at or any(
            _modified(path) != at for path, at in self._listed_at.items()
        )

    def take(self, listed: Listed) -> None:
        """Be what a listing has found."""
        self.listings += 1
        found = listed.repositories
        self._deleted &= found.keys()
        for key in self._by_key.keys() - found.keys():
            self._drop(self._by_key[key])
        for key in sorted(found.keys() - self._by_key.keys() - self._deleted):
            self._add(key, found[key])
        for key, project in self._by_key.items():
            project.directory = found[key]
        self._listed_at = listed.folders
        self.changed()

    def changed(self) -> None:
        """Forget the lists that were made of the projects."""
        self._lists = {}
        self._groups = []

    def __len__(self) -> int:
        return len(self._by_id)

    def of_key(self, key: str) -> Project:
        """Return the project of a repository by its path below the folder.

        Raises:
            KeyError: There is none.
        """
        return self._by_key[key]

    def find(self, id_or_path: str) -> Project | None:
        """Return a project by its number or full path; also by one it had before."""
        if id_or_path.isascii() and id_or_path.isdigit():
            return self._by_id.get(int(id_or_path))
        path = id_or_path.casefold()
        return self._by_path.get(path) or self._by_id.get(self._moved.get(path, 0))

    def find_group(self, id_or_path: str) -> Group | None:
        """Return a group by its number, or by its full path in any case."""
        by_number = id_or_path.isascii() and id_or_path.isdigit()
        wanted = id_or_path.casefold()
        for group in self.groups():
            if (str(group.id) if by_number else group.full_path.casefold()) == wanted:
                return group
        return None

    def groups(self) -> list[Group]:
        """Return the group and those below it that have projects."""
        if self._groups:
            return self._groups
        paths = {self.group.full_path}
        for namespace in {project.namespace for project in self.all()}:
            within = namespace
            while within.startswith(f"{self.group.full_path}/"):
                paths.add(within)
                within = within.rpartition("/")[0]
        self._groups = [Group(path) for path in sorted(paths)]
        return self._groups

    def all(self) -> list[Project]:
        """Return every project that is not kept from the tokens, by ascending id."""
        return self._list("all", lambda _: True)

    def within(
        self, group: Group, *, subgroups: bool, archived: bool | None = None
    ) -> list[Project]:
        """Return a group's projects by ascending id.

        Args:
            group: The group.
            subgroups: Whether those of the groups below belong to it.
            archived: Only those that are, or are not.
        """
        below = f"{group.full_path}/"

        def fits(project: Project) -> bool:
            belongs = project.namespace == group.full_path or (
                subgroups and project.namespace.startswith(below)
            )
            return belongs and archived in {None, project.archived}

        return self._list((group.full_path, subgroups, archived), fits)

    def move(self, project: Project, *, path: str, namespace: str) -> None:
        """Give a project another path; the old one leads to it from now on."""
        old = project.full_path.casefold()
        del self._by_path[old]
        self._moved[old] = project.id
        project.path, project.namespace = path, namespace
        self._by_path[project.full_path.casefold()] = project
        self.changed()

    def mark_for_deletion(self, project: Project) -> None:
        """Aim a project for deletion: it is archived, and its path says so."""
        project.marked_for_deletion_on = f"{date.today() + _DELETED_AFTER}"  # noqa: DTZ011 - a date
        project.archived = True
        path = f"{project.path}-deletion_scheduled-{project.id}"
        self.move(project, path=path, namespace=project.namespace)

    def delete(self, project: Project) -> None:
        """Remove a project, whatever becomes of its folder."""
        self._deleted.add(project.key)
        self._drop(project)
        self.changed()

    def _add(self, key: str, directory: Path) -> None:
        above, _, name = key.rpartition("/")
        namespace = f"{self.group.full_path}/{above}" if above else self.group.full_path
        project = Project(key, directory, project_id(key), name, namespace)
        if project.full_path.casefold() in self._by_path:
            return
        self._by_key[key] = self._by_id[project.id] = project
        self._by_path[project.full_path.casefold()] = project

    def _drop(self, project: Project) -> None:
        del self._by_key[project.key], self._by_id[project.id]
        del self._by_path[project.full_path.casefold()]
        self._moved = {path: one for path, one in self._moved.items() if one != project.id}

    def _list(self, name: object, fits: Callable[[Project], bool]) -> list[Project]:
        if name not in self._lists:
            shown = (one for one in self._by_id.values() if not one.hidden and fits(one))
            self._lists[name] = sorted(shown, key=lambda one: one.id)
        return self._lists[name]


def after(projects: list[Project], project_id: int) -> int:
    """Return where in a list by ascending ids those begin that are above one."""
    return bisect_left(projects, project_id + 1, key=lambda one: one.id)


def project_id(key: str) -> int:
    """Return the number of a repository's project, the same at every start."""
    if key.isascii() and key.isdigit() and key[0] != "0" and len(key) <= _LONGEST_NUMBER:
        return FIRST_ID + int(key)
    return _OTHER_IDS + _number(key, bits=40)


def _number(text: str, *, bits: int) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[: bits // 8])


def _modified(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _repositories(folder: Path, above: str, folders: dict[Path, int]) -> Iterator[tuple[str, Path]]:
    """Yield keys and places of the repositories in a folder; note when which folder was changed."""
    modified = folder.stat().st_mtime_ns
    is_settled = time.time() - modified / 1e9 > _CLOCK_STEP_S
    folders[folder] = modified if is_settled else 0
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir())
    for name in names:
        path = folder / name
        key = above + name.removesuffix(".git")
        if name.startswith("."):
            continue
        if name.endswith(".git") or (path / "HEAD").exists() or (path / ".git").exists():
            yield key, path
            continue
        within = list(_repositories(path, f"{key}/", folders))
        yield from within
        if not within and name.isdigit():
            yield key, path
