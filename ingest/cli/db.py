"""Looking after the database file."""

import asyncio
import os
from pathlib import Path

import click
from attrs import asdict

from ingest.cli import show
from ingest.cli.options import config_option, json_option
from ingest.settings import Settings, load
from ingest.settings.wording import shown


@click.group()
def db() -> None:
    """Check the database, back it up, bring it to the newest version."""


_database_option = click.option(
    "--database", "database_url", metavar="FILE-or-URL", help="Not the configured one, but this."
)


@db.command()
@_database_option
@config_option
@json_option
def check(*, database_url: str | None, config_file: Path | None, as_json: bool) -> None:
    """Say whether the database is sound, one line a finding; also while the service runs.

    Exit 0 if it is, 1 if not. Lines that begin with "note:" are good to know, and no fault.
    Nothing is changed.
    """
    settings = _settings(config_file, database_url)
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


@db.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@_database_option
@config_option
@json_option
def backup(
    *,
    file: Path,
    force: bool,
    database_url: str | None,
    config_file: Path | None,
    as_json: bool,
) -> None:
    """Copy the database to FILE, and check the copy; also while the service runs and writes.

    FILE is there whole or not at all. To restore it: stop the service, put it in the database's
    place, remove the database's -wal and -shm, and start the service.

    Exit 0 if the copy is sound, 1 if there is none, or if it is of a database that is unsound.
    """
    settings = _settings(config_file, database_url).database
    from ingest.storage.backup import back_up  # noqa: PLC0415 - SQLAlchemy is slow to import

    made = back_up(settings.path, file, overwrite=force, busy_timeout_s=settings.busy_timeout_s)
    report = made.report
    if as_json:
        show.document(
            {
                "database": str(settings.path),
                "backup": str(made.path),
                "sizeBytes": made.size_bytes,
                "seconds": round(made.duration_s, 3),
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
            show.line(f"in the copy as in the database: {fault}")
        for note in report.notes:
            show.line(f"note: {note}")
        state = "unsound, as the database is" if report.faults else "sound"
        show.line(
            f"Backup {shown(str(made.path))} is {state}: {made.size_bytes / 1e6:.1f} MB in "
            f"{made.duration_s:.1f} s, {report.checks} checks over {report.executions} executions "
            f"and {report.items} items"
        )
    if report.faults:
        raise click.exceptions.Exit(1)


@db.command()
@_database_option
@config_option
@json_option
def upgrade(*, database_url: str | None, config_file: Path | None, as_json: bool) -> None:
    """Bring the database to the schema of this version, as the service does when it starts.

    Only while no service has it. All of it or nothing: what goes wrong leaves it as it was.
    """
    settings = _settings(config_file, database_url)
    from ingest import logs  # noqa: PLC0415 - slow to import, as SQLAlchemy is
    from ingest.storage.check import require_file  # noqa: PLC0415
    from ingest.storage.schema import NEWEST, upgrade_file  # noqa: PLC0415

    logs.configure(settings.log)
    path = settings.database.path
    require_file(path)
    before = asyncio.run(upgrade_file(path, busy_timeout_s=settings.database.busy_timeout_s))
    if as_json:
        show.document({"database": str(path), "before": before, "now": NEWEST})
    elif before == NEWEST:
        show.line(f"Database {shown(str(path))} is of the newest version, {NEWEST}: nothing to do")
    else:
        was = "empty" if before is None else f"of {before}"
        show.line(f"Database {shown(str(path))} is of version {NEWEST} now; it was {was}")


def _settings(config_file: Path | None, database_url: str | None) -> Settings:
    return load(config_file, {"database.url": database_url}, os.environ).settings
