"""Looking at items and problems on a running service."""

import click

from ingest.cli import show
from ingest.cli.options import Service, fetch, limit_option, service_options

_ITEM_COLUMNS = ("itemId", "itemType", "subject", "grade", "workflowStatus", "itemAuthor")
_PROBLEM_COLUMNS = ("itemId", "kind", "message", "attempts", "firstAt", "lastAt")

_after_option = click.option("--after", metavar="ID", help="Only those after this one.")


@click.command()
@click.argument("query", required=False)
@click.option("--subject", help="Only of this subject.")
@click.option("--grade", help="Only of this grade.")
@click.option("--type", "item_type", help="Only of this item type.")
@click.option("--status", help="Only in this workflow status.")
@limit_option
@_after_option
@service_options
def items(
    *,
    service: Service,
    query: str | None,
    subject: str | None,
    grade: str | None,
    item_type: str | None,
    status: str | None,
    limit: int | None,
    after: str | None,
    as_json: bool,
) -> None:
    """Show the items that have been ingested; QUERY searches their words."""
    criteria = {
        "q": query,
        "subject": subject,
        "grade": grade,
        "type": item_type,
        "status": status,
        "limit": limit,
        "after": after,
    }
    answer = fetch(service, "GET", "/items", criteria)
    if as_json:
        show.document(answer)
        return
    found = [[item.get(column) for column in _ITEM_COLUMNS] for item in answer["items"]]
    show.rows(_ITEM_COLUMNS, found)
    show.next_page("--after", answer["next"])


@click.command()
@limit_option
@_after_option
@service_options
def problems(*, service: Service, limit: int | None, after: str | None, as_json: bool) -> None:
    """Show the items that could not be ingested, and why."""
    answer = fetch(service, "GET", "/problems", {"limit": limit, "after": after})
    if as_json:
        show.document(answer)
        return
    found = [[one.get(column) for column in _PROBLEM_COLUMNS] for one in answer["problems"]]
    show.rows(_PROBLEM_COLUMNS, found)
    show.next_page("--after", answer["next"])
