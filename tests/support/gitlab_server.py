"""A fake GitLab for tests, over a real socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ingest.bank.fake_gitlab.gitlab import FakeGitLab
from ingest.bank.fake_gitlab.server import serving


@asynccontextmanager
async def fake_gitlab(root: Path, **options: Any) -> AsyncIterator[FakeGitLab]:
    """Serve the repositories of a folder, which is made if it is not there.

    Args:
        root: The folder.
        options: See `FakeGitLab`.
    """
    root.mkdir(exist_ok=True)  # noqa: ASYNC240 - a test may wait for a folder
    async with serving(FakeGitLab(root, **options)) as gitlab:
        yield gitlab
