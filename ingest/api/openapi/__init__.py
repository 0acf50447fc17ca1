"""The OpenAPI document, put together from where each fact lives.

Statuses and codes come from `ingest.api.errors`, enumerations from the model, an item's fields from
its columns, limits from `ingest.api.params`, and examples are what the views make of facts. What is
written here is only the words. A new route needs an `Operation` in one of the ``…_operations``
modules, a new error a sample in `ingest.api.openapi.problems`; a test fails for the one forgotten.
"""
