"""What probes answer, as JSON Schema; see `ingest.api.health`."""

from collections.abc import Iterable
from typing import Final

from ingest.api.health import DOWN, OUT_OF_SERVICE, UP
from ingest.api.openapi.parts import Json, schema_ref
from ingest.api.openapi.schemas import NUMBER, TEXT, closed, said


def _component(more: Json | None = None, optional: Iterable[str] = ()) -> Json:
    properties = {
        "status": {"type": "string", "enum": [UP, DOWN]},
        "message": said(TEXT, "What is wrong; only where something is."),
        **(more or {}),
    }
    return closed("A component.", properties, ["message", *optional])


SERVICE_SCHEMAS: Final[Json] = {
    "Live": closed("A probe's answer.", {"status": {"type": "string", "const": UP}}),
    "OutOfService": closed(
        "Shutdown has begun.", {"status": {"type": "string", "const": OUT_OF_SERVICE}}
    ),
    "Health": closed(
        "The service and its components.",
        {
            "status": {"type": "string", "enum": [UP, DOWN]},
            "components": closed(
                "Each by itself. An item bank that is DOWN does not make the service DOWN.",
                {
                    "database": _component(),
                    "itemBank": _component(),
                    "jobs": _component(
                        {
                            "running": {"type": "array", "items": schema_ref("JobName")},
                            "withheldDeletions": schema_ref("WithheldDeletions"),
                        },
                        ["running", "withheldDeletions"],
                    ),
                    "eventLoop": _component(
                        {
                            "lagSeconds": said(NUMBER, "How late it is."),
                            "worstLagSeconds": said(NUMBER, "How late it has been at worst."),
                        }
                    ),
                },
            ),
        },
    ),
}
