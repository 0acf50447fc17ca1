"""The commands that need no running service."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.support.processes import INGEST

Run = Callable[..., Result]


def test_help_imports_nothing_slow() -> None:
    """The help answers at once, for it imports neither aiohttp nor rich nor the service."""
    code = (
        "import sys; from ingest.cli import cli; cli(['--help'], standalone_mode=False); "
        "print([name for name in ('aiohttp', 'rich', 'pygit2', 'sqlalchemy', 'ingest.app') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "abandon" in done.stdout


def test_version_is_told(run: Run) -> None:
    """The version is printed with the command's name."""
    result = run("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("ingest, version ")


def test_config_names_each_origin(run: Run, tmp_path: Path) -> None:
    """Each value is shown with where it comes from: flag, environment, file or default."""
    file = tmp_path / "ingest.toml"
    file.write_text("[server]\nabandon_grace_s = 7\n")
    result = run("config", "--config", file, "--port", "9200", INGEST_LOG_LEVEL="DEBUG")
    assert result.exit_code == 0
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in result.stdout.splitlines()}
    assert lines["server.port"] == "= 9200 (flag --port)"
    assert lines["server.abandon_grace_s"] == f"= 7.0 (file {file})"
    assert lines["log.level"] == "= 'DEBUG' (environment variable INGEST_LOG_LEVEL)"
    assert lines["server.host"] == "= '127.0.0.1' (default)"


def test_config_as_json(run: Run) -> None:
    """With --json the same is one document by key."""
    document = json.loads(run("config", "--json", "--host", "::1").stdout)
    assert document["server.host"] == {"value": "::1", "origin": "flag --host"}


@pytest.mark.parametrize("command", ["config", "serve"])
def test_bad_value_is_one_line(run: Run, command: str) -> None:
    """A value that cannot be used ends the command with one line and exit code 2."""
    result = run(command, "--port", "abc")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "server.port = 'abc' (flag --port)" in result.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.org"])  # noqa: S104 - refused
def test_listening_for_strangers_is_refused(run: Run, host: str) -> None:
    """Listening elsewhere than on loopback is refused, with the way out."""
    result = run("serve", "--host", host)
    assert result.exit_code == 2
    assert "--allow-unauthenticated" in result.stderr


def test_serve_runs_until_sigterm_and_owns_its_database(tmp_path: Path, bank: Path) -> None:
    """A service ends with 0 after SIGTERM; a second one on its database ends with 1 at once."""
    command = [*INGEST, "serve", "--port", "0"]
    command += ["--bank", str(bank), "--database", str(tmp_path / "ingest.db")]
    # Allowed to listen for strangers, but the database stops it before it does.
    other = [*command, "--host", "0.0.0.0", "--allow-unauthenticated"]  # noqa: S104
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as first:
        assert first.stderr is not None
        assert any("service ready" in line for line in first.stderr)
        second = subprocess.run(other, capture_output=True, text=True, check=False)
        first.send_signal(signal.SIGTERM)
        assert first.wait() == 0
    assert second.returncode == 1
    assert second.stderr.splitlines()[-1].startswith("ingest: ")
    assert "Traceback" not in second.stderr


def test_sample_bank_is_made_and_checked(run: Run, tmp_path: Path) -> None:
    """A sample bank is made with a summary line, and its check counts it and names a problem."""
    bank = tmp_path / "bank"
    made = run("bank", "sample", bank, "--items", 5, "--seed", 3)
    assert made.exit_code == 0
    assert made.stdout.startswith(f"Made 5 items in {bank}, 100001 to 100005: ")
    (bank / "7").mkdir()
    checked = run("bank", "check", "--bank", bank)
    assert checked.exit_code == 0
    assert "6 entries" in checked.stdout
    assert "7: NOT_A_REPOSITORY: " in checked.stdout
    document = json.loads(run("bank", "check", "--bank", bank, "--json").stdout)
    assert document["entries"] == 6
    assert [problem["itemId"] for problem in document["problems"]] == ["7"]


def test_sample_of_one_repository_is_made_and_checked(run: Run, tmp_path: Path) -> None:
    """The same items in one repository, at an address of its own."""
    bank = tmp_path / "bank"
    apart, together = (
        run("bank", "sample", directory, "--items", 5, *option).stdout.replace(str(directory), "")
        for directory, option in ((tmp_path / "apart", ()), (bank, ("--one-repository",)))
    )
    assert together == apart
    assert (
        "5 entries, 0 of them without" in run("bank", "check", "--bank", f"git+file:{bank}").stdout
    )
    other = run("bank", "check", "--bank", f"git+file:{tmp_path / 'apart'}")
    assert other.exit_code == 1
    assert other.stderr.count("\n") == 1


def test_sample_with_bad_items_names_them(run: Run, tmp_path: Path) -> None:
    """Each bad item has a line with its kind, and a check of the bank finds those it can list."""
    bank = tmp_path / "bank"
    made = run("bank", "sample", bank, "--items", 5, "--bad", 4)
    assert made.exit_code == 0
    assert made.stdout.splitlines()[1:] == [
        "0100006: BAD_KEY",
        "100007: NOT_A_REPOSITORY",
        "100008: UNREADABLE_REPOSITORY",
        "100009: DOCUMENT_REMOVED",
    ]
    document = json.loads(run("bank", "check", "--bank", bank, "--json").stdout)
    assert document["entries"] == 9
    assert {problem["itemId"] for problem in document["problems"]} == {
        "0100006",
        "100007",
        "100008",
    }
    other = json.loads(
        run("bank", "sample", tmp_path / "other", "--items", 5, "--bad", 4, "--json").stdout
    )
    assert list(other["problems"].values())[1] == "NOT_A_REPOSITORY"
    assert run("bank", "sample", tmp_path / "none", "--items", 5, "--bad", -1).exit_code == 2


def test_sample_into_a_full_folder_is_refused(run: Run, bank: Path) -> None:
    """A folder that holds something is left as it is: bad usage."""
    result = run("bank", "sample", bank, "--items", 5)
    assert result.exit_code == 2
    assert "not an empty directory" in result.stderr


def test_sample_where_nothing_can_be_written(run: Run, tmp_path: Path) -> None:
    """A path below a file ends in one line and exit code 1."""
    (tmp_path / "file").touch()
    result = run("bank", "sample", tmp_path / "file" / "bank", "--items", 5)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1


def test_bank_that_is_not_there(run: Run, tmp_path: Path) -> None:
    """The check of a bank that is not there says so, with exit code 1."""
    result = run("bank", "check", "--bank", tmp_path / "none")
    assert result.exit_code == 1
    assert str(tmp_path / "none") in result.stderr


def test_reader_that_has_gone_is_no_fault() -> None:
    """Output into a closed pipe ends the command quietly."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [*INGEST, "config"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert done.stderr == b""
