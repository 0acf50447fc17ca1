"""The command that checks the database."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]


@pytest.fixture
def path(empty_database: Path, tmp_path: Path) -> Path:
    """A database."""
    return Path(shutil.copy(empty_database, tmp_path / "ingest.db"))


def damage(path: Path, sql: str) -> None:
    """Change a database by hand."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(sql)


def test_a_sound_database(run: Run, path: Path) -> None:
    """One line says what was checked: exit code 0."""
    result = run("db", "check", "--database", path)
    assert result.exit_code == 0
    assert result.stdout.endswith("checks over 0 executions and 0 items\n")
    assert result.stdout.count("\n") == 1
    document = json.loads(run("db", "check", "--database", path, "--json").stdout)
    assert (document["sound"], document["findings"], document["notes"]) == (True, [], [])


def test_the_configuration_names_the_database(run: Run, path: Path) -> None:
    """Without a flag the configured one is checked."""
    assert str(path) in run("db", "check", INGEST_DATABASE_URL=str(path)).stdout


def test_findings_are_listed(run: Run, path: Path) -> None:
    """Each is a line with the thing, its id and the way out: exit code 1."""
    damage(path, "UPDATE batch_job_instance SET job_name = 'x' WHERE job_instance_id = 2")
    result = run("db", "check", "--database", path)
    assert result.exit_code == 1
    assert result.stdout.startswith("job instance 2 is not that of itemMigrationJob. What to do: ")
    assert result.stdout.count("\n") == 1
    assert result.stderr == ""
    as_json = run("db", "check", "--database", path, "--json")
    assert as_json.exit_code == 1
    (finding,) = json.loads(as_json.stdout)["findings"]
    assert (finding["thing"], finding["id"]) == ("job instance", "2")


def test_no_such_file(run: Run, tmp_path: Path) -> None:
    """Exit code 2, one line, and no file is made."""
    result = run("db", "check", "--database", tmp_path / "none.db")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_while_the_service_runs(run: Run, service: str, tmp_path: Path) -> None:
    """The check does not mind the service, nor the service the check."""
    started = run("sync", "--wait", INGEST_URL=service)
    assert started.exit_code == 0
    result = run("db", "check", "--database", tmp_path / "ingest.db")
    assert result.exit_code == 0
    assert "over 1 executions and 12 items" in result.stdout
