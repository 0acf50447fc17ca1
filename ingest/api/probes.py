"""The shortest way to the answer of a probe, which is asked for more often than all else."""

import time
from collections.abc import Mapping
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from multidict import CIMultiDict

from ingest.api import browser, health
from ingest.api.errors import REQUEST_ID_NAMED, request_id_of
from ingest.api.gate import BROWSER_DEFENCES
from ingest.api.keys import LIFECYCLE, METRICS
from ingest.api.views import json_response

_log = structlog.get_logger(__name__)


class _Prepared:
    """An answer with all its headers but the request's id, to be copied."""

    def __init__(self, answer: web.Response) -> None:
        browser.add_headers(answer)
        self._body = answer.body
        self._headers = CIMultiDict(answer.headers)

    def copy(self, request_id: str) -> web.Response:
        """Return an answer to one request."""
        response = web.Response(body=self._body, headers=self._headers)
        response.headers[REQUEST_ID_NAMED] = request_id
        return response


_UP: Final = _Prepared(json_response({"status": health.UP}))
_PATHS: Final[Mapping[Handler, str]] = {
    health.live: "/health/live",
    health.ready: "/health/ready",
}


def answering_probes(*, is_logged: bool) -> Middleware:
    """Return what answers live and ready at once where there is nothing to be looked at.

    To be the outermost. Through everything that other requests go through, a probe would take a
    fifth longer. The answer, its headers, its log line and its count are those that it would have
    there. What the browser's defences have to look at goes that way, and so does an answer that is
    not UP.

    Args:
        is_logged: Whether requests for probes are; to find out that they are not takes time, too.
    """

    @web.middleware
    async def answer_probes(request: web.Request, handler: Handler) -> web.StreamResponse:
        path = _PATHS.get(request.match_info.handler)
        app = request.app
        if (
            path is None
            or request.method != "GET"
            or not app[LIFECYCLE].ready
            or not app[BROWSER_DEFENCES].is_plain(request)
        ):
            return await handler(request)
        began = time.perf_counter()
        request_id = request_id_of(request)
        if is_logged:
            _log.debug("request", method="GET", path=path, status=200, request_id=request_id)
        response = _UP.copy(request_id)
        app[METRICS].requests.answered(path, "GET", "200", time.perf_counter() - began)
        return response

    return answer_probes
