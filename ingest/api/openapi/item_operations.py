"""Items and problems: what each operation takes, answers and refuses."""

from http import HTTPStatus
from typing import Final

from ingest import errors
from ingest.access import errors as access
from ingest.api.items import NOW_WITHIN_S
from ingest.api.openapi import item_examples, parameters
from ingest.api.openapi.parts import Answer, Body, Link, Operation, Tag, schema_ref

_SAME: Final = {"itemId": "$request.path.itemId"}


def _now(path: str, name: str, summary: str, description: str) -> Operation:
    return Operation(
        method="POST",
        path=path,
        id=name,
        tag=Tag.ITEMS,
        summary=summary,
        description=f"{description} It makes no execution, and works beside a running job. A bank "
        f"that has not answered within {NOW_WITHIN_S:g} seconds is unavailable.",
        parameters=(parameters.PREFER,),
        answers=(
            Answer(
                description="What became of it; on disk before the answer. `DELETED` only where "
                "its absence from the bank is certain.",
                schema=schema_ref("ItemResult"),
                examples={"updated": item_examples.item_result()},
                headers=("Preference-Applied",),
                links={
                    "getItem": Link(operation="getItem", description="The item.", parameters=_SAME)
                },
            ),
        ),
        refusals=(
            errors.ItemNotFoundError,
            errors.ItemProblemError,
            errors.BankUnavailableError,
            errors.DatabaseUnavailableError,
        ),
    )


ITEM_OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/items",
        id="listItems",
        tag=Tag.ITEMS,
        summary="What has been ingested",
        description="By ascending id. Every criterion that is given must hold.",
        parameters=(
            parameters.Q,
            *parameters.ITEM_CRITERIA,
            parameters.LIMIT,
            parameters.AFTER_ITEM,
        ),
        answers=(
            Answer(
                description="A page of items, without their documents.",
                schema=schema_ref("Items"),
                examples={"page": item_examples.items()},
                links={
                    "getItem": Link(
                        operation="getItem",
                        description="The first of them, whole.",
                        parameters={"itemId": "$response.body#/items/0/itemId"},
                    ),
                    "next": Link(
                        operation="listItems",
                        description="The next page.",
                        parameters={"after": "$response.body#/next"},
                    ),
                },
            ),
        ),
        refusals=(errors.DatabaseUnavailableError,),
    ),
    Operation(
        method="GET",
        path="/items/{item_id}",
        id="getItem",
        tag=Tag.ITEMS,
        summary="One item, and all that is stored of it",
        description="As it was at the last revision that could be ingested.",
        answers=(
            Answer(
                description="The item with its document, its lists and the commits processed.",
                schema=schema_ref("Item"),
                examples={"item": item_examples.item()},
                links={
                    "synchronizeItem": Link(
                        operation="synchronizeItem",
                        description="Bring it in step, now.",
                        parameters=_SAME,
                    )
                },
            ),
        ),
        refusals=(errors.ItemNotFoundError, errors.DatabaseUnavailableError),
    ),
    Operation(
        method="GET",
        path="/problems",
        id="listProblems",
        tag=Tag.ITEMS,
        summary="Items that could not be ingested, and why",
        description="Each heals by itself when the item is mended.",
        parameters=(parameters.LIMIT, parameters.AFTER_KEY),
        answers=(
            Answer(
                description="A page of problems.",
                schema=schema_ref("Problems"),
                examples={"page": item_examples.problems()},
                # None to single items: what stands there may be the name of no item.
                links={
                    "next": Link(
                        operation="listProblems",
                        description="The next page.",
                        parameters={"after": "$response.body#/next"},
                    )
                },
            ),
        ),
        refusals=(errors.DatabaseUnavailableError,),
    ),
    Operation(
        method="POST",
        path="/webhook",
        id="receivePush",
        tag=Tag.ITEMS,
        summary="Take in a notification of a push",
        description="For GitLab: the item that was pushed to is brought in step at once. It is "
        "closed until the service is given a secret that notifications are known by.",
        parameters=(parameters.GITLAB_TOKEN, parameters.GITLAB_EVENT),
        body=Body(
            description="The event, as GitLab sends it.",
            schema=schema_ref("PushNotification"),
            example=item_examples.push(),
        ),
        answers=(
            Answer(
                status=HTTPStatus.ACCEPTED,
                description="The push is on disk; its item is brought in step afterwards.",
                schema=schema_ref("Queued"),
                examples={"queued": {"outcome": "QUEUED", "itemId": "205030"}},
                links={
                    "getItem": Link(
                        operation="getItem",
                        description="The item, as soon as it is in step.",
                        parameters={"itemId": "$response.body#/itemId"},
                    )
                },
            ),
            Answer(
                description="It is about no item. It is a success all the same: GitLab takes a "
                "hook away that fails too often.",
                schema=schema_ref("Ignored"),
                examples={
                    "ignored": {"outcome": "IGNORED", "reason": "it is not to the default branch"}
                },
            ),
        ),
        refusals=(
            access.WrongWebhookTokenError,
            access.WebhookClosedError,
            errors.DatabaseUnavailableError,
        ),
    ),
    _now(
        "/sync/{item_id}",
        "synchronizeItem",
        "Bring one item in step, now",
        "Reads the item from the bank if it has changed there.",
    ),
    _now(
        "/migrate/{item_id}",
        "migrateItem",
        "Derive one item's row anew, now",
        "From the stored document, where the bank has no newer one or has it no more.",
    ),
)
