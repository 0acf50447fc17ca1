"""Hostile items on their way to a terminal."""

import re
from pathlib import Path

import pytest

from ingest.app import create_app
from ingest.settings import BankSettings, DatabaseSettings, ServerSettings, Settings
from tests.api.test_hostile_items import make_hostile_bank
from tests.cli.conftest import Run, Serve
from tests.cli.test_terminal import Terminal

#: What a table may have of its own: bold and its end.
STYLE = re.compile(r"\x1b\[[01]?m")


@pytest.fixture
def url(tmp_path: Path, serve: Serve, run: Run) -> str:
    """The address of a service that has ingested a hostile bank."""
    bank, _ = make_hostile_bank(tmp_path)
    settings = Settings(
        server=ServerSettings(abandon_grace_s=5.0, shutdown_grace_s=5.0),
        database=DatabaseSettings(url=str(tmp_path / "ingest.db")),
        bank=BankSettings(url=str(bank)),
    )
    url = serve(create_app(settings))
    assert run("sync", "--wait", "--url", url).exit_code == 0
    return url


@pytest.mark.parametrize(
    "command", [("items",), ("problems",), ("jobs",), ("executions",), ("execution", "1")]
)
def test_no_escape_reaches_a_terminal(url: str, run: Run, command: tuple[str, ...]) -> None:
    """On a terminal and in plain lines, what hostile items say is only shown."""
    plain = run(*command, "--url", url)
    assert plain.exit_code == 0
    assert all(one.isprintable() or one in "\t\n" for one in plain.output)
    for form in ((), ("--json",)):
        terminal = Terminal(*command, *form, "--url", url)
        assert terminal.end() == 0
        shown = STYLE.sub("", terminal.text)
        assert all(one.isprintable() or one in "\r\n" for one in shown), ascii(shown)


def test_a_refusal_is_only_shown(url: str) -> None:
    """What the service says of a hostile item reaches a terminal without escapes."""
    terminal = Terminal("sync", "--item", "8", "--url", url)
    assert terminal.end() == 1
    assert "WRONG_ID" in terminal.text
    assert all(one.isprintable() or one in "\r\n" for one in terminal.text)
