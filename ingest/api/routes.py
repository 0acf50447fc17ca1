"""Every path there is."""

from typing import Final

from aiohttp import web

from ingest.api import about, events, health, items, jobs, metrics, webhook

ROUTES: Final = (
    web.post("/sync", jobs.start_synchronization),
    web.post("/migrate", jobs.start_migration),
    web.post("/sync/{item_id}", items.synchronize_one),
    web.post("/migrate/{item_id}", items.migrate_one),
    web.post("/webhook", webhook.receive),
    web.put("/abandon/{instance_id}", jobs.abandon),
    web.get("/jobs", jobs.list_jobs),
    web.get("/executions", jobs.list_executions),
    web.get("/executions/{execution_id}", jobs.get_execution),
    web.get("/executions/{execution_id}/history", jobs.get_history),
    web.get("/executions/{execution_id}/changes", jobs.list_planned_changes),
    # No HEAD here: it would wait for the execution's end to send nothing.
    web.get("/executions/{execution_id}/events", events.stream_execution, allow_head=False),
    web.get("/items", items.list_items),
    web.get("/items/{item_id}", items.get_one),
    web.get("/problems", items.list_problems),
    web.get("/metrics", metrics.metrics),
    web.get("/health", health.health),
    web.get("/health/live", health.live),
    web.get("/health/ready", health.ready),
    web.get("/openapi.json", about.openapi),
    web.get("/docs", about.docs),
    web.get("/static/{name}", about.asset),
)
