"""What the show goes by: the least requests, what the kernel tells, and pushes taken back."""

import os
import socket
from pathlib import Path

import pytest

from ingest.bank.repository import open_repository
from ingest.bank.sample import make_sample_bank
from tests.bench.straight import repositories
from tests.gitlab_show import least, report
from tests.gitlab_show.banks import authors, bank_of, keys_of, part_of
from tests.gitlab_show.connections import established
from tests.gitlab_show.report import Table
from tests.gitlab_show.waiting import until
from tests.support.repositories import Repository


def test_the_least_counts_the_commits_that_changed_the_document(tmp_path: Path) -> None:
    """A page of the log, the folder, and a document for each that differs from the one before."""
    item = Repository(tmp_path / "bank" / "7.git")
    for content in (None, b"1", b"1", b"2", b"1"):
        item.commit(content, beside={"other": b""})
    Repository(tmp_path / "bank" / "8.git").commit(b"{}")
    assert least.reading_all(tmp_path / "bank") == (1 + 1 + 3) + (1 + 1 + 1)


@pytest.mark.parametrize(("items", "pages"), [(1, 1), (100, 1), (101, 2), (20_000, 200)])
def test_pages_have_a_hundred_projects(items: int, pages: int) -> None:
    """The last one may have fewer."""
    assert least.pages(items) == pages


def test_a_connection_counts_as_long_as_it_is_open() -> None:
    """From this process to that port; not once it was closed at this end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            assert established(os.getpid(), port) == 1
        assert established(os.getpid(), port) == 0


def test_what_authors_did_is_taken_back(tmp_path: Path) -> None:
    """Also in a part of the bank, which shares its repositories; commits differ each time."""
    bank = bank_of(tmp_path / "banks", 6)
    part = part_of(bank, 4, tmp_path)
    keys = keys_of(part)
    assert keys == keys_of(bank)[:4]
    before = _heads(bank)
    with authors(part) as people:
        hashes = [people.commit(key) for key in (keys[0], keys[0], keys[3])]
        assert len(set(hashes)) == 3
        assert people.heads() == {keys[0]: hashes[1], keys[3]: hashes[2]}
        assert {*_heads(bank)} == {*before[1:3], *before[4:], *hashes[1:]}
    assert _heads(bank) == before


def test_a_bank_that_is_there_is_not_made_anew(tmp_path: Path) -> None:
    """It is known by the number of its items."""
    make_sample_bank(tmp_path / "2", items=2)
    before = (tmp_path / "2").stat().st_mtime_ns
    assert bank_of(tmp_path, 2).stat().st_mtime_ns == before


def test_what_does_not_hold_stands_below_the_figures() -> None:
    """And the table is Markdown, whatever its cells hold."""
    table = Table(title="T", note="N", rows=[{"a": 1234, "b|": "x|y\nz"}, {"a": 0.5, "b|": None}])
    table.must(holds=True, what="not told")
    table.must(holds=False, what="told")
    assert report.markdown([table]).split("\n\n") == [
        "### T",
        "| a     | b\\|    |\n| ----- | ------ |\n| 1,234 | x\\|y z |\n| 0.50  |        |",
        "N",
        "**WRONG**: told",
    ]


def test_what_does_not_come_about_is_named() -> None:
    """Whoever waits is told for what, and for how long."""
    with pytest.raises(RuntimeError, match=r"not within 0.01 s: the sky falls"):
        until(lambda: False, "the sky falls", within_s=0.01)


def _heads(bank: Path) -> list[str]:
    return [str(open_repository(path).head.target) for path in repositories(bank)]
