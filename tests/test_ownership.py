"""Files that one user leaves to another: what root does must not keep the service from its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.processes import ROOT

needs_root: Final = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")

#: To root no file is read-only, unless it is told so.
AS_A_USER: Final = (
    ("setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override")
    if os.geteuid() == 0
    else ()
)
SOMEBODY: Final = 65534
DEADLINE_S: Final = 30.0


@pytest.fixture
def path(empty_database: Path, tmp_path: Path) -> Path:
    """A database in a folder of its own."""
    folder = tmp_path / "of the service"
    folder.mkdir()
    return Path(shutil.copy(empty_database, folder / "ingest.db"))


def ingest(*arguments: str, prefix: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    command = [*prefix, sys.executable, "-m", "ingest", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=DEADLINE_S
    )


@pytest.mark.parametrize("ending", ["", "-wal"])
def test_a_database_that_cannot_be_written_ends_the_start(path: Path, ending: str) -> None:
    """As after a restore by root: else the service would be UP, and refuse every start."""
    file = path.with_name(path.name + ending)
    file.touch()
    file.chmod(0o444)
    arguments = ("serve", "--port", "0", "--database", str(path))
    done = ingest(*arguments, prefix=AS_A_USER)
    assert done.returncode == 2
    assert f"{file} cannot be written by this user (uid {os.geteuid()};" in done.stderr
    assert "chown" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_lock_file_that_cannot_be_written_ends_the_start(path: Path) -> None:
    """One line says who must be able to."""
    lock = path.with_name(f"{path.name}.lock")
    lock.touch(0o444)
    done = ingest("serve", "--port", "0", "--database", str(path), prefix=AS_A_USER)
    assert done.returncode == 2
    assert f"cannot open or make the lock file {lock}: Permission denied" in done.stderr


@needs_root
@pytest.mark.parametrize(
    "command", [("db", "upgrade"), ("db", "check"), ("token", "new", "x", "--scope", "ingest:read")]
)
def test_root_leaves_the_database_to_its_owner(path: Path, command: tuple[str, ...]) -> None:
    """Whatever root does beside the database, all files belong to whom it belongs to."""
    for each in (path.parent, *path.parent.iterdir()):
        os.chown(each, SOMEBODY, SOMEBODY)
    assert ingest(*command, "--database", str(path)).returncode == 0
    assert {each.stat().st_uid for each in path.parent.iterdir()} == {SOMEBODY}
