"""The table of who may call what, as Markdown: ``python -m tests.support.access_table``.

Asked of a service that runs, once where a token is needed and once as it is on loopback by default.
"""

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from ingest.settings import BankSettings, DatabaseSettings, Settings
from tests.support.access import COLUMNS, table, token_needed


def _lines(found: dict[tuple[str, str], list[str]]) -> list[str]:
    heads = ["endpoint", *COLUMNS]
    rows = [[f"`{method} {path}`", *cells] for (method, path), cells in found.items()]
    return [f"| {' | '.join(row)} |" for row in [heads, ["---"] * len(heads), *rows]]


async def _print() -> None:
    for title, needed in (("Where a token is needed", True), ("On loopback by default", False)):
        with TemporaryDirectory() as folder:
            settings = Settings(
                database=DatabaseSettings(url=str(Path(folder) / "ingest.db")),
                bank=BankSettings(url=folder),
            )
            found = await table(token_needed(settings) if needed else settings)
        sys.stdout.write("\n".join([f"{title}:", "", *_lines(found), "", ""]))


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    asyncio.run(_print())
