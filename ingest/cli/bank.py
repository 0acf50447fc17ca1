"""``ingest bank``: make a sample bank, check the configured one."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import click

from ingest.cli import show


@click.group()
def bank() -> None:
    """Look after item banks."""


@bank.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--items", type=int, required=True, help="How many.")
@click.option(
    "--seed", type=int, default=1, show_default=True, help="The same seed, the same bank."
)
@click.option("--json", "as_json", is_flag=True)
def sample(*, directory: Path, items: int, seed: int, as_json: bool) -> None:
    """Make a bank of real repositories with realistic items in DIRECTORY."""
    from ingest.bank.sample import make_sample_bank  # noqa: PLC0415 - libgit2 takes its time

    bar: Any = click.progressbar(length=items, file=sys.stderr, hidden=not sys.stderr.isatty())
    with bar:
        summary = make_sample_bank(
            directory, items=items, seed=seed, progress=lambda done: bar.update(done - bar.pos)
        )
    if as_json:
        show.document(
            {
                "items": summary.items,
                "byType": dict(summary.by_type),
                "firstId": summary.first_id,
                "lastId": summary.last_id,
            }
        )
        return
    click.echo(
        f"Made {summary.items} repositories in {directory}: items {summary.first_id} to "
        f"{summary.last_id}, {summary.stimuli} of them stimuli, "
        f"{summary.with_spanish} with a Spanish translation"
    )


@bank.command()
@click.option("--bank", "bank_url", help="The item bank; else as the configuration says.")
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="A TOML file.")
@click.option("--json", "as_json", is_flag=True)
def check(*, bank_url: str | None, config_file: Path | None, as_json: bool) -> None:
    """Say whether the bank can be read, and what it lists. Reads no document."""
    from ingest.settings import load  # noqa: PLC0415 - as above

    settings = load(config_file, {"bank.url": bank_url}, os.environ).settings
    report = asyncio.run(_check(settings.bank))
    if as_json:
        show.document(report)
        return
    click.echo(f"{settings.bank.url}: {report['items']} items, {report['empty']} without a commit")
    for problem in report["problems"]:
        click.echo(f"{problem['itemId']}\t{problem['kind']}\t{show.printable(problem['message'])}")


async def _check(settings: Any) -> dict[str, Any]:
    from ingest.app import create_bank  # noqa: PLC0415 - as above

    item_bank = create_bank(settings)
    items, empty, problems = 0, 0, []
    try:
        await item_bank.check()
        async for listings in item_bank.scan():
            for listing in listings:
                items += 1
                if listing.problem is not None:
                    problem = listing.problem
                    problems.append(
                        {
                            "itemId": listing.key,
                            "kind": problem.kind.value,
                            "message": problem.message,
                        }
                    )
                elif listing.revision is None:
                    empty += 1
    finally:
        await item_bank.aclose()
    return {"items": items, "empty": empty, "problems": problems}
