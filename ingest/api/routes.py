"""Every path there is, and who may call it."""

from typing import Final

from ingest.api import about, events, health, items, jobs, metrics, webhook
from ingest.api.access import Access, Route, get, post, put

ROUTES: Final[tuple[Route, ...]] = (
    post("/sync", jobs.start_synchronization, Access.OPERATE),
    post("/migrate", jobs.start_migration, Access.OPERATE),
    post("/sync/{item_id}", items.synchronize_one, Access.OPERATE),
    post("/migrate/{item_id}", items.migrate_one, Access.OPERATE),
    post("/webhook", webhook.receive, Access.OWN_SECRET),
    put("/abandon/{instance_id}", jobs.abandon, Access.OPERATE),
    get("/jobs", jobs.list_jobs, Access.READ),
    get("/executions", jobs.list_executions, Access.READ),
    get("/executions/{execution_id}", jobs.get_execution, Access.READ),
    get("/executions/{execution_id}/history", jobs.get_history, Access.READ),
    get("/executions/{execution_id}/changes", jobs.list_planned_changes, Access.READ),
    # No HEAD here: it would wait for the execution's end to send nothing.
    get(
        "/executions/{execution_id}/events", events.stream_execution, Access.READ, allow_head=False
    ),
    get("/items", items.list_items, Access.READ),
    get("/items/{item_id}", items.get_one, Access.READ),
    get("/problems", items.list_problems, Access.READ),
    get("/metrics", metrics.metrics, Access.METRICS),
    get("/health", health.health, Access.PROBE),
    get("/health/live", health.live, Access.PROBE),
    get("/health/ready", health.ready, Access.PROBE),
    get("/openapi.json", about.openapi, Access.PAGE),
    get("/docs", about.docs, Access.PAGE),
    get("/static/{name}", about.asset, Access.PAGE),
)
