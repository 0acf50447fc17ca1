"""The OpenAPI 3.1 document, assembled."""

import importlib.metadata
import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Final

from ingest.api.errors import RETRY_AFTER_S, STATUSES
from ingest.api.openapi import problems
from ingest.api.openapi.execution_operations import EXECUTION_OPERATIONS
from ingest.api.openapi.item_operations import ITEM_OPERATIONS
from ingest.api.openapi.item_schemas import item_schemas
from ingest.api.openapi.job_operations import JOB_OPERATIONS
from ingest.api.openapi.parameters import PATH, REQUEST_ID
from ingest.api.openapi.parts import JSON, Answer, Json, Link, Operation, Tag
from ingest.api.openapi.schemas import SCHEMAS, TEXT
from ingest.api.openapi.service_operations import SERVICE_OPERATIONS
from ingest.api.openapi.service_schemas import SERVICE_SCHEMAS
from ingest.api.routes import ROUTES
from ingest.errors import JobAlreadyRunningError
from ingest.model.access import Scope
from ingest.settings import ServerSettings

OPERATIONS: Final = (
    *JOB_OPERATIONS,
    *EXECUTION_OPERATIONS,
    *ITEM_OPERATIONS,
    *SERVICE_OPERATIONS,
)

#: What each route takes of its caller.
_ACCESS: Final = {(route.method, route.path): route.access for route in ROUTES}

_DISTRIBUTION: Final = "item-ingest-service"

_ABOUT: Final = """\
Keeps a searchable database in step with an item bank in git, by two jobs that can be started, \
watched and abandoned. An answer is a promise: after `ABANDONED` nothing of that job happens any \
more, and the next start works.

Errors are one line of text. A client whose `Accept` names `application/json` or \
`application/problem+json` gets an RFC 9457 problem document with the same status, the text as \
its `detail`, and the ids as members; each error has a `type` of its own. Beyond the statuses that \
stand with the operations there are 404 for a path that is not there, 405 with `Allow` for a verb \
that a path does not have, 304 for what a client has already (`If-None-Match`, where there is an \
`ETag`), 431 for a head that is too large, 400 for what is no HTTP, and 503 where there is no \
room for another connection.

`GET` may be `HEAD` wherever nothing else is said. Unknown query parameters, and those given \
twice, are refused."""

_TAGS: Final = {
    Tag.JOBS: "Start and abandon the two jobs. Job instance 1 is the synchronization, 2 the "
    "migration, from the first moment and for ever.",
    Tag.EXECUTIONS: "What has run and what runs: counts, progress, history.",
    Tag.ITEMS: "What has been ingested, what could not be, and single items now.",
    Tag.PROBES: "For whatever runs the service. Always open.",
    Tag.ABOUT: "What the service says of itself.",
}

_HEADERS: Final[Json] = {
    "X-Request-ID": (True, "The request's id, which its log lines carry.", "night-7"),
    "Location": (False, "The execution, as a path.", "/executions/14"),
    "WWW-Authenticate": (False, "How to show a token, and what it lacks.", 'Bearer realm="ingest"'),
    "Retry-After": (True, "In how many seconds to try again.", str(RETRY_AFTER_S)),
    "Preference-Applied": (False, "The wait that was granted, where one was asked for.", "wait=5"),
    "ETag": (True, "Changes with the content; `If-None-Match` spares sending it again.", '"4f2a"'),
}


