"""The commands that make, list and revoke tokens, and the others with a token."""

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result

from ingest.app import create_app
from ingest.settings import AuthSettings, BankSettings, DatabaseSettings, Settings
from tests.cli.conftest import Serve

Run = Callable[..., Result]

SECRET = re.compile(r"ingest_[A-Za-z0-9_-]{43}\n")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is, or will be."""
    return tmp_path / "ingest.db"


@pytest.fixture
def closed_service(path: Path, bank: Path, serve: Serve) -> str:
    """The address of a service that lets nobody in without a token."""
    settings = Settings(
        database=DatabaseSettings(url=str(path)),
        bank=BankSettings(url=str(bank)),
        auth=AuthSettings(require="always"),
    )
    return serve(create_app(settings))


def made(run: Run, path: Path, name: str, scope: str = "ingest:operate") -> str:
    """Make a token; return its secret."""
    result = run("token", "new", name, "--scope", scope, "--database", path)
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def test_a_secret_is_printed_once_and_only_its_hash_is_kept(run: Run, path: Path) -> None:
    """Stdout is the secret and nothing else, so that it can be piped; the file never holds it."""
    result = run("token", "new", "nightly", "--scope", "ingest:operate", "--database", path)
    assert result.exit_code == 0
    assert SECRET.fullmatch(result.stdout)
    assert "not shown again" in result.stderr
    secret = result.stdout.strip()
    assert secret.encode() not in path.read_bytes()
    for command in (["list"], ["list", "--json"], ["revoke", "nightly"]):
        assert secret not in run("token", *command, "--database", path).output
    with closing(sqlite3.connect(path)) as database:
        ((kept,),) = database.execute("SELECT hash FROM access_token").fetchall()
    assert re.fullmatch("[0-9a-f]{64}", kept)
    assert kept not in run("token", "list", "--json", "--database", path).output


def test_secrets_differ(run: Run, path: Path) -> None:
    """No two tokens have the same secret."""
    assert len({made(run, path, f"token-{number}") for number in range(3)}) == 3


def test_tokens_are_listed(run: Run, path: Path) -> None:
    """A line a token: name, state, scopes, when it was made and when it expires."""
    made(run, path, "b")
    command = ("token", "new", "a", "--scope", "ingest:read", "--scope", "ingest:operate")
    assert run(*command, "--expires-in-days", 30, "--database", path).exit_code == 0
    revoked = run("token", "revoke", "b", "--database", path)
    assert (revoked.exit_code, revoked.stdout) == (0, "The token b counts no more\n")
    header, *lines = run("token", "list", "--database", path).stdout.splitlines()
    assert header == "name\tstate\tscopes\tcreated\texpires"
    cells = [line.split("\t") for line in lines]
    assert [row[:3] for row in cells] == [
        ["a", "in force", "ingest:operate ingest:read"],
        ["b", "revoked", "ingest:operate"],
    ]
    assert cells[0][4] > cells[0][3]
    assert cells[1][4] == ""
    document = json.loads(run("token", "list", "--json", "--database", path).stdout)
    assert [one["revokedAt"] is None for one in document["tokens"]] == [True, False]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["new", "a b", "--scope", "ingest:read"], 2, "'a b'"),
        (["new", "", "--scope", "ingest:read"], 2, "''"),
        (["new", "-x", "--scope", "ingest:read"], 2, ""),
        (["new", "x" * 65, "--scope", "ingest:read"], 2, "1 to 64"),
        (["new", "\u00e9", "--scope", "ingest:read"], 2, "letters"),
        (["new", "a"], 2, "--scope"),
        (["new", "a", "--scope", "read"], 2, "ingest:read"),
        (["new", "a", "--scope", "ingest:read", "--expires-in-days", "0"], 2, "0"),
        (["new", "taken", "--scope", "ingest:read"], 1, "choose another name"),
        (["revoke", "nobody"], 1, "no token named 'nobody'"),
    ],
)
def test_what_cannot_be_is_refused(
    run: Run, path: Path, arguments: list[str], code: int, words: str
) -> None:
    """A bad name, scope or time is bad usage; a name that is taken, or not there, is not done."""
    made(run, path, "taken")
    result = run("token", *arguments, "--database", path)
    assert result.exit_code == code
    assert words in result.stderr
    assert result.stdout == ""
    assert len(json.loads(run("token", "list", "--json", "--database", path).stdout)["tokens"]) == 1


@pytest.mark.parametrize("arguments", [["list"], ["revoke", "x"]])
def test_without_a_database_there_is_no_token(run: Run, path: Path, arguments: list[str]) -> None:
    """To look for tokens where no database is makes none."""
    result = run("token", *arguments, "--database", path)
    assert result.exit_code == 2
    assert "no such file" in result.stderr
    assert not path.exists()


def test_the_commands_with_a_token(
    run: Run, path: Path, closed_service: str, tmp_path: Path
) -> None:
    """INGEST_TOKEN and --token-file let the commands in, made while the service runs."""
    secret = made(run, path, "nightly")
    file = tmp_path / "token"
    file.write_text(secret + "\n")
    environ = {"INGEST_URL": closed_service}
    with_token = {**environ, "INGEST_TOKEN": secret}
    assert run("sync", "--wait", **with_token).exit_code == 0
    assert run("abandon", "sync", **with_token).exit_code == 0
    assert run("jobs", "--token-file", file, **environ).exit_code == 0
    history = json.loads(run("execution", 1, "--json", **with_token).stdout)
    assert history["status"] == "COMPLETED"


@pytest.mark.parametrize("command", [["sync"], ["sync", "--wait"], ["abandon", "sync"], ["jobs"]])
def test_the_commands_without_a_good_token(
    run: Run, path: Path, closed_service: str, command: list[str]
) -> None:
    """Without a token, with a wrong one or with too small a scope: exit 1, and what to do."""
    environ = {"INGEST_URL": closed_service}
    nobody = run(*command, **environ)
    assert nobody.exit_code == 1
    assert "--token-file or INGEST_TOKEN" in nobody.stderr
    stranger = run(*command, **environ, INGEST_TOKEN="ingest_" + "x" * 43)
    assert stranger.exit_code == 1
    assert "The token is not known here" in stranger.stderr
    assert "xxx" not in stranger.output
    reader = run(*command, **environ, INGEST_TOKEN=made(run, path, "reader", "ingest:read"))
    looks = command == ["jobs"]
    assert reader.exit_code == (0 if looks else 1)
    assert looks or "it takes the scope ingest:operate" in reader.stderr
    assert all(len(result.stderr.splitlines()) == 1 for result in (nobody, stranger))


def test_a_revoked_token_is_refused_at_once(run: Run, path: Path, closed_service: str) -> None:
    """From the command's end on no request with the token gets in."""
    environ = {"INGEST_URL": closed_service, "INGEST_TOKEN": made(run, path, "nightly")}
    assert run("jobs", **environ).exit_code == 0
    assert run("token", "revoke", "nightly", "--database", path).exit_code == 0
    refused = run("jobs", **environ)
    assert refused.exit_code == 1
    assert "The token nightly was revoked" in refused.stderr
