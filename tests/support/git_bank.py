"""Builders of real repositories, made with the git command and nobody's own configuration."""

import os
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

DATE: Final = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)

_WHO: Final = "ada@items.example"
_ENVIRONMENT: Final = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}


def make_repository(path: Path, *, bare: bool = True, branch: str = "main") -> Path:
    """Make a repository without any commit."""
    kind = ["--bare"] if bare else []
    path.mkdir(parents=True)
    _git(path, "init", "--quiet", f"--initial-branch={branch}", *kind, ".")
    return path


def commit_item(
    repo: Path,
    document: Mapping[str, Any] | bytes | None,
    message: str = "Change the item",
    author: str = "Ada Okafor",
    date: datetime = DATE,
) -> str:
    """Commit *document* as item.json (None: an empty tree) on HEAD; return the commit's hash."""
    tree = b""
    if document is not None:
        content = document if isinstance(document, bytes) else orjson.dumps(document)
        blob = _git(repo, "hash-object", "-w", "--stdin", given=content)
        tree = f"100644 blob {blob}\titem.json\n".encode()
    head = _git(repo, "rev-parse", "--verify", "--quiet", "HEAD", may_fail=True)
    parent = ["-p", head] if head else []
    moment = f"{date.timestamp():.0f} +0000"
    commit = _git(
        repo,
        "commit-tree",
        _git(repo, "mktree", given=tree),
        *parent,
        "-m",
        message,
        GIT_AUTHOR_NAME=author,
        GIT_AUTHOR_EMAIL=_WHO,
        GIT_AUTHOR_DATE=moment,
        GIT_COMMITTER_NAME=author,
        GIT_COMMITTER_EMAIL=_WHO,
        GIT_COMMITTER_DATE=moment,
    )
    _git(repo, "update-ref", "HEAD", commit)
    return commit


def pack(repo: Path) -> None:
    """Pack the repository's objects and refs, so that nothing loose is left."""
    _git(repo, "gc", "--quiet", "--prune=now")


def _git(
    repo: Path, *arguments: str, given: bytes = b"", may_fail: bool = False, **variables: str
) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=repo,
        input=given,
        env=_ENVIRONMENT | variables,
        capture_output=True,
        check=not may_fail,
    )
    return done.stdout.decode().strip()
