"""The probes, and what the service says of itself."""

from http import HTTPStatus
from typing import Final

from ingest.api.health import OUT_OF_SERVICE, UP
from ingest.api.openapi import examples
from ingest.api.openapi.parts import Answer, Operation, Tag, schema_ref
from ingest.api.openapi.schemas import TEXT

_HTML: Final = "text/html"

SERVICE_OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/health",
        id="getHealth",
        tag=Tag.PROBES,
        summary="Every component, and how late the event loop is",
        description="For people and for monitoring. 503 only where the service itself cannot work.",
        answers=(
            Answer(
                description="The service can work.",
                schema=schema_ref("Health"),
                examples={"up": examples.healthy()},
            ),
            Answer(
                status=HTTPStatus.SERVICE_UNAVAILABLE,
                description="The service itself cannot work.",
                schema=schema_ref("Health"),
                examples={"down": examples.unhealthy()},
            ),
        ),
    ),
    Operation(
        method="GET",
        path="/health/live",
        id="getLiveness",
        tag=Tag.PROBES,
        summary="Whether the event loop turns",
        description="The liveness probe: where nothing answers, restart the process.",
        answers=(
            Answer(
                description="It does.",
                schema=schema_ref("Live"),
                examples={"live": {"status": UP}},
            ),
        ),
    ),
    Operation(
        method="GET",
        path="/health/ready",
        id="getReadiness",
        tag=Tag.PROBES,
        summary="Whether requests can be served",
        description="The readiness probe: 503 from the moment in which shutdown begins.",
        answers=(
            Answer(
                description="They can.",
                schema=schema_ref("Live"),
                examples={"ready": {"status": UP}},
            ),
            Answer(
                status=HTTPStatus.SERVICE_UNAVAILABLE,
                description="Shutdown has begun.",
                schema=schema_ref("OutOfService"),
                examples={"stopping": {"status": OUT_OF_SERVICE}},
            ),
        ),
    ),
    Operation(
        method="GET",
        path="/metrics",
        id="getMetrics",
        tag=Tag.ABOUT,
        summary="What is measured, for Prometheus",
        description="Executions, items, requests, durations, the event loop, the database. What "
        "cannot be seen at the moment is left out.",
        answers=(
            Answer(
                description="Prometheus' text format.",
                media_type="text/plain",
                schema=TEXT,
                examples={"a metric of many": examples.metric()},
            ),
            Answer(
                description="Where the caller's `Accept` names it: OpenMetrics.",
                media_type="application/openmetrics-text",
                schema=TEXT,
                examples={},
            ),
        ),
    ),
    Operation(
        method="GET",
        path="/openapi.json",
        id="getOpenApi",
        tag=Tag.ABOUT,
        summary="This document",
        description="For programs that make clients, tests or pages of it.",
        answers=(
            Answer(
                description="OpenAPI 3.1.",
                schema={"type": "object", "required": ["openapi", "info", "paths"]},
                examples={},
                headers=("ETag",),
            ),
        ),
    ),
    Operation(
        method="GET",
        path="/docs",
        id="getDocs",
        tag=Tag.ABOUT,
        summary="This document as a page, where each request can be tried",
        description="It loads nothing from anywhere else.",
        answers=(
            Answer(
                description="A page that needs no JavaScript to be read.",
                media_type=_HTML,
                schema={"type": "string"},
                examples={},
                headers=("ETag",),
            ),
        ),
    ),
)
