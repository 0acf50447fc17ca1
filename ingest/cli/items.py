"""Looking at items and problems of a running service."""

from pathlib import Path

import click

from ingest.cli import show
from ingest.cli.client import client_for, run, with_client

_json = click.option("--json", "as_json", is_flag=True, help="Print the JSON document.")
_limit = click.option("--limit", help="At most so many.")
_after = click.option("--after", help="Only behind this item id.")


@click.command("items")
@click.argument("q", required=False)
@with_client
@click.option("--subject")
@click.option("--grade")
@click.option("--type")
@click.option("--status", help="The workflow status.")
@_limit
@_after
@_json
def list_items(*, url: str, token_file: Path | None, as_json: bool, **query: str | None) -> int:
    """Show items; Q is words that one of an item's texts must have."""
    return _page(
        "items",
        query,
        ["itemId", "itemType", "subject", "grade", "workflowStatus", "updatedAt", "updatedBy"],
        url=url,
        token_file=token_file,
        as_json=as_json,
    )


@click.command("problems")
@with_client
@_limit
@_after
@_json
def list_problems(*, url: str, token_file: Path | None, as_json: bool, **query: str | None) -> int:
    """Show the items that could not be ingested, and why."""
    return _page(
        "problems",
        query,
        ["itemId", "kind", "attempts", "lastAt", "message"],
        url=url,
        token_file=token_file,
        as_json=as_json,
    )


def _page(
    name: str,
    query: dict[str, str | None],
    columns: list[str],
    *,
    url: str,
    token_file: Path | None,
    as_json: bool,
) -> int:
    given = {key: value for key, value in query.items() if value is not None}
    reply = run(client_for(url, token_file).request("GET", f"/{name}", given))
    if not reply.ok:
        click.echo(f"ingest: {reply.status}: {show.printable(reply.text)}", err=True)
        return 1
    document = reply.document
    if as_json:
        show.document(document)
        return 0
    show.table(columns, [[row[column] for column in columns] for row in document[name]])
    show.next_page(document["next"], "--after")
    return 0
