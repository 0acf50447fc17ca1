"""Which error is which HTTP status, and what its answer looks like; the only place that decides."""

import os
import re
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

import orjson
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import istr

from ingest import errors
from ingest.access import errors as access
from ingest.api import browser
from ingest.api.params import shown

_log = structlog.get_logger(__name__)

STATUSES: Final = MappingProxyType(
    {
        errors.InvalidValueError: 400,
        access.NotAuthenticatedError: 401,
        access.WrongWebhookTokenError: 401,
        access.CrossSiteError: 403,
        access.InsufficientScopeError: 403,
        access.WebhookClosedError: 403,
        errors.JobInstanceNotFoundError: 404,
        errors.JobExecutionNotFoundError: 404,
        errors.ItemNotFoundError: 404,
        errors.NotADryRunError: 404,
        access.BodyTooSlowError: 408,
        errors.JobAlreadyRunningError: 409,
        errors.ExecutionNotRunningError: 412,
        access.BodyTooLargeError: 413,
        # Whom the request calls is somebody else: just what 421 says (RFC 9110, 15.5.20).
        access.UnknownHostError: 421,
        errors.ItemProblemError: 422,
        errors.BankUnavailableError: 502,
        errors.DatabaseInUseError: 503,
        errors.EndNotRecordedError: 503,
        errors.StartPendingError: 503,
        errors.ServiceStoppingError: 503,
        errors.DatabaseUnavailableError: 503,
        access.IssuerUnavailableError: 503,
        access.OverloadedError: 503,
    }
)

#: Errors that no request can meet: they end a start, a job or a command.
NOT_OVER_HTTP: Final = frozenset(
    {
        errors.BackupError,
        errors.ConfigurationError,
        errors.DatabaseVersionError,
        errors.DeleteGuardError,
        errors.FencedError,
        errors.HookRefusedError,
        errors.IllegalTransitionError,
        errors.JobDidNotCompleteError,
        errors.JobFailedError,
        errors.ServiceUnreachableError,
        access.TokenNameTakenError,
        access.TokenNotFoundError,
    }
)

#: What a client may do after a 503: come again soon.
RETRY_AFTER_S: Final = 2

#: The media type of RFC 9457.
PROBLEM_JSON: Final = "application/problem+json"

_JSON_TYPES: Final = frozenset({"application/json", PROBLEM_JSON})
#: The weight of what is not wanted at all (RFC 9110, 12.4.2).
_REFUSED: Final = re.compile(r"q\s*=\s*0(\.0*)?")
#: How to show who one is.
_CHALLENGE: Final = 'Bearer realm="ingest"'

#: After these the connection is of no more use: the rest of a body is still to come on it.
_BODY_UNREAD: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE})

_REQUEST_ID: Final = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)
_REQUEST_ID_BYTES: Final = 16
REQUEST_ID_NAMED: Final = istr("X-Request-ID")
#: Where a request keeps its id.
REQUEST_ID: Final = web.RequestKey("request_id", str)
_PROBES: Final = "/health"


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every failure in words, and give each request an id that its log lines carry."""
    request[REQUEST_ID] = request_id = request_id_of(request)
    # For good: aiohttp runs each request in a task, and so in a context, of its own.
    structlog.contextvars.bind_contextvars(request_id=request_id)
    response = await _answer(request, handler)
    log = _log.debug if request.path.startswith(_PROBES) else _log.info
    log("request", method=request.method, path=request.path, status=response.status)
    return response


def request_id_of(request: web.Request) -> str:
    """Return the id that a request brings along, if it is one, or a new one."""
    given = request.headers.get(REQUEST_ID_NAMED)
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    return os.urandom(_REQUEST_ID_BYTES).hex()


async def complete_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Put on an answer, a stream too, what each has (for ``on_response_prepare``)."""
    if REQUEST_ID_NAMED in response.headers:
        return  # it was made with all of them
    browser.add_headers(response)
    if REQUEST_ID in request:
        response.headers[REQUEST_ID_NAMED] = request[REQUEST_ID]


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ConnectionResetError:
        raise  # the caller is gone; there is nobody to answer
    except Exception as error:
        if request.writer.output_size == 0:
            return _answer_to(request, error)
        # A second answer would stand in the middle of the first. Broken off, that one is incomplete
        # to whoever reads it.
        _log.warning("answer broken off", path=request.path, reason=str(error))
        raise ConnectionResetError("an answer is on its way already") from error