def document() -> Json:
    """Return the document, made anew: whoever serves it keeps what it is in bytes."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Item Ingest Service",
            "version": importlib.metadata.version(_DISTRIBUTION),
            "description": _ABOUT,
        },
        "servers": [
            {"url": "/", "description": "The service that serves this document"},
            {
                "url": f"http://{ServerSettings().host}:{ServerSettings().port}",
                "description": "The address that it has by default",
            },
        ],
        "tags": [{"name": tag.value, "description": words} for tag, words in _TAGS.items()],
        "security": _security(Scope.READ),
        "paths": _paths(OPERATIONS),
        "components": {
            "schemas": {
                **SCHEMAS,
                **SERVICE_SCHEMAS,
                **item_schemas(),
                **problems.problem_schemas(),
            },
            "parameters": {"RequestId": REQUEST_ID.document()},
            "headers": {
                name: {
                    "required": required,
                    "description": words,
                    "schema": TEXT,
                    "example": example,
                }
                for name, (required, words, example) in _HEADERS.items()
            },
            "securitySchemes": {
                "bearerAuth": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Needed only where the service is configured so: with tokens "
                    "of its own, or with JWTs of an issuer. `x-required-scope` tells which scope "
                    "an operation takes.",
                }
            },
        },
    }


def public_path(path: str) -> str:
    """Return a path of the router with the API's names for its parameters."""
    return re.sub(r"\{(\w+)\}", lambda found: f"{{{PATH[found[1]].name}}}", path)


def _security(scope: Scope | None) -> list[Json]:
    return [] if scope is None else [{}, {"bearerAuth": [scope.value]}]


def _paths(operations: Iterable[Operation]) -> Json:
    paths: Json = {}
    for operation in operations:
        path = paths.setdefault(public_path(operation.path), {})
        path[operation.method.lower()] = _operation(operation)
    return paths


def _operation(one: Operation) -> Json:
    scope = _ACCESS[one.method, one.path].scope
    in_path = [PATH[name] for name in re.findall(r"\{(\w+)\}", one.path)]
    described: Json = {
        "operationId": one.id,
        "tags": [one.tag.value],
        "summary": one.summary,
        "description": one.description,
        "security": _security(scope),
        "parameters": [
            *(parameter.document() for parameter in (*in_path, *one.parameters)),
            {"$ref": "#/components/parameters/RequestId"},
        ],
        "responses": _responses(one),
    }
    if one.body is not None:
        media = {"schema": one.body.schema, "example": one.body.example}
        described["requestBody"] = {
            "description": one.body.description,
            "required": True,
            "content": {JSON: media},
        }
    if scope is not None:
        described["x-required-scope"] = scope.value
    return described


def _responses(one: Operation) -> Json:
    responses: Json = {}
    for status, answer in _statuses(one):
        if str(status) in responses:
            _merge(responses[str(status)], answer)
        else:
            responses[str(status)] = answer
    return dict(sorted(responses.items()))


def _statuses(one: Operation) -> Iterator[tuple[int, Json]]:
    for answer in one.answers:
        yield answer.status, _answer(answer)
    kinds = (*one.refusals, *problems.met_anywhere(_ACCESS[one.method, one.path]))
    for status, listed in problems.by_status(kinds).items():
        refusal = problems.refusal(status, listed)
        refusal["headers"] = _headers(_refusal_headers(status))
        if links := one.refusal_links.get(status):
            refusal["links"] = _links(links)
        yield status, refusal
    yield HTTPStatus.INTERNAL_SERVER_ERROR, {**problems.fault(), "headers": _headers(())}


def _refusal_headers(status: int) -> tuple[str, ...]:
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return ("Retry-After",)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return ("WWW-Authenticate",)
    return ("Location",) if status == STATUSES[JobAlreadyRunningError] else ()


def _merge(into: Json, other: Json) -> None:
    """Add the meanings of a status to those it has already."""
    into["description"] += "\n\n" + other["description"]
    into["headers"] |= other["headers"]
    into["content"] |= other["content"]
    if "links" in other:
        into.setdefault("links", {}).update(other["links"])


def _answer(answer: Answer) -> Json:
    media: Json = {"schema": answer.schema}
    if answer.examples:
        media["examples"] = {name: {"value": value} for name, value in answer.examples.items()}
    described: Json = {
        "description": answer.description,
        "headers": _headers(answer.headers),
        "content": {answer.media_type: media},
    }
    if answer.links:
        described["links"] = _links(answer.links)
    return described


def _headers(names: Iterable[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-ID", *names)}


def _links(links: Mapping[str, Link]) -> Json:
    return {
        name: {
            "operationId": link.operation,
            "description": link.description,
            "parameters": dict(link.parameters),
        }
        for name, link in links.items()
    }
