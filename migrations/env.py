"""How Alembic runs the revisions in `versions/`. What it does, and why, is in `sqlstrata.operations.environment`."""

from __future__ import annotations

from sqlstrata.operations import environment

environment.run()
