"""Taking in the bank's notifications of pushes."""

import hmac
from typing import Final

from aiohttp import web

from ingest.access.errors import WebhookClosedError, WrongWebhookTokenError
from ingest.api import params, views
from ingest.api.keys import BANK, WEBHOOK
from ingest.api.limits import LIMITS
from ingest.bank.base import Unrelated

_ACCEPTED: Final = 202


async def receive(request: web.Request) -> web.Response:
    """Answer as soon as the push is on record; the item is brought in step afterwards.

    A notification that is none of ours is answered with success, too: GitLab takes a hook away
    that fails too often.
    """
    params.only(request, [])
    webhook = request.app[WEBHOOK]
    if webhook.token is None:
        raise WebhookClosedError
    given = request.headers.get("X-Gitlab-Token", "")
    # In a time that does not tell how much of it is right.
    if not hmac.compare_digest(
        given.encode("utf-8", "surrogateescape"), webhook.token.reveal().encode()
    ):
        raise WrongWebhookTokenError
    await request.app[LIMITS].take_in(request)
    event = request.app[BANK].parse_event(request.headers, await request.read())
    if isinstance(event, Unrelated):
        return views.json_response({"outcome": "IGNORED", "reason": event.reason})
    await webhook.inbox.put(event)
    return views.json_response({"outcome": "QUEUED", "itemId": event.key}, status=_ACCEPTED)
