"""Making a sample item bank, and checking the configured one."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from attrs import asdict

from ingest.cli import show
from ingest.cli.fake_gitlab import fake_gitlab
from ingest.cli.options import config_option, json_option
from ingest.settings import Settings, load
from ingest.settings.wording import shown


@click.group()
def bank() -> None:
    """Make a sample item bank; check the configured one."""


bank.add_command(fake_gitlab)


@bank.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--items", type=int, required=True, metavar="N", help="How many items.")
@click.option(
    "--seed", type=int, default=1, show_default=True, metavar="S", help="The same, the same bank."
)
@click.option(
    *("--bad", "bad"),
    type=int,
    default=0,
    metavar="N",
    help="Add N items that cannot be ingested, of every kind of problem in turn.",
)
@click.option("--one-repository", is_flag=True, help="Not a repository an item, but one for all.")
@json_option
def sample(
    *, directory: Path, items: int, seed: int, bad: int, one_repository: bool, as_json: bool
) -> None:
    """Make a sample bank in DIR, which must be empty or not there yet."""
    from ingest.bank.sample import make_sample_bank  # noqa: PLC0415 - pygit2 takes long to import

    try:
        with _progress(items + bad) as progress:
            summary = make_sample_bank(
                directory,
                items=items,
                seed=seed,
                bad=bad,
                one_repository=one_repository,
                progress=progress,
            )
    except KeyboardInterrupt:
        click.echo(f"{directory} is not complete: remove it before trying again", err=True)
        raise
    if as_json:
        show.document(asdict(summary))
        return
    types = ", ".join(f"{count} {kind}" for kind, count in summary.by_type.items())
    show.line(
        f"Made {summary.items} items in {directory}, {summary.first_id} to {summary.last_id}: "
        f"{types}; {summary.with_spanish} with a Spanish translation"
    )
    for key, kind in summary.problems.items():
        show.line(f"{key}: {kind}")


@contextmanager
def _progress(items: int) -> Iterator[Callable[[int], None] | None]:
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 - takes long to import
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Items", total=items)
        yield lambda done: progress.update(task, completed=done)


@bank.command()
@click.option("--bank", "bank_url", metavar="DIR-or-URL", help="Not the configured one, but this.")
@config_option
@json_option
def check(*, bank_url: str | None, config_file: Path | None, as_json: bool) -> None:
    """Say whether the item bank can be read, and list what in it cannot.

    Exit 0 if the bank can be listed whole: single entries with problems keep no job from running.
    """
    settings = load(config_file, {"bank.url": bank_url}, os.environ).settings
    entries, without_commit, problems = asyncio.run(_look(settings))
    if as_json:
        document = {
            "bank": settings.bank.url,
            "entries": entries,
            "withoutCommit": without_commit,
            "problems": [
                {"itemId": key, "kind": kind, "message": message} for key, kind, message in problems
            ],
        }
        show.document(document)
        return
    show.line(
        f"Item bank {shown(settings.bank.url)}: {entries} entries, {without_commit} of them "
        f"without a commit yet, {len(problems)} with a problem"
    )
    for key, kind, message in problems:
        show.line(f"{key}: {kind}: {message}")


async def _look(settings: Settings) -> tuple[int, int, list[tuple[str, str, str]]]:
    """Return how many entries there are, how many without a commit, and those with a problem."""
    from ingest.banks import create_bank  # noqa: PLC0415 - the service takes long to import

    found = create_bank(settings)
    try:
        await found.check()
        scan = found.scan()
        counts: Counter[str] = Counter()
        problems = []
        async for listings in scan:
            for one in listings:
                counts["listed"] += 1
                if one.problem is not None:
                    problems.append((one.key, str(one.problem.kind), one.problem.message))
                elif one.revision is None:
                    counts["without commit"] += 1
        return scan.total or counts["listed"], counts["without commit"], problems
    finally:
        await found.aclose()
