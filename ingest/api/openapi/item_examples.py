"""Answers about items as they are: what the views make of an item and of a problem."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from ingest.api import item_views, views
from ingest.items.single import ItemOutcome
from ingest.model.columns import ITEM_COLUMNS, ColumnType
from ingest.model.item import (
    DERIVATION_VERSION,
    Assignment,
    Attachment,
    ContentUpdateNeed,
    Form,
    ItemRow,
    Keyword,
    ProblemKind,
)
from ingest.storage.item_queries import ItemDetail, ItemSummary, LoggedCommit
from ingest.storage.problems import ProblemRow

_AT: Final = datetime(2026, 11, 25, 23, 14, 50, 914000, tzinfo=UTC)
_COMMITTED: Final = datetime(2022, 5, 19, 19, 50, 54, tzinfo=UTC)
_COMMIT: Final = "7e1035eafa37be32fc39c0cd81b66e981c91ee13"


def _plain(document: Any) -> Any:
    """Return a document as a client reads it, also what of it is written as it stands."""
    return orjson.loads(orjson.dumps(document))


def _values() -> dict[str, Any]:
    kinds = {
        ColumnType.TEXT: "",
        ColumnType.INTEGER: 0,
        ColumnType.BOOLEAN: False,
        ColumnType.TIMESTAMP: None,
    }
    empty = {one.name: None if one.nullable else kinds[one.type] for one in ITEM_COLUMNS}
    document = {"id": "100001", "type": "mc", "core": {"en": {"prompt": "<p>How many?</p>"}}}
    known = {
        "id": 100001,
        "item_type": "mc",
        "classification": "item",
        "subject": "Science",
        "grade": "3",
        "workflow_status": "Operational",
        "workflow_status_set_at": _COMMITTED,
        "operational_at": _COMMITTED,
        "item_created_by": "Bo Li",
        "item_created_at": _COMMITTED - timedelta(days=33),
        "updated_by": "Bo Li",
        "updated_at": _COMMITTED,
        "derivation_version": DERIVATION_VERSION,
        "item_json": orjson.dumps(document).decode(),
    }
    return {**empty, **known}


def items() -> Any:
    """Return a page of items."""
    one = ItemSummary(id=100001, values=_summary_values(), commit_hash=_COMMIT)
    return _plain(views.page("items", [item_views.item_summary(one)] * 2, 1, "itemId"))


def _summary_values() -> dict[str, Any]:
    return {name: value for name, value in _values().items() if name != "item_json"}


def item() -> Any:
    """Return an item."""
    row = ItemRow(
        id=100001,
        values=_values(),
        keywords=(Keyword("en", "How many?"),),
        attachments=(Attachment("ASL", "100001_asl.mp4", _COMMITTED),),
        forms=(
            Form(
                administration_id="2019",
                form_id="f1",
                form_type="Operational",
                assessment_type="Interim",
                exposures=5,
            ),
        ),
        content_update_needs=(
            ContentUpdateNeed(
                content_update_need_create_date=_COMMITTED,
                notes="the picture is too small",
                resolution="",
                resolution_date=None,
                resolution_notes="",
                internal_resolution="",
                internal_resolution_date=None,
            ),
        ),
        assignments=(
            Assignment(assigned_to="Bo Li", assigned_by="Ada Okafor", assigned_date=_COMMITTED),
        ),
    )
    detail = ItemDetail(
        row=row,
        path="/srv/item-bank/100001.git",
        branch="main",
        commit_hash=_COMMIT,
        revision=_COMMIT,
        log=(LoggedCommit(hash=_COMMIT, committed_at=_COMMITTED, author="Bo Li", execution_id=14),),
    )
    return _plain(item_views.item_detail(detail))


def item_result() -> Any:
    """Return what became of one item."""
    return {"itemId": "205030", "outcome": ItemOutcome.UPDATED.value}


def problems() -> Any:
    """Return a page of problems."""
    one = ProblemRow(
        key="100012",
        path="/srv/item-bank/100012.git",
        kind=ProblemKind.NOT_JSON,
        message="item.json is not JSON: line 1, column 18: unexpected end of data: "
        "correct it there",
        commit_hash=_COMMIT,
        attempts=2,
        first_at=_AT,
        last_at=_AT + timedelta(days=1),
    )
    return views.page("problems", [item_views.problem(one)], 100, "itemId")


def push() -> Any:
    """Return what GitLab tells of a push, as far as it is looked at."""
    project = {"default_branch": "main", "path_with_namespace": "itembank/205030"}
    return {
        "object_kind": "push",
        "project_id": 4711,
        "ref": "refs/heads/main",
        "project": project,
    }
