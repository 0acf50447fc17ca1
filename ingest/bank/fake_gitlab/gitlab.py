"""The fake GitLab as those who run it hold it: its faults, its record, its projects' fate."""

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from ingest.bank.fake_gitlab.access import Token, Tokens
from ingest.bank.fake_gitlab.activity import Activity
from ingest.bank.fake_gitlab.faults import Faults
from ingest.bank.fake_gitlab.hook_calls import push_body
from ingest.bank.fake_gitlab.hooks import Hooks
from ingest.bank.fake_gitlab.pacing import NO_LIMIT, RateLimit
from ingest.bank.fake_gitlab.projects import Project, Projects, list_folder
from ingest.bank.fake_gitlab.requests import Requests
from ingest.bank.fake_gitlab.world import World

DEFAULT_GROUP: Final = "itembank"

#: How often a project's last activity moves, at most.
ACTIVITY_STEP: Final = timedelta(hours=1)


class FakeGitLab:
    """A GitLab over the repositories of a folder. `server.serving` makes it listen.

    Projects are named by their keys: the repository's path below the folder, without ``.git``. A
    key stays, whatever its project is renamed to.

    Args:
        root: The folder.
        group: The full path of the group that stands for it.
        token: The value of the token that may do all; None to make one up.
        requests_per_minute: How many are answered.
        window_s: How long the minute is.
        activity_step: How often a project's last activity moves, at most.
        seed: What random faults begin with.
    """

    def __init__(
        self,
        root: Path,
        *,
        group: str = DEFAULT_GROUP,
        token: str | None = None,
        requests_per_minute: int = NO_LIMIT,
        window_s: float = 60.0,
        activity_step: timedelta = ACTIVITY_STEP,
        seed: int = 1,
    ) -> None:
        self.world = World(
            projects=Projects(root, group),
            tokens=Tokens(),
            faults=Faults(seed),
            requests=Requests(),
            limit=RateLimit(requests_per_minute, window_s=window_s),
            hooks=Hooks(),
            activity=Activity(activity_step),
        )
        self.group = group
        #: The token that may do all, until something is done to it.
        self.token: Token = self.world.tokens.add(token or f"glpat-{secrets.token_urlsafe(15)}")
        #: Where it listens; empty before it does.
        self.url = ""
        self._heads: dict[str, str | None] = {}

    @property
    def bank_url(self) -> str:
        """Return the address of the item bank that it serves."""
        return f"gitlab+{self.url}/{self.group}"

    @property
    def faults(self) -> Faults:
        """Return its misbehaviour."""
        return self.world.faults

    @property
    def requests(self) -> Requests:
        """Return the record of what was asked."""
        return self.world.requests

    @property
    def hooks(self) -> Hooks:
        """Return the hooks, and the calls that were made of them."""
        return self.world.hooks

    @property
    def tokens(self) -> Tokens:
        """Return the tokens, to add others."""
        return self.world.tokens

    def project(self, key: str) -> Project:
        """Return a project.

        Raises:
            KeyError: The folder has no such repository.
            OSError: The folder cannot be listed.
        """
        projects = self.world.projects
        if projects.is_stale():
            # Whoever asks has made the repository just now, and wants it at once.
            projects.take(list_folder(projects.root))
        return projects.of_key(key)

    def rename(self, key: str, path: str) -> Project:
        """Give a project another name; its number stays, and its old path leads to it."""
        project = self.project(key)
        self.world.projects.move(project, path=path, namespace=project.namespace)
        return project

    def transfer(self, key: str, namespace: str) -> Project:
        """Move a project to another group, by that group's full path."""
        project = self.project(key)
        self.world.projects.move(project, path=project.path, namespace=namespace)
        return project

    def archive(self, key: str, *, archived: bool = True) -> None:
        """Put the archive's seal on a project, or take it away."""
        self.project(key).archived = archived
        self.world.projects.changed()

    def mark_for_deletion(self, key: str) -> Project:
        """Aim a project for deletion."""
        project = self.project(key)
        self.world.projects.mark_for_deletion(project)
        return project

    def delete(self, key: str) -> None:
        """Delete a project; its repository stays in the folder."""
        self.world.projects.delete(self.project(key))

    def hide(self, key: str, *, hidden: bool = True) -> None:
        """Keep a project from every token, or show it again."""
        self.project(key).hidden = hidden
        self.world.projects.changed()

    def touch(self, key: str, at: datetime | None = None) -> None:
        """Let a project be active without a push: an issue, a comment."""
        self.world.activity.happened(self.project(key), at or datetime.now(UTC))

    async def pushed(self, key: str) -> int:
        """Tell a project's hooks that its default branch has moved; return how many are called.

        From where it stood when this was last told of, or where its commit's parent is. Does not
        wait for the receivers: see `Hooks.settled`.
        """
        project = self.project(key)
        self.touch(key)
        before = self._heads.get(key)
        body = await push_body(self.world, project, before, self.url)
        after = body["checkout_sha"]
        if key not in self._heads and body["commits"]:
            described = await self.world.describe([project])
            parents = described[0]["parent_ids"] if described[0] else []
            if isinstance(parents, list) and parents:
                body = await push_body(self.world, project, parents[0], self.url)
        self._heads[key] = after
        return self.hooks.pushed(project.id, body)
