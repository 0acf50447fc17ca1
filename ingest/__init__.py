"""The Item Ingest Service: a database kept in step with an item bank of git repositories."""
