"""What an operation is described by, before it becomes OpenAPI."""

from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final, Literal

from attrs import field, frozen

from ingest import errors

Json = dict[str, Any]

JSON: Final = "application/json"
#: Its schema is that of an event, as in OpenAPI 3.2, for that of a stream would say nothing.
EVENT_STREAM: Final = "text/event-stream"


class Tag(StrEnum):
    """How operations are grouped; each with a line for people in `TAGS`."""

    JOBS = "Jobs"
    EXECUTIONS = "Executions"
    ITEMS = "Items"
    PROBES = "Probes"
    ABOUT = "About the service"


def schema_ref(name: str) -> Json:
    """Return a reference to a schema of the components."""
    return {"$ref": f"#/components/schemas/{name}"}


@frozen(kw_only=True)
class Parameter:
    """A parameter in the path, the query or the headers."""

    name: str
    place: Literal["path", "query", "header"]
    description: str
    schema: Json
    example: Any

    def document(self) -> Json:
        """Return it in OpenAPI's form."""
        return {
            "name": self.name,
            "in": self.place,
            "description": self.description,
            "required": self.place == "path",
            "schema": self.schema,
            "example": self.example,
        }


@frozen(kw_only=True)
class Link:
    """What a value of the answer can be used for next."""

    operation: str
    description: str
    #: The target's parameters, by name: runtime expressions.
    parameters: Mapping[str, str]


@frozen(kw_only=True)
class Answer:
    """An answer that is not an error."""

    description: str
    schema: Json
    #: By a name for people.
    examples: Mapping[str, Any]
    status: int = HTTPStatus.OK
    media_type: str = JSON
    #: Names of headers of the components.
    headers: tuple[str, ...] = ()
    links: Mapping[str, Link] = field(factory=dict)


@frozen(kw_only=True)
class Body:
    """What a request brings along: JSON."""

    description: str
    schema: Json
    example: Any


@frozen(kw_only=True)
class Operation:
    """One verb of one path."""

    method: str
    #: As the router has it.
    path: str
    id: str
    tag: Tag
    summary: str
    description: str
    #: Those of the query and the headers; the path's follow from it.
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    answers: tuple[Answer, ...]
    #: The errors that it can meet, beyond those that every operation can.
    refusals: tuple[type[errors.IngestError], ...] = ()
    #: What a refusal can be used for next, by its status.
    refusal_links: Mapping[int, Mapping[str, Link]] = field(factory=dict)
