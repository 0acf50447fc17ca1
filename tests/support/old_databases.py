"""Databases as earlier versions of the service have left them."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

#: What the first version called the rules that it derived by.
FIRST_DERIVATION_VERSION = 1


def make_database(path: Path, version: str) -> None:
    """Make a database with the tables of this version of the schema."""
    config = Config()
    config.set_main_option("script_location", "ingest.storage:migrations")
    config.set_main_option("path_separator", "os")
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, version)
    engine.dispose()


def make_first_version(path: Path, newest: Path) -> None:
    """Make a database as the first version would have filled it from what *newest* was filled from.

    Its rows are those of *newest*, as far as the first version had tables and columns for them.
    """
    make_old_version(path, newest, "0001")


def make_old_version(path: Path, newest: Path, version: str) -> None:
    """Make a database as that version would have filled it from what *newest* was filled from."""
    make_database(path, version)
    with closing(sqlite3.connect(path)) as old:
        old.execute("ATTACH ? AS newest", (str(newest),))
        for table, columns in first_columns(old).items():
            names = ", ".join(columns)
            old.execute(
                f"INSERT OR REPLACE INTO main.{table} ({names})"  # noqa: S608  # of the schema
                f" SELECT {names} FROM newest.{table}"
            )
        if version == "0001":
            old.execute("UPDATE item SET derivation_version = ?", (FIRST_DERIVATION_VERSION,))
        old.commit()


def first_columns(old: sqlite3.Connection) -> dict[str, list[str]]:
    """Return the columns of every table that holds rows of its own, in a database just made."""
    tables: list[tuple[Any, ...]] = old.execute(
        "SELECT name FROM main.sqlite_schema WHERE type = 'table' ORDER BY name"
    ).fetchall()
    return {
        name: [row[1] for row in old.execute(f"PRAGMA main.table_info({name})")]
        for (name,) in tables
        if not name.startswith(("item_keyword_fts", "sqlite_", "alembic_"))
    }
