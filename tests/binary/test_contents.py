"""What is in the executable, and what is not."""

import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from typing import Any

import pytest
from PyInstaller.archive.readers import CArchiveReader  # type: ignore[import-untyped]

from tests.support.processes import ROOT

PACKAGE = ROOT / "ingest"


@pytest.fixture(scope="module")
def archive() -> Any:
    """The executable as an archive of files and modules."""
    return CArchiveReader(str(ROOT / "dist" / "ingest"))


@pytest.fixture(scope="module")
def modules(archive: Any) -> set[str]:
    """The names of all modules in it."""
    return set(archive.open_embedded_archive("PYZ.pyz").toc)


def package_files() -> list[Path]:
    """Return every file of the package, below the repository's root."""
    return [
        path.relative_to(ROOT)
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]


def test_every_data_file_of_the_package_is_in_it(archive: Any) -> None:
    """Templates, pages, documents, whatever is added later: nothing is forgotten."""
    data = {str(path) for path in package_files() if path.suffix != ".py"}
    assert "ingest/py.typed" in data
    assert data - set(archive.toc) == set()


def test_every_migration_is_in_it_as_a_file(archive: Any) -> None:
    """Alembic loads the versions of the schema by path."""
    migrations = {str(path) for path in package_files() if "migrations" in path.parts}
    assert "ingest/storage/migrations/versions/0001_first.py" in migrations
    assert migrations - set(archive.toc) == set()


def test_every_module_of_the_package_is_in_it(modules: set[str]) -> None:
    """Also those that a command imports only when it needs them."""
    ours = {
        ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        for path in package_files()
        if path.suffix == ".py" and "versions" not in path.parts
    }
    assert "ingest.cli" in ours
    assert ours - modules == set()


def test_nothing_of_development_is_in_it(modules: set[str]) -> None:
    """What only the tests and checks need, and window systems, make nobody's start slower."""
    of_development = {
        re.split(r"[^\w.-]", text)[0].lower().replace("_", "-")
        for text in requires("item-ingest-service") or ()
        if "extra ==" in text
    }
    assert "pytest" in of_development
    owners = packages_distributions()
    found = {name.partition(".")[0] for name in modules}
    assert {
        name
        for name in found - set(sys.stdlib_module_names)
        if of_development & {owner.lower() for owner in owners.get(name, ())}
    } == set()
    assert found & {"tkinter", "unittest", "pip", "setuptools", "_pytest", "hypothesis"} == set()


def test_it_tells_its_version_and_commit(executable: Path, archive: Any) -> None:
    """What --version says is what it was built from."""
    commit = json.loads(archive.extract("ingest/build.json"))["commit"]
    said = subprocess.run([executable, "--version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"[0-9a-f]{12}\+?", commit)
    assert said.stdout.endswith(f" (commit {commit})\n")
