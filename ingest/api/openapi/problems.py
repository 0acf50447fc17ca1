"""Every error in OpenAPI's form: its text, and its RFC 9457 problem document."""

import inspect
from collections import defaultdict
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from ingest import errors
from ingest.access import errors as access
from ingest.access.authentication import no_token
from ingest.api.access import Access
from ingest.api.errors import PROBLEM_JSON, STATUSES, problem_document, problem_type
from ingest.api.openapi.parts import Json, schema_ref
from ingest.api.openapi.schemas import TEXT, closed, said
from ingest.model.access import Scope
from ingest.model.item import ProblemKind
from ingest.settings import ServerSettings

_JOB: Final = "itemSynchronizationJob"

#: An error of each kind, as a client may meet it: examples are made of what it says.
SAMPLES: Final[Mapping[type[errors.IngestError], errors.IngestError]] = MappingProxyType(
    {
        type(sample): sample
        for sample in (
            errors.InvalidValueError("Unknown query parameter 'resaon'; there are reason"),
            errors.JobInstanceNotFoundError(99),
            errors.JobExecutionNotFoundError(99),
            errors.ItemNotFoundError("205030", where="the item bank and the item database"),
            errors.NotADryRunError(14),
            errors.JobAlreadyRunningError(
                instance_id=1, instance_version=0, job_name=_JOB, execution_id=14
            ),
            errors.ExecutionNotRunningError(instance_id=1, asked=14, running=15),
            errors.ItemProblemError(
                "205030",
                kind=ProblemKind.NOT_JSON,
                message="item.json is not JSON: line 1, column 18: unexpected end of data: "
                "correct it there",
            ),
            errors.BankUnavailableError(
                "The item bank /srv/item-bank cannot be read: No such file or directory. Make the "
                "folder available, or name another one with --bank"
            ),
            errors.DatabaseInUseError(
                "Another process has taken the database, for this one's lock file was removed: "
                "nothing is started here any more. Stop one of the two services, and do not "
                "remove lock files"
            ),
            errors.EndNotRecordedError(
                instance_id=1,
                execution_id=14,
                cause="The database /srv/ingest.db cannot be used: database or disk is full",
            ),
            errors.StartPendingError(instance_id=1, job_name=_JOB, waited_s=5.0),
            errors.ServiceStoppingError(),
            access.WrongWebhookTokenError(),
            access.WebhookClosedError(),
            errors.DatabaseUnavailableError(
                "The database /srv/ingest.db cannot be used: database is locked", is_passing=True
            ),
            no_token(),
            access.InsufficientScopeError(caller="nightly", scope=Scope.OPERATE),
            access.CrossSiteError(
                "A page of another site sent this request (Sec-Fetch-Site: 'cross-site'), and this "
                "service takes requests from its own pages only. Call it from its own page, or "
                "from outside of a browser"
            ),
            access.UnknownHostError(
                "This service is not called 'evil.example': ask for localhost, for its address, or "
                "for a name that server.allowed_hosts holds"
            ),
            access.BodyTooLargeError(ServerSettings().max_body_bytes),
            access.BodyTooSlowError(ServerSettings().request_within_s),
            access.IssuerUnavailableError(
                "The issuer's keys (auth.jwt_jwks_url) cannot be had now, so that no token of it "
                "can be checked: try again in a moment"
            ),
            access.OverloadedError(
                "512 requests to look are under way, which is all that are taken at the same time "
                "(server.max_requests): try again in a moment"
            ),
        )
    }
)

_FAULT: Final = "The service failed to answer; its log tells more, under the request's id."

_MEMBERS: Final[Json] = {
    "jobInstanceId": {"type": "integer", "format": "int64"},
    "jobExecutionId": {"type": ["integer", "null"], "format": "int64"},
    "itemId": TEXT,
    "scope": {"type": "string", "enum": [one.value for one in Scope]},
    "kind": {"type": "string", "enum": [one.value for one in ProblemKind]},
}


def met_anywhere(takes: Access) -> tuple[type[errors.IngestError], ...]:
    """Return what a request can meet before a handler is asked, and of every handler."""
    met: list[type[errors.IngestError]] = [
        access.UnknownHostError,
        access.CrossSiteError,
    ]
    if takes is not Access.PROBE:
        met += [
            errors.InvalidValueError,
            access.BodyTooSlowError,
            access.BodyTooLargeError,
            access.OverloadedError,
        ]
    if takes.scope is not None:
        met += [
            access.NotAuthenticatedError,
            access.InsufficientScopeError,
            access.IssuerUnavailableError,
            errors.DatabaseUnavailableError,
        ]
    return tuple(met)


def explained(kind: type[errors.IngestError]) -> str:
    """Return what an error means, in a line."""
    return inspect.cleandoc(kind.__doc__ or kind.code).partition("\n")[0]


def schema_name(kind: type[errors.IngestError]) -> str:
    """Return the name of an error's schema."""
    return f"{kind.__name__.removesuffix('Error')}Error"


def problem_schemas() -> Json:
    """Return the schema of each error's problem document, and that of all others."""
    named = {
        schema_name(kind): _schema(
            explained(kind), problem_type(kind.code), STATUSES[kind], sample.members
        )
        for kind, sample in SAMPLES.items()
    }
    return {**named, "OtherError": _schema("Any other error.", problem_type(None), None, {})}


def _schema(description: str, kind: str, status: int | None, members: Mapping[str, object]) -> Json:
    title: Json = TEXT
    number: Json = {"type": "integer", "minimum": 400, "maximum": 599}
    if status is not None:
        title = {"type": "string", "const": HTTPStatus(status).phrase}
        number = {"type": "integer", "const": status}
    return closed(
        description,
        {
            "type": {"type": "string", "format": "uri", "const": kind},
            "title": title,
            "status": number,
            "detail": said(TEXT, "The reason, which a person can act on."),
            **{name: _MEMBERS[name] for name in members},
        },
    )


def by_status(
    kinds: Iterable[type[errors.IngestError]],
) -> dict[int, list[type[errors.IngestError]]]:
    """Return errors by the status that each is answered with, the lowest first."""
    found: dict[int, list[type[errors.IngestError]]] = defaultdict(list)
    for kind in dict.fromkeys(kinds):
        found[STATUSES[kind]].append(kind)
    return dict(sorted(found.items()))


def refusal(status: int, kinds: Iterable[type[errors.IngestError]]) -> Json:
    """Return the content and the description of a status that means one of these errors."""
    listed = list(kinds)
    texts = {kind.code: {"value": str(SAMPLES[kind])} for kind in listed}
    documents = {
        kind.code: {
            "value": problem_document(
                status, str(SAMPLES[kind]), code=kind.code, members=SAMPLES[kind].members
            )
        }
        for kind in listed
    }
    schemas = [schema_ref(schema_name(kind)) for kind in listed]
    return {
        "description": "\n\n".join(f"`{kind.code}`: {explained(kind)}" for kind in listed),
        "content": _content(
            schemas[0] if len(schemas) == 1 else {"oneOf": schemas}, texts, documents
        ),
    }


def fault() -> Json:
    """Return the content and the description of a fault of the service."""
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return {
        "description": _FAULT,
        "content": _content(
            schema_ref("OtherError"),
            {"fault": {"value": _FAULT}},
            {"fault": {"value": problem_document(status, _FAULT)}},
        ),
    }


def _content(schema: Json, texts: Json, documents: Json) -> Json:
    return {
        "text/plain": {"schema": TEXT, "examples": texts},
        PROBLEM_JSON: {"schema": schema, "examples": documents},
    }
