"""Where a listing may go on from: what is to be known of the complete one before it."""

from datetime import datetime, timedelta
from typing import Final

import orjson
from attrs import frozen

#: GitLab dates a project's activity anew once an hour at most, and its machines' clocks differ.
ACTIVITY_MARGIN: Final = timedelta(hours=1, minutes=5)


@frozen(kw_only=True)
class Cursor:
    """What a complete listing leaves to the next one."""

    #: Of which group it is.
    group: int
    #: Of which GitLab, by its scheme, host and port.
    origin: str
    #: When it began: by GitLab's clock or, if that is earlier, by this machine's.
    begun: datetime
    #: How many listings ago every revision was asked for.
    partial: int = 0

    def proves_unchanged(self, last_activity_at: datetime | None) -> bool:
        """Return whether a project of this activity is certainly as it was then."""
        return last_activity_at is not None and last_activity_at < self.begun - ACTIVITY_MARGIN

    def text(self) -> str:
        """Return it as it is kept."""
        kept = {
            "origin": self.origin,
            "group": self.group,
            "begun": self.begun.isoformat(),
            "partial": self.partial,
        }
        return orjson.dumps(kept).decode()


def read_cursor(text: str | None, *, origin: str, group: int) -> Cursor | None:
    """Return the cursor that was kept; None for none, or for one of something else."""
    if text is None:
        return None
    try:
        kept = orjson.loads(text)
        begun = datetime.fromisoformat(kept["begun"])
        partial = int(kept["partial"])
        is_ours = (kept["origin"], kept["group"]) == (origin, group)
        is_sound = begun.tzinfo is not None and partial >= 0
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None
    if not is_ours or not is_sound:
        return None
    return Cursor(origin=origin, group=group, begun=begun, partial=partial)
