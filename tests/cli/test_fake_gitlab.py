"""The fake GitLab as a command."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.cli.conftest import ITEMS, Run


def test_it_serves_until_told_to_stop(bank: Path, tmp_path: Path) -> None:
    """It says where the bank is and what it knows callers by, answers, and ends with 0."""
    token = tmp_path / "token"
    token.write_text("a-token\n")
    command = [sys.executable, "-m", "ingest", "bank", "fake-gitlab", str(bank), "--port", "0"]
    command += ["--token-file", str(token), "--group", "org/bank"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        url, _, rest = line.partition(" ")
        assert rest == f"serves {ITEMS} projects; token in {token}; Ctrl-C ends it\n"
        assert url.startswith("gitlab+http://127.0.0.1:")
        assert url.endswith("/org/bank")
        base = url.removeprefix("gitlab+").removesuffix("/org/bank")
        asked = Request(  # noqa: S310 - our own server's
            f"{base}/api/v4/groups/org%2Fbank/projects?per_page=1",
            headers={"PRIVATE-TOKEN": "a-token"},
        )
        with urlopen(asked) as response:  # noqa: S310 - our own server's
            assert response.headers["X-Total"] == f"{ITEMS}"
            assert json.load(response)[0]["namespace"]["full_path"] == "org/bank"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0


def test_a_folder_that_is_not_there_is_one_line(run: Run, tmp_path: Path) -> None:
    """Exit code 1 and the folder's name, without a traceback."""
    result = run("bank", "fake-gitlab", tmp_path / "nowhere", "--port", "0")
    assert result.exit_code == 1
    assert result.stderr == f"ingest: {tmp_path / 'nowhere'}: No such file or directory\n"


def test_a_token_file_without_a_token_is_bad_usage(run: Run, tmp_path: Path) -> None:
    """Exit code 2, and what should be in it."""
    file = tmp_path / "token"
    file.write_text("\n")
    result = run("bank", "fake-gitlab", tmp_path, "--port", "0", "--token-file", file)
    assert result.exit_code == 2
    assert "does not hold a token" in result.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "example.org"])  # noqa: S104 - refused
def test_it_listens_for_this_machine_alone(run: Run, tmp_path: Path, host: str) -> None:
    """Any other address is bad usage."""
    assert run("bank", "fake-gitlab", tmp_path, "--host", host).exit_code == 2
