"""Run by Alembic, with the connection that :func:`serving.database.migrate` opened."""

from alembic import context

from serving.all_tables import all_tables

context.configure(
    connection=context.config.attributes["connection"], target_metadata=all_tables(), render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
