"""Running a GitLab to try things out on, over a folder of repositories."""

import asyncio
import signal
from pathlib import Path

import click

from ingest.cli import show
from ingest.errors import InvalidValueError


@click.command("fake-gitlab")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--host",
    type=click.Choice(["127.0.0.1", "::1", "localhost"]),
    default="127.0.0.1",
    show_default=True,
    help="Listen on this address, for this machine alone.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=9480,
    show_default=True,
    help="Listen on this port; 0: any that is free.",
)
@click.option(
    "--group", default="itembank", show_default=True, help="The full path of the group it has."
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help="A file that holds the token to know callers by; without it, one is made up and printed.",
)
@click.option(
    "--requests-per-minute", type=click.IntRange(min=1), metavar="N", help="Answer no more of them."
)
@click.option(
    "--fail",
    "share",
    type=click.FloatRange(0, 1),
    default=0.0,
    metavar="SHARE",
    help="Fail this share of requests, by 429, 500 and 502 (0.1 is one in ten).",
)
@click.option(
    "--seed", type=int, default=1, show_default=True, metavar="S", help="The same, the same fail."
)
def fake_gitlab(
    *,
    directory: Path,
    host: str,
    port: int,
    group: str,
    token_file: Path | None,
    requests_per_minute: int | None,
    share: float,
    seed: int,
) -> None:
    """Serve the repositories in DIR as a GitLab group's projects, until Ctrl-C.

    For trying out: its answers are GitLab's, its failures are made to order. POST /fake/push/KEY
    calls the hooks of a project as a push does; /fake/faults, /fake/requests and /fake/projects
    order what else a bad day has.
    """
    # aiohttp and pygit2 take long to import.
    from ingest.bank.fake_gitlab.gitlab import FakeGitLab  # noqa: PLC0415
    from ingest.bank.fake_gitlab.pacing import NO_LIMIT  # noqa: PLC0415
    from ingest.bank.fake_gitlab.server import serving  # noqa: PLC0415

    async def serve() -> None:
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        gitlab = FakeGitLab(
            directory,
            group=group.strip("/"),
            token=None if token_file is None else _token(token_file),
            requests_per_minute=requests_per_minute or NO_LIMIT,
            seed=seed,
        )
        if share:
            gitlab.faults.sprinkle(share)
        async with serving(gitlab, host=host, port=port):
            known_by = f"in {token_file}" if token_file else gitlab.token.value
            count = len(gitlab.world.projects)
            show.line(
                f"{gitlab.bank_url} serves {count} projects; token {known_by}; Ctrl-C ends it"
            )
            await stopped.wait()

    asyncio.run(serve())


def _token(file: Path) -> str:
    token = file.read_text(errors="replace").strip()
    if not token or not token.isascii() or not token.isprintable():
        raise InvalidValueError(f"{file} does not hold a token: one line of ASCII characters")
    return token
