"""Which of GitLab's notifications are this service's business."""

from typing import Any

import orjson
import pytest

from ingest.bank.base import Push, Unrelated
from ingest.bank.gitlab.projects import Scope
from ingest.errors import InvalidValueError
from tests.support.gitlab_bench import GitLabBench

PUSH = {"X-Gitlab-Event": "Push Hook"}


def body(**changes: Any) -> bytes:
    """Return the notification of a push to item 7, with these parts changed."""
    return orjson.dumps(
        {
            "object_kind": "push",
            "ref": "refs/heads/main",
            "project_id": 1_000_007,
            "project": {"default_branch": "main", "path_with_namespace": "itembank/math/7"},
            **changes,
        }
    )


def project(**changes: Any) -> dict[str, Any]:
    """Return the project of such a notification, with these parts changed."""
    return {"default_branch": "main", "path_with_namespace": "itembank/7", **changes}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"before": "0" * 40},
        {"after": "0" * 40},
        {"project": project(default_branch=None)},
        {"project": project(path_with_namespace="ItemBank/7")},
    ],
)
async def test_a_push_to_an_item(bench: GitLabBench, changes: dict[str, Any]) -> None:
    """The first one and a deleted branch, too; a system hook's as well as a project's."""
    bank = bench.bank()
    for event in ("Push Hook", "System Hook"):
        found = bank.parse_event({"X-Gitlab-Event": event}, body(**changes))
        assert found == Push(key="7", bank_id=1_000_007)


@pytest.mark.parametrize(
    ("headers", "changes"),
    [
        ({"X-Gitlab-Event": "Tag Push Hook"}, {}),
        ({"X-Gitlab-Event": "\x1b[2J" * 100}, {}),
        ({"X-Gitlab-Event": "System Hook"}, {"object_kind": "tag_push"}),
        (PUSH, {"ref": "refs/heads/draft"}),
        (PUSH, {"ref": "refs/heads/refs/heads/main"}),
        (PUSH, {"project": project(path_with_namespace="itembank/reports")}),
        (PUSH, {"project": project(path_with_namespace="itembank2/7")}),
        (PUSH, {"project": project(path_with_namespace="7")}),
        (PUSH, {"project": project(path_with_namespace="itembank/9")}),
        (PUSH, {"project": project(path_with_namespace="itembank/007")}),
        (PUSH, {"project": project(path_with_namespace="itembank/0")}),
        (PUSH, {"project": project(path_with_namespace=f"itembank/{2**63}")}),
        (PUSH, {"project": project(path_with_namespace=f"itembank/{'9' * 5000}")}),
    ],
)
async def test_what_is_not_this_services_business(
    bench: GitLabBench, headers: dict[str, str], changes: dict[str, Any]
) -> None:
    """Other events, branches, groups and projects; no name of theirs can harm a log."""
    found = bench.bank(ignore_items=[9]).parse_event(headers, body(**changes))
    assert isinstance(found, Unrelated)
    assert found.reason.isprintable()
    assert len(found.reason) < 200


async def test_subgroups_are_none_of_it_where_they_are_none_of_the_bank(
    bench: GitLabBench,
) -> None:
    """The same scope holds for pushes as for listings."""
    bank = bench.bank(scope=Scope(group="itembank", include_subgroups=False))
    assert isinstance(bank.parse_event(PUSH, body()), Unrelated)


@pytest.mark.parametrize(
    ("headers", "sent"),
    [
        ({}, body()),
        (PUSH, b""),
        (PUSH, b"[]"),
        (PUSH, b"{"),
        (PUSH, body(project=None)),
        (PUSH, body(project=project(path_with_namespace=7))),
        (PUSH, body(project_id="7")),
        (PUSH, body(project_id=True)),
        (PUSH, body(project_id=-7)),
        (PUSH, body(project_id=2**63)),
        (PUSH, body(ref=None)),
        (PUSH, orjson.dumps({"object_kind": "push"})),
    ],
)
async def test_what_is_no_notification(
    bench: GitLabBench, headers: dict[str, str], sent: bytes
) -> None:
    """It is said what is missing, and nothing is guessed."""
    with pytest.raises(InvalidValueError, match=r"no notification|no push notification|no JSON"):
        bench.bank().parse_event(headers, sent)
