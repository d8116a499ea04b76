"""Alembic migrations, packaged so that an installed greenlane can migrate its store."""
