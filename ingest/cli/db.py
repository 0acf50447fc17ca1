"""Looking after the database file."""

import os
from pathlib import Path

import click
from attrs import asdict

from ingest.cli import show
from ingest.cli.options import config_option, json_option
from ingest.settings import load
from ingest.settings.wording import shown


@click.group()
def db() -> None:
    """Check the database."""


@db.command()
@click.option(
    "--database", "database_url", metavar="FILE-or-URL", help="Not the configured one, but this."
)
@config_option
@json_option
def check(*, database_url: str | None, config_file: Path | None, as_json: bool) -> None:
    """Say whether the database is sound, one line a finding; also while the service runs.

    Exit 0 if it is, 1 if not. Lines that begin with "note:" are good to know, and no fault.
    Nothing is changed.
    """
    settings = load(config_file, {"database.url": database_url}, os.environ).settings
    from ingest.storage.check import check_database  # noqa: PLC0415 - SQLAlchemy is slow to import

    path = settings.database.path
    report = check_database(path, busy_timeout_s=settings.database.busy_timeout_s)
    if as_json:
        show.document(
            {
                "database": str(path),
                "sound": not report.faults,
                "checks": report.checks,
                "executions": report.executions,
                "items": report.items,
                "findings": [asdict(one) for one in report.faults],
                "notes": [asdict(one) for one in report.notes],
            }
        )
    else:
        for fault in report.faults:
            show.line(str(fault))
        for note in report.notes:
            show.line(f"note: {note}")
        if not report.faults:
            show.line(
                f"Database {shown(str(path))} is sound: {report.checks} checks over "
                f"{report.executions} executions and {report.items} items"
            )
    if report.faults:
        raise click.exceptions.Exit(1)
