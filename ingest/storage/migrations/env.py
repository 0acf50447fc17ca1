"""Run by Alembic: migrate over the connection, and in the transaction, that it was given."""

from alembic import context

from ingest.storage.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
