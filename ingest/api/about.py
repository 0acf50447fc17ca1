"""What the service says of itself: its OpenAPI document, the page that shows it, and its assets."""

from functools import cache
from typing import Any, Final

import orjson
from aiohttp import ETag, web

from ingest.api import params
from ingest.web.assets import VERSION, Content, assets

_REVALIDATE: Final = "no-cache"
#: For an address that has the content's digest in it.
_FOR_EVER: Final = "public, max-age=31536000, immutable"


async def openapi(request: web.Request) -> web.Response:
    """Answer with the OpenAPI document."""
    params.only(request, [])
    return _answer(request, _openapi(), _REVALIDATE)


async def docs(request: web.Request) -> web.Response:
    """Answer with the page that shows the document, and lets requests be tried."""
    params.only(request, [])
    return _answer(request, _docs(), _REVALIDATE)


async def asset(request: web.Request) -> web.Response:
    """Answer with a file that a page needs."""
    params.only(request, [VERSION])
    content = assets().get(request.match_info["name"])
    if content is None:
        raise web.HTTPNotFound
    is_pinned = request.query.get(VERSION) == content.digest
    return _answer(request, content, _FOR_EVER if is_pinned else _REVALIDATE)


def _answer(request: web.Request, content: Content, caching: str) -> web.Response:
    known = request.if_none_match or ()
    if any(one.value in (content.digest, "*") for one in known):
        response = web.Response(status=304)
    else:
        charset = None if content.media_type == "application/json" else "utf-8"
        response = web.Response(body=content.body, content_type=content.media_type, charset=charset)
    response.etag = ETag(content.digest)
    response.headers["Cache-Control"] = caching
    return response


@cache
def _document() -> dict[str, Any]:
    from ingest.api.openapi.document import document  # noqa: PLC0415 - a start need not wait for it

    return document()


@cache
def _openapi() -> Content:
    return Content(body=orjson.dumps(_document()), media_type="application/json")


@cache
def _docs() -> Content:
    from ingest.web.docs import render  # noqa: PLC0415 - a start need not wait for it

    return Content(body=render(_document()).encode(), media_type="text/html")
