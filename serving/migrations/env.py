"""Run by Alembic, with the connection that :func:`serving.database.migrate` opened."""

from alembic import context

import serving.key_tables  # noqa: F401  (its tables belong to the schema)
from serving.tables import Base

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
