"""The commands that look after the database."""

import json
import os
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result

from ingest.storage.schema import NEWEST
from tests.support.old_databases import make_database

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


def test_a_backup(run: Run, path: Path, tmp_path: Path) -> None:
    """One line says what was made, how large it is and how long it took: exit code 0."""
    copy = tmp_path / "copy.db"
    result = run("db", "backup", copy, "--database", path)
    assert result.exit_code == 0
    assert re.fullmatch(
        rf"Backup '{copy}' is sound: \d\.\d MB in \d\.\d s, \d+ checks over 0 executions and 0 "
        r"items\n",
        result.stdout,
    )
    assert run("db", "check", "--database", copy).exit_code == 0
    again = run("db", "backup", copy, "--database", path)
    assert (again.exit_code, again.stdout) == (1, "")
    assert again.stderr == f"ingest: {copy} is there already: name another file, or say --force\n"
    forced = run("db", "backup", copy, "--database", path, "--force", "--json")
    document = json.loads(forced.stdout)
    assert document["sizeBytes"] == copy.stat().st_size
    assert (document["backup"], document["sound"]) == (str(copy), True)


def test_a_backup_while_the_service_runs(run: Run, service: str, tmp_path: Path) -> None:
    """It is of what the service has on record, and the service goes on."""
    assert run("sync", "--wait", INGEST_URL=service).exit_code == 0
    copy = tmp_path / "copy.db"
    made = run("db", "backup", copy, "--database", tmp_path / "ingest.db")
    assert made.exit_code == 0
    assert "over 1 executions and 12 items" in made.stdout
    assert run("migrate", "--wait", INGEST_URL=service).exit_code == 0


def test_a_backup_of_an_unsound_database(run: Run, path: Path, tmp_path: Path) -> None:
    """The copy is made, what is wrong is told, and the exit code is 1."""
    damage(path, "UPDATE batch_job_instance SET job_name = 'x' WHERE job_instance_id = 2")
    copy = tmp_path / "copy.db"
    result = run("db", "backup", copy, "--database", path)
    assert result.exit_code == 1
    first, last = result.stdout.splitlines()
    assert first.startswith("in the copy as in the database: job instance 2 is not that of")
    assert "is unsound, as the database is" in last
    assert copy.exists()


def test_an_upgrade(run: Run, tmp_path: Path) -> None:
    """An old database is brought up, once; a second time there is nothing to do."""
    path = tmp_path / "old.db"
    make_database(path, "0001")
    result = run("db", "upgrade", "--database", path)
    assert (result.exit_code, result.stdout) == (
        0,
        f"Database '{path}' is of version {NEWEST} now; it was of 0001\n",
    )
    again = run("db", "upgrade", "--database", path)
    assert (again.exit_code, again.stdout) == (
        0,
        f"Database '{path}' is of the newest version, {NEWEST}: nothing to do\n",
    )
    as_json = run("db", "upgrade", "--database", path, "--json")
    assert json.loads(as_json.stdout) == {
        "database": str(path),
        "before": NEWEST,
        "now": NEWEST,
    }
    assert run("db", "check", "--database", path).exit_code == 0


def test_an_upgrade_while_the_service_runs(run: Run, service: str, tmp_path: Path) -> None:
    """The database belongs to the service, which is named: exit code 1."""
    assert run("jobs", INGEST_URL=service).exit_code == 0
    result = run("db", "upgrade", "--database", tmp_path / "ingest.db")
    assert result.exit_code == 1
    assert f"belongs to another running service: process {os.getpid()} on" in result.stderr


@pytest.mark.parametrize("command", ["check", "upgrade", "backup"])
def test_a_newer_version_is_refused(run: Run, path: Path, tmp_path: Path, command: str) -> None:
    """Each command says so, in one line that names both versions, and changes nothing."""
    damage(path, "UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes()
    copy = [tmp_path / "copy.db"] if command == "backup" else []
    result = run("db", command, *copy, "--database", path)
    assert result.exit_code == 1
    said = result.stdout + result.stderr
    assert said.count("\n") == 1
    assert "newer version of the service" in said
    assert "9999" in said
    assert NEWEST in said
    assert path.read_bytes() == before
    assert not (tmp_path / "copy.db").exists()


@pytest.mark.parametrize("command", ["upgrade", "backup"])
def test_no_such_database(run: Run, tmp_path: Path, command: str) -> None:
    """Exit code 2, one line, and no file is made."""
    copy = [tmp_path / "copy.db"] if command == "backup" else []
    result = run("db", command, *copy, "--database", tmp_path / "none.db")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
