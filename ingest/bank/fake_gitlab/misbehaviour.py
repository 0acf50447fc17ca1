"""Faults done to real answers."""

import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

import orjson
from aiohttp import web

from ingest.bank.fake_gitlab.faults import Fault, FaultKind
from ingest.bank.fake_gitlab.refusals import json_response

Answer = Callable[[], Awaitable[web.Response]]

SIGN_IN_PATH: Final = "/users/sign_in"
SIGN_IN_PAGE: Final = (
    "<!DOCTYPE html>\n<html><head><title>Sign in · GitLab</title></head>\n"
    '<body><form action="/users/sign_in" method="post"><input name="user[login]"></form>'
    "</body></html>\n"
)

#: Where a next page leads that does not lead back; nothing resolves this name.
ELSEWHERE: Final = "https://gitlab.invalid"

_PROXY_PAGE: Final = (
    "<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>\r\n"
    "<center><h1>{status} {reason}</h1></center>\r\n<hr><center>nginx</center>\r\n"
    "</body>\r\n</html>\r\n"
)
_PROXY_STATUSES: Final = frozenset({502, 503, 504})


async def misbehave(fault: Fault, request: web.Request, answer: Answer) -> web.StreamResponse:
    """Answer a request as a fault wants it.

    Args:
        fault: What is to be done.
        request: The request.
        answer: Makes the real answer.
    """
    if fault.kind is FaultKind.STALL:
        await fault.hold()
        return await answer()
    if fault.kind in _INSTEAD:
        return _INSTEAD[fault.kind](fault, request)
    real = await answer()
    if fault.kind in {FaultKind.CUT_BODY, FaultKind.TRUNCATED}:
        return _send_half(request, real, with_length=fault.kind is FaultKind.CUT_BODY)
    if fault.kind is FaultKind.SLOW_BODY:
        return await _drip(fault, request, real)
    return _CHANGED[fault.kind](fault, real)


def _cut(_: Fault, request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=HTTPStatus.BAD_GATEWAY)  # is never sent


def _send_half(request: web.Request, real: web.Response, *, with_length: bool) -> web.Response:
    body = _body(real)
    lines = [f"HTTP/1.1 {real.status} {HTTPStatus(real.status).phrase}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in real.headers.items()]
    lines += [f"Content-Length: {len(body)}"] if with_length else []
    head = "\r\n".join([*lines, "", ""]).encode()
    if request.transport is not None:
        request.transport.write(head + body[: len(body) // 2])
        request.transport.close()
    return web.Response(status=HTTPStatus.BAD_GATEWAY)  # is never sent


async def _drip(fault: Fault, request: web.Request, real: web.Response) -> web.StreamResponse:
    body = _body(real)
    slow = web.StreamResponse(status=real.status, headers=real.headers)
    slow.content_length = len(body)
    await slow.prepare(request)
    sent = len(body) // 2
    await slow.write(body[:sent])
    while sent < len(body) and not await fault.hold(fault.drip_s):
        await slow.write(body[sent : sent + 1])
        sent += 1
    await slow.write(body[sent:])
    await slow.write_eof()
    return slow


def _body(real: web.Response) -> bytes:
    return real.body if isinstance(real.body, bytes) else b""


def _status(fault: Fault, _: web.Request) -> web.Response:
    if fault.body is not None:
        text, kind = fault.body, "application/json"
        if not text.lstrip().startswith(("{", "[")):
            kind = "text/html" if text.lstrip().startswith("<") else "text/plain"
    elif fault.status == HTTPStatus.TOO_MANY_REQUESTS:
        text, kind = "Retry later\n", "text/plain"
    elif fault.status in _PROXY_STATUSES:
        reason = HTTPStatus(fault.status).phrase
        text, kind = _PROXY_PAGE.format(status=fault.status, reason=reason), "text/html"
    else:
        reason = HTTPStatus(fault.status).phrase
        text = orjson.dumps({"message": f"{fault.status} {reason}"}).decode()
        kind = "application/json"
    return web.Response(text=text, status=fault.status, headers=fault.headers, content_type=kind)


def _login_page(_: Fault, __: web.Request) -> web.Response:
    return web.Response(text=SIGN_IN_PAGE, content_type="text/html")


def _login_redirect(_: Fault, __: web.Request) -> web.Response:
    text = '<html><body>You are being <a href="/users/sign_in">redirected</a>.</body></html>'
    headers = {"Location": SIGN_IN_PATH}
    return web.Response(text=text, status=302, headers=headers, content_type="text/html")


def _graphql_error(fault: Fault, _: web.Request) -> web.Response:
    message = fault.body or "Timeout on validation of query"
    return json_response({"data": None, "errors": [{"message": message}]})


def _bad_json(_: Fault, real: web.Response) -> web.Response:
    body = _body(real) or b'{"id": 1}'
    real.body = body[: max(len(body) // 2, 1)]
    return real


def _wrong_shape(_: Fault, real: web.Response) -> web.Response:
    is_list = _body(real).startswith(b"[")
    return json_response({"unexpected": True} if is_list else [{"unexpected": True}])


def _link_host(fault: Fault, real: web.Response) -> web.Response:
    host = fault.body or ELSEWHERE
    if "Link" in real.headers:
        real.headers["Link"] = re.sub(r"<https?://[^/]+", f"<{host}", real.headers["Link"])
    return real


def _graphql_nulls(fault: Fault, real: web.Response) -> web.Response:
    document = orjson.loads(_body(real))
    path = _first_node(document)
    message = fault.body or "Timeout on Project.repository"
    document["errors"] = [{"message": message, "path": path}]
    return json_response(document)


def _first_node(document: Any) -> list[str | int]:
    """Make the first node of the first list null; return its path."""
    path: list[str | int] = []
    within = document.get("data")
    while isinstance(within, dict):
        name = next((name for name, one in within.items() if isinstance(one, (dict, list))), None)
        if name is None:
            break
        path.append(name)
        within = within[name]
    if isinstance(within, list) and within:
        within[0] = None
        path.append(0)
    return path


_INSTEAD: Final[dict[FaultKind, Callable[[Fault, web.Request], web.Response]]] = {
    FaultKind.CUT: _cut,
    FaultKind.STATUS: _status,
    FaultKind.LOGIN_PAGE: _login_page,
    FaultKind.LOGIN_REDIRECT: _login_redirect,
    FaultKind.GRAPHQL_ERROR: _graphql_error,
}
_CHANGED: Final[dict[FaultKind, Callable[[Fault, web.Response], web.Response]]] = {
    FaultKind.BAD_JSON: _bad_json,
    FaultKind.WRONG_SHAPE: _wrong_shape,
    FaultKind.LINK_HOST: _link_host,
    FaultKind.GRAPHQL_NULLS: _graphql_nulls,
}