def _answer_to(request: web.Request, error: Exception) -> web.Response:
    if isinstance(error, errors.IngestError):
        return _failure(request, error)
    if isinstance(error, web.HTTPException):
        return _refusal(request, error)
    # The last resort, whatever it is: logged whole, answered.
    _log.error(
        "request failed unexpectedly", method=request.method, path=request.path, exc_info=error
    )
    detail = (
        "The service failed to answer; this is a fault of the service, and its log tells more "
        f"under request id {request[REQUEST_ID]}"
    )
    return _response(request, 500, detail)


def _failure(request: web.Request, error: errors.IngestError) -> web.Response:
    status = STATUSES.get(type(error), 500)
    headers: dict[str, str] = {}
    if isinstance(error, errors.JobAlreadyRunningError):
        headers["Location"] = f"/executions/{error.execution_id}"
    elif isinstance(error, access.NotAuthenticatedError):
        # RFC 6750, 3.1: a caller who has shown no token is told no error.
        headers["WWW-Authenticate"] = _CHALLENGE + (
            ', error="invalid_token"' if error.is_invalid else ""
        )
    elif isinstance(error, access.InsufficientScopeError):
        headers["WWW-Authenticate"] = (
            f'{_CHALLENGE}, error="insufficient_scope", scope="{error.scope}"'
        )
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_S)
        _log.warning("request refused", code=error.code, reason=str(error))
    response = _response(
        request, status, str(error), headers=headers, code=error.code, members=error.members
    )
    if status in _BODY_UNREAD:
        response.force_close()
    return response


def _refusal(request: web.Request, error: web.HTTPException) -> web.Response:
    """Put aiohttp's own answers (no such path, wrong verb, too large) into our form."""
    path = shown(request.path)
    headers: dict[str, str] = {}
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        headers["Allow"] = allowed
        detail = f"{request.method} is not allowed for {path}; allowed: {allowed}"
    elif error.status == HTTPStatus.NOT_FOUND:
        detail = f"There is nothing at {path}"
    else:
        detail = f"{error.reason}: {path}"
    return _response(request, error.status, detail, headers=headers)


def _response(
    request: web.Request,
    status: int,
    detail: str,
    *,
    headers: dict[str, str] | None = None,
    code: str | None = None,
    members: dict[str, object] | None = None,
) -> web.Response:
    if not _wants_json(request):
        return web.Response(text=detail, status=status, headers=headers)
    return web.Response(
        body=orjson.dumps(problem_document(status, detail, code=code, members=members)),
        status=status,
        headers=headers,
        content_type=PROBLEM_JSON,
    )


def problem_document(
    status: int,
    detail: str,
    *,
    code: str | None = None,
    members: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """Return the problem document (RFC 9457) of an error, or of a status alone."""
    return {
        "type": problem_type(code),
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **(members or {}),
    }


def problem_type(code: str | None) -> str:
    """Return the URI that tells one error from others; there is one for those without a code."""
    return "about:blank" if code is None else f"urn:item-ingest:problem:{code}"


def _wants_json(request: web.Request) -> bool:
    """Return whether the caller names a JSON type: ``*/*`` alone does not."""
    accepted = ",".join(request.headers.getall("Accept", ()))
    return any(map(_is_json, accepted.split(",")))


def _is_json(media_range: str) -> bool:
    media_type, *parameters = (part.strip().lower() for part in media_range.split(";"))
    return media_type in _JSON_TYPES and not any(map(_REFUSED.fullmatch, parameters))
