"""When a project was last active, which GitLab moves at most once an hour."""

from datetime import UTC, datetime, timedelta

from ingest.bank.fake_gitlab.projects import Project
from ingest.bank.fake_gitlab.reading import Look


class Activity:
    """Tells the time of a project's last activity.

    Args:
        step: A later activity within this time of the last that was told goes untold.
    """

    def __init__(self, step: timedelta) -> None:
        self._step = step

    def of(self, project: Project, look: Look) -> datetime:
        """Return when a project was last active, now that its repository stands like this."""
        if look.pushed_at is not None:
            self.happened(project, datetime.fromtimestamp(look.pushed_at, UTC))
        return project.active_at or datetime.fromtimestamp(0, UTC)

    def happened(self, project: Project, at: datetime) -> None:
        """Take note of a push, an issue, a comment."""
        told = project.active_at
        if told is None or at >= told + self._step:
            project.active_at = at
