"""Tests of the one executable, which ``scripts/build --test`` runs: it says where it is."""

import os
from pathlib import Path
from typing import Final

import pytest

from tests.support.processes import EXECUTABLE

collect_ignore_glob: Final = [] if EXECUTABLE else ["test_*.py"]


@pytest.fixture
def executable() -> Path:
    """The one executable."""
    assert EXECUTABLE
    return Path(EXECUTABLE)


@pytest.fixture
def unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the test's own, in which every executable that it starts unpacks."""
    folder = tmp_path / "unpacked"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", os.fspath(folder))
    return folder
