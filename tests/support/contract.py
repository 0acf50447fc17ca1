"""The OpenAPI document as the contract that answers are held to."""

import re
from functools import cache
from typing import Any, Final

import orjson
from aiohttp import ClientResponse
from openapi_schema_validator import OAS31Validator, oas31_format_checker

from ingest.api.openapi.document import document
from ingest.api.openapi.parts import EVENT_STREAM

Json = dict[str, Any]

VERBS: Final = ("get", "put", "post", "delete")
JSON: Final = ("application/json", "application/problem+json")

_DOCUMENT: Final = document()


def operations() -> list[tuple[str, str, Json]]:
    """Return every operation: its verb, its path, and what the document says of it."""
    return [
        (verb.upper(), path, item[verb])
        for path, item in _DOCUMENT["paths"].items()
        for verb in VERBS
        if verb in item
    ]


def resolved(part: Json) -> Json:
    """Return what a reference into the document names, or the part itself."""
    if "$ref" not in part:
        return part
    found = _DOCUMENT
    for step in part["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return found


def faults(schema: Json, value: object) -> list[str]:
    """Return what is wrong with a value, by a schema of the document."""
    whole = {**schema, "components": _DOCUMENT["components"]}
    validator = OAS31Validator(whole, format_checker=oas31_format_checker)
    return [f"{one.json_path}: {one.message}" for one in validator.iter_errors(value)]


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)))


def operation_at(method: str, path: str) -> Json:
    """Return the operation that a request is one of; a path in so many words comes first."""
    found = [
        (template.count("{"), operation)
        for verb, template, operation in operations()
        if verb == method and _pattern(template).fullmatch(path)
    ]
    assert found, f"{method} {path} is not in the document"
    return min(found, key=lambda one: one[0])[1]


async def keep_contract(response: ClientResponse) -> Any:
    """Hold an answer against the document; return its body, JSON as a document.

    Its status, its media type, its headers and what it holds must all be as they are described.
    """
    operation = operation_at(response.method, response.url.path)
    place = f"{response.method} {response.url} {response.status}"
    assert str(response.status) in operation["responses"], f"{place} is not described"
    described = operation["responses"][str(response.status)]
    for name, header in described["headers"].items():
        if resolved(header)["required"]:
            assert name in response.headers, f"{place} has no {name}"
    assert response.content_type in described["content"], f"{place}: {response.content_type}"
    text = await response.text()
    schema = described["content"][response.content_type]["schema"]
    if response.content_type == EVENT_STREAM:
        body: Any = events(text)
        wrong = [fault for event in body for fault in faults(schema, event)]
    else:
        body = orjson.loads(text) if response.content_type in JSON else text
        wrong = faults(schema, body)
    assert not wrong, f"{place}: {wrong}"
    return body


def events(text: str) -> list[dict[str, str]]:
    """Return the server-sent events of a stream; comments are none."""
    lines = [line.partition(": ") for line in text.splitlines() if line[:1] not in ("", ":")]
    return [{field: value} for field, _, value in lines]
