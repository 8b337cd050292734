"""An existing Alembic history: run as it is on a scratch database, and read from the database's catalogue."""
