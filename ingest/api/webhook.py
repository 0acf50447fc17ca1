"""Taking in the bank's notifications of pushes."""

import hmac
from typing import Final

from aiohttp import web

from ingest.api import params, views
from ingest.api.keys import BANK, WEBHOOK
from ingest.bank.base import Unrelated
from ingest.errors import BodyTooLargeError, WebhookClosedError, WrongWebhookTokenError

#: A notification names up to 20 commits, each with the files it touches.
BODY_LIMIT_BYTES: Final = 8 * 1024 * 1024

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
    event = request.app[BANK].parse_event(request.headers, await _body(request))
    if isinstance(event, Unrelated):
        return views.json_response({"outcome": "IGNORED", "reason": event.reason})
    await webhook.inbox.put(event)
    return views.json_response({"outcome": "QUEUED", "itemId": event.key}, status=_ACCEPTED)


async def _body(request: web.Request) -> bytes:
    """Return the body, unless it is longer than any notification.

    Raises:
        BodyTooLargeError: It is.
    """
    parts: list[bytes] = []
    size_bytes = 0
    async for part in request.content.iter_any():
        size_bytes += len(part)
        if size_bytes > BODY_LIMIT_BYTES:
            raise BodyTooLargeError(BODY_LIMIT_BYTES)
        parts.append(part)
    return b"".join(parts)
